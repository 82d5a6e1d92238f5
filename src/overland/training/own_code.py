"""Losses, metrics, augmentations and networks of the user's own: named in settings, or given as Python objects.

A name is "package.module:name", which is imported; a module in the present folder is found as well. So settings stay
plain text, and a run can be resumed by its folder alone. An object that no import gives back (a lambda, an instance, a
function of a notebook) is named "given:..." and has to be given again to go on with the run.

Importing a name runs that module's code: train with settings of people you trust.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from overland.errors import UsageError

__all__ = ["OwnCode", "is_own_name"]

_GIVEN = "given"


def is_own_name(name: object) -> bool:
    """Return True for a text of the form "package.module:name".

    Args:
        name: Any value of a setting.
    """
    return isinstance(name, str) and ":" in name


class OwnCode:
    """Objects of the user's own that a run was given, by the names that stand for them in its settings."""

    def __init__(self) -> None:
        self._objects: dict[str, Any] = {}

    def name_of(self, value: Any) -> str:
        """Return the name of an object for the settings, and remember the object.

        Args:
            value: A function, a class or an instance; a name is returned as it is.

        Returns:
            "package.module:name" where an import gives the same object, else "given:" and its own name.
        """
        if isinstance(value, str):
            return value
        module = str(getattr(value, "__module__", ""))
        own = str(getattr(value, "__qualname__", type(value).__name__))
        name = f"{module}:{own}"
        if module in ("", "__main__") or _attribute(sys.modules.get(module), own) is not value:
            name = f"{_GIVEN}:{own}"
        self._objects[name] = value
        return name

    def load(self, name: str) -> Any:
        """Return the object of a name.

        Args:
            name: What `name_of` returned, or "package.module:name".

        Raises:
            UsageError: There is no such module or object in it, or the object has to be given again.
        """
        if name in self._objects:
            return self._objects[name]
        module, _, own = name.partition(":")
        if module == _GIVEN:
            raise UsageError(
                f"The run was trained with {own}, an object that was given in Python and has no name to import it by. "
                "Give it again: overland.train(resume=..., loss=..., metrics=..., augment=... or model=...)."
            )
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            # The command line does not have the present folder on its path; python does.
            here = str(Path.cwd())
            if error.name not in (module, module.partition(".")[0]) or here in sys.path:
                raise UsageError(f"The module {module} cannot be imported ({error}). Is it installed?") from error
            sys.path.insert(0, here)
            try:
                found = importlib.import_module(module)
            except ModuleNotFoundError as again:
                raise UsageError(
                    f"The module {module} cannot be imported ({again}): neither installed nor in {here}."
                ) from again
            finally:
                sys.path.remove(here)
        value = _attribute(found, own)
        if value is None:
            raise UsageError(f"{name}: the module {module} has no {own}.")
        self._objects[name] = value
        return value


def _attribute(module: object, qualified: str) -> Any:
    value: Any = module
    for part in qualified.split("."):
        value = getattr(value, part, None)
    return value
