import json

import click
import pytest
from click.testing import CliRunner

from overland.cli.console import Outcome, common_options
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
