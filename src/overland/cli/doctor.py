"""`overland doctor`: the installation and the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overland.cli.signature import command_from

if TYPE_CHECKING:
    from overland.workflows.doctor import DoctorResult

__all__ = ["command", "show"]


def show(found: DoctorResult) -> str:
    """Return the installation and the machine in words.

    Args:
        found: Versions, engines and the machine.

    Returns:
        A line of each package, engine and incomplete extra.
    """
    machine = found.machine
    missing = [extra for extra, complete in found.extras.items() if not complete]
    return "\n".join(
        [
            f"overland {found.overland}, Python {found.python}, {machine.system}",
            f"{machine.cpus} CPUs, {machine.memory_gb} GB memory, {found.disk_free_gb} GB free on this disk",
            f"processor: {', '.join(machine.features) or 'none of the features that decide over speed is known'}",
            "GDAL " + ", ".join(f"{name} {version}" for name, version in found.gdal.items()),
            "",
            *(f"  {name:30} {version or 'not installed'}" for name, version in found.versions.items()),
            "",
            *(f"engine {name}: {', '.join(devices) or 'not installed'}" for name, devices in found.engines.items()),
            *(f"extra {extra} is not complete: pip install 'overland[{extra}]'" for extra in missing),
        ]
    )


command = command_from(
    "overland.workflows.doctor:doctor",
    show=show,
    examples=("overland doctor", "overland doctor --json > doctor.json"),
)
