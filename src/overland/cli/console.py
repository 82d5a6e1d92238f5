"""The parts that all commands share: --json, -v and -q, and how results and errors are shown.

The exit codes: 0 done, 1 a fault of Overland, 2 usage, 3 input data, 4 credentials or network, 5 disk or memory, 130
interrupted. `exit_code_of` is the one table from exceptions to them.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TextIO

import click

from overland.errors import OverlandError, ResourceError, error_from_system
from overland.result import Result, plain

__all__ = ["AMOUNTS", "Amount", "Outcome", "common_options", "examples", "exit_code_of", "printable"]

# The parent of the loggers of all modules, which are named after them.
logger = logging.getLogger("overland")

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Outcome:
    """The outcome of a command.

    Attributes:
        values: The result, for --json.
        text: The same for people.
        exit_code: Exit code of the command.
    """

    values: Result | Mapping[str, Any]
    text: str
    exit_code: int = 0


def examples(*lines: str) -> str:
    """Return the end of a command's help.

    Args:
        lines: Example command lines; each gets a line of its own.

    Returns:
        The text, in click's markup.
    """
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def common_options(function: Callable[..., Outcome]) -> Callable[..., None]:
    """Add --json, -v and -q to a command, show its outcome, and turn errors into one message and an exit code.

    Args:
        function: The command: takes its options, returns its outcome.

    Returns:
        The command with the options added, ready for `click.command`.
    """

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, nothing else.")
    @click.option("-v", "--verbose", is_flag=True, help="Say more on stderr; show tracebacks.")
    @click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
    @functools.wraps(function)
    def command(*args: Any, as_json: bool, verbose: bool, quiet: bool, **options: Any) -> None:
        for stream in (sys.stdout, sys.stderr):
            # File names need not be text, and a terminal need not know every letter.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        handler = _StderrHandler(sys.stderr) if sys.stderr is not None else logging.NullHandler()
        handler.setFormatter(_PrintableFormatter("%(message)s"))
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO)
        try:
            outcome = function(*args, **options)
            _print(_json(outcome.values) if as_json else printable(outcome.text))
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            # The reader of stdout has gone, as `head` does when it has enough: the work is done.
            _drop(sys.stdout)
            sys.exit(0)
        except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - the last resort: a fault, told in one sentence
            message, exit_code = exit_code_of(error, verbose=verbose)
            if verbose and exit_code != _INTERRUPTED:
                traceback.print_exc()
            _fail(message, exit_code, as_json)
        else:
            if outcome.exit_code:
                sys.exit(outcome.exit_code)

    return command


_INTERRUPTED = 130


def exit_code_of(error: BaseException, *, verbose: bool = False) -> tuple[str, int]:
    """Return the sentence and the exit code of an exception.

    Args:
        error: Any exception that ended a command.
        verbose: True where its traceback is shown, so that the sentence need not say how to see it.

    Returns:
        The sentence for people, and the exit code.
    """
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted.", _INTERRUPTED
    if isinstance(error, MemoryError):
        reason = f" ({error})" if str(error) else ""
        return f"Out of memory{reason}. Try a smaller --chip-size, --batch or --max-memory.", ResourceError.exit_code
    if isinstance(error, OSError):
        error = error_from_system(error) or error
    if isinstance(error, OverlandError):
        return str(error), error.exit_code
    hint = "" if verbose else " This is a fault of Overland; run again with -v to see where."
    return f"{type(error).__name__}: {error}.{hint}", 1


def printable(text: str) -> str:
    """Return text without control characters, which a file's names may hold and a terminal would obey.

    Args:
        text: Any text.

    Returns:
        The text; each control character but newline and tab is spelled out as in Python (`\\x1b`).
    """
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


class _PrintableFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return the message without control characters.

        Args:
            record: The message.

        Returns:
            Its text.
        """
        return printable(super().format(record))


class _StderrHandler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Pass over messages that cannot be written.

        Args:
            record: The message.
        """
        # Where stderr is full or closed, messages are lost and the work goes on.
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handleError(record)


def _json(values: object) -> str:
    encoding = str(getattr(sys.stdout, "encoding", None) or "utf-8")
    return json.dumps(plain(values), ensure_ascii=not encoding.lower().replace("-", "").startswith("utf"))


def _print(text: str) -> None:
    if text and sys.stdout is not None:
        try:
            click.echo(text)
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            _drop(sys.stdout)
            raise error_from_system(error, "stdout") or error from error


def _fail(message: str, exit_code: int, as_json: bool) -> None:
    try:
        if as_json:
            _print(_json({"error": message, "exit_code": exit_code}))
        if sys.stderr is not None:
            click.echo(f"Error: {printable(message)}", err=True)
            sys.stderr.flush()
    except (OSError, OverlandError):
        # There is nobody left to tell; the exit code says it.
        _drop(sys.stdout)
        _drop(sys.stderr)
    sys.exit(exit_code)


def _drop(stream: Any) -> None:
    # What a stream has not written yet would fail again when Python ends, with a message and an exit code of its own.
    with contextlib.suppress(AttributeError, OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


_FACTORS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


class Amount(click.ParamType):  # type: ignore[type-arg] # generic in new versions of click only
    """A whole number, also as 256M, 1.5G or 256MB."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number that a text stands for.

        Args:
            value: The text, or a number.
            param: The option.
            ctx: The command's context.

        Returns:
            The whole number.
        """
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)B?", str(value).strip().upper())
        if match is None:
            self.fail(f"{value!r} is not an amount such as 500000, 256M or 1.5G.", param, ctx)
        return round(float(match[1]) * _FACTORS[match[2]])


AMOUNTS = dict.fromkeys(("max_bytes", "max_pixels", "sync_pixels"), Amount())
"""Options of the commands that serve which are amounts, see `overland.web.jobs.limits.Limits`."""
