"""What every command shares: --json, -v, -q, and how results and errors are shown."""

from __future__ import annotations

import functools
import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from overland.errors import OverlandError
from overland.result import Result, plain

__all__ = [
    "LIMITS",
    "Outcome",
    "common_options",
    "examples",
    "limit_options",
]


logger = logging.getLogger("overland")

_INTERRUPTED = 130


@dataclass(frozen=True)
class Outcome:
    """What a command found: `values` for --json, `text` for people, and the exit code."""

    values: Result | Mapping[str, Any]
    text: str
    exit_code: int = 0


def examples(*lines: str) -> str:
    """The epilog of a command's help: examples, each on a line of its own."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def common_options(function: Callable[..., Outcome]) -> Callable[..., None]:
    """Add --json, -v and -q to a command, show its outcome, and turn errors into one message and an exit code."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, nothing else.")
    @click.option("-v", "--verbose", is_flag=True, help="Say more on stderr; show tracebacks.")
    @click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
    @functools.wraps(function)
    def command(*args: Any, as_json: bool, verbose: bool, quiet: bool, **options: Any) -> None:
        _set_up_logging(logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO)
        try:
            outcome = function(*args, **options)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            _fail("Interrupted.", _INTERRUPTED, as_json)
        except OverlandError as error:
            _show_traceback(verbose)
            _fail(str(error), error.exit_code, as_json)
        except MemoryError as error:
            _show_traceback(verbose)
            _fail(f"Out of memory ({error}). Try a smaller --chip-size or batch.", 5, as_json)
        except Exception as error:  # noqa: BLE001 - the last resort: a bug, said in one line with the way to its traceback
            _show_traceback(verbose)
            hint = "" if verbose else " This is a fault of Overland; run again with -v to see where."
            _fail(f"{type(error).__name__}: {error}.{hint}", 1, as_json)
        else:
            _show(outcome, as_json)
            if outcome.exit_code:
                sys.exit(outcome.exit_code)

    return command


def _set_up_logging(level: int) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(level)


def _show(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(plain(outcome.values), ensure_ascii=False))
    elif outcome.text:
        click.echo(outcome.text)


def _fail(message: str, exit_code: int, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"error": message, "exit_code": exit_code}, ensure_ascii=False))
    click.echo(f"Error: {message}", err=True)
    sys.exit(exit_code)


def _show_traceback(verbose: bool) -> None:
    if verbose:
        traceback.print_exc()


# The options that bound what strangers may ask, shared by the commands that serve.

_FACTORS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


class _Amount(click.ParamType):  # type: ignore[type-arg] # generic in new versions of click only
    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """A whole number, also as 256M, 1.5G or 256MB."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)B?", str(value).strip().upper())
        if match is None:
            self.fail(f"{value!r} is not an amount such as 500000, 256M or 1.5G.", param, ctx)
        return round(float(match[1]) * _FACTORS[match[2]])


# Kind, default and help of each: the words and defaults of overland.web.jobs.limits.Limits; a test compares them.
LIMITS: dict[str, tuple[Any, str, str]] = {
    "max_bytes": (_Amount(), "256M", "Largest upload in bytes."),
    "max_pixels": (_Amount(), "100M", "Largest image, width times height."),
    "max_bands": (int, "16", "Most bands of an image."),
    "memory_mb": (int, "4096", "Memory of a worker process beyond its libraries (enforced on Linux)."),
    "timeout_s": (float, "600", "Longest work on one image."),
    "queue": (int, "32", "How many jobs may wait."),
    "workers": (int, "1", "How many images are mapped at once; each worker uses all processors."),
    "keep_s": (float, "3600", "How long a job that has ended is kept."),
    "sync_pixels": (_Amount(), "4.2M", "Largest image that is mapped while the client waits."),
    "wait_s": (float, "60", "Longest that a client waits."),
}


def limit_options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options of some limits to a command, all of them by default; each is an argument of its name."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names or tuple(LIMITS)):
            kind, default, help_text = LIMITS[name]
            option = click.option(
                f"--{name.replace('_', '-')}", type=kind, default=default, show_default=True, help=help_text
            )
            function = option(function)
        return function

    return add
