"""The container file cannot be built in a test; what it names can be looked at."""

import os
import re
from pathlib import Path

import click
import pytest

from overland.cli import overland

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "containers" / "sagemaker"
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")


def test_everything_that_is_copied_exists():
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY")]
    assert copied
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists(), name


def test_every_extra_that_is_installed_exists():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', DOCKERFILE)
    for extra in extras.split(","):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE), extra


@pytest.mark.parametrize("name", ["train", "serve"])
def test_the_word_that_sagemaker_starts_with_is_a_program_that_becomes_overland(name: str):
    script = FOLDER / name
    assert os.access(script, os.X_OK)
    lines = script.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/bin/sh"
    assert lines[-1] == f'exec overland sagemaker {name} "$@"'
    assert name in overland.get_command(click.Context(overland), "sagemaker").commands
    # They are found by their bare names.
    assert f"containers/sagemaker/{name}" in DOCKERFILE
    assert "/usr/local/bin/" in DOCKERFILE
