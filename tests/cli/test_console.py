import errno
import json
import logging
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from overland.cli.console import Outcome, common_options, printable
from overland.errors import AccessError, DataError, ResourceError, UsageError


def run(function, *arguments):
    return CliRunner().invoke(click.command("test")(common_options(function)), arguments)


def raises(error):
    def function():
        raise error

    return function


def test_text_for_people_and_one_object_for_programs():
    def function():
        return Outcome({"iou": float("nan"), "files": ("a",)}, "all is well")

    assert run(function).stdout == "all is well\n"
    assert json.loads(run(function, "--json").stdout) == {"iou": None, "files": ["a"]}


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (UsageError("no"), 2),
        (DataError("no"), 3),
        (AccessError("no"), 4),
        (ResourceError("no"), 5),
        (MemoryError("no"), 5),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("no"), 1),
        (OSError(errno.ENOSPC, "no", "map.tif"), 5),
        (OSError(errno.EROFS, "no", "map.tif"), 2),
        (PermissionError(errno.EACCES, "no", "map.tif"), 2),
        (FileNotFoundError(errno.ENOENT, "no", "map.tif"), 2),
        (OSError(errno.ENAMETOOLONG, "no", "map.tif"), 2),
        (ConnectionResetError("no"), 4),
        (TimeoutError("no"), 4),
        (OSError("no"), 1),
    ],
)
def test_an_error_is_one_message_and_an_exit_code(error, exit_code):
    done = run(raises(error))
    assert done.exit_code == exit_code
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.output
    assert done.stdout == ""


def test_an_error_in_json():
    done = run(raises(DataError("scene.tif is damaged")), "--json")
    assert json.loads(done.stdout) == {"error": "scene.tif is damaged", "exit_code": 3}


def test_verbose_shows_the_traceback():
    assert "Traceback" in run(raises(DataError("no")), "-v").stderr


def test_a_finding_can_set_the_exit_code():
    def function():
        return Outcome({}, "two errors", exit_code=3)

    assert run(function).exit_code == 3


def test_an_error_of_the_system_names_the_file_and_a_way_out():
    done = run(raises(OSError(errno.EROFS, "Read-only file system", "/here/map.tif.part")))
    assert done.stderr == "Error: /here/map.tif.part: its file system is read-only. Choose another place.\n"


def test_names_in_files_send_no_control_characters_to_the_terminal():
    assert printable("a\x1b[31m\x07b\tc\nd\x9b") == "a\\x1b[31m\\x07b\tc\nd\\x9b"

    def function():
        logging.getLogger("overland.anything").warning("class \x1b[2J")
        return Outcome({"name": "\x1b[2J"}, "class \x1b[2J")

    done = run(function)
    assert "\x1b" not in done.stdout + done.stderr
    assert "\\x1b[2J" in done.stderr
    assert "\x1b" not in run(raises(DataError("\x1b[2J"))).stderr


COMMAND = """
import click, logging, sys
from overland.cli.console import Outcome, common_options
from overland.errors import DataError

@click.command()
@click.option("--fail", is_flag=True)
@common_options
def command(fail):
    logging.getLogger("overland.work").info("a message")
    if fail:
        raise DataError("the file ± is bad")
    return Outcome({"name": "\\udcff ±"}, "\\udcff ±")

command(prog_name="overland")
"""


def child(*words, shell='exec "$@"', **environment):
    return subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, "-c", COMMAND, *words],
        capture_output=True,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("words", [[], ["--json"], ["--fail"], ["--fail", "--json"]])
def test_any_name_can_be_printed_in_any_encoding(words):
    for encoding in ("utf-8", "ascii", "latin-1"):
        done = child(*words, PYTHONIOENCODING=encoding)
        assert done.returncode == (3 if "--fail" in words else 0), done.stderr
        if "--json" in words:
            assert json.loads(done.stdout)
        assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")  # noqa: PTH110 - a device
@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_full_stdout_is_an_error_of_the_disk(words):
    done = child(*words, shell='exec "$@" >/dev/full')
    assert done.returncode == 5
    assert b"Error: stdout: the disk is full" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


@pytest.mark.parametrize("where", [">&-", "2>&-", ">&- 2>&-", "2>/dev/full"])
def test_missing_streams_do_not_stop_the_work(where):
    if "full" in where and not os.path.exists("/dev/full"):  # noqa: PTH110 - a device
        pytest.skip("this system has no /dev/full")
    assert child(shell=f'exec "$@" {where}').returncode == 0
    assert child("--fail", shell=f'exec "$@" {where}').returncode == 3


def test_a_reader_that_goes_away_is_no_error():
    done = child(shell='"$@" | true; exit 0')
    assert done.stderr in (b"", b"a message\n")


@pytest.mark.parametrize(
    ("words", "incomplete", "offered"),
    [
        ("overland ", "vec", "vectorize"),
        ("overland data ", "ch", "check"),
        ("overland vectorize ", "--ki", "--kind"),
        ("overland vectorize --kind ", "", "roads"),
    ],
)
def test_the_shell_is_offered_what_fits(words, incomplete, offered):
    done = subprocess.run(
        [sys.executable, "-c", "from overland.cli import main; main()"],
        env={
            **os.environ,
            "_OVERLAND_COMPLETE": "bash_complete",
            "COMP_WORDS": words + incomplete,
            "COMP_CWORD": str(len(words.split())),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert f"plain,{offered}" in done.stdout.splitlines()
