"""overland doctor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from overland.cli.console import Outcome, common_options, examples

__all__ = ["command"]


@click.command("doctor", epilog=examples("overland doctor", "overland doctor --json > doctor.json"))
@common_options
def command() -> Outcome:
    """Print versions, GDAL, devices, engines and disk; attach it to a report of a fault."""
    from overland.workflows.doctor import doctor

    found = doctor()
    return Outcome(found, _text(found))


def _text(found: Mapping[str, Any]) -> str:
    machine = found["machine"]
    lines = [
        f"overland {found['overland']}, Python {found['python']}, {machine['system']}",
        f"{machine['cpus']} CPUs, {machine['memory_gb']} GB memory, {found['disk_free_gb']} GB free on this disk",
        f"processor: {', '.join(machine['features']) or 'nothing known of its features'}",
        "GDAL " + ", ".join(f"{name} {version}" for name, version in found["gdal"].items()),
        "",
        *(f"  {name:30} {version or 'not installed'}" for name, version in found["versions"].items()),
        "",
        *(f"engine {name}: {', '.join(found['engines'][name]) or 'not installed'}" for name in found["engines"]),
    ]
    missing = [extra for extra, complete in found["extras"].items() if not complete]
    lines += [f"extra {extra} is not complete: pip install 'overland[{extra}]'" for extra in missing]
    return "\n".join(lines)
