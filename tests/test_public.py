"""The public surface: lazy names, `__all__`, and what an import costs."""

import ast
import importlib
import pkgutil
import subprocess
import sys

import pytest

import overland
from overland.cli import COMMANDS


def test_every_public_name_is_there():
    pytest.importorskip("torch")
    for name in overland.__all__:
        assert getattr(overland, name) is not None


def test_no_public_name_is_hidden_by_a_package():
    packages = {info.name.removeprefix("overland.") for info in pkgutil.iter_modules(overland.__path__, "overland.")}
    assert not packages & set(overland.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'predictt'"):
        overland.predictt  # noqa: B018 - the access is what is tested


def test_dir_lists_the_public_names():
    assert dir(overland) == sorted(overland.__all__)


def modules_after(code):
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ast.literal_eval(done.stdout.strip().splitlines()[-1]))


HEAVY = {
    "torch",
    "lightning",
    "numpy",
    "rasterio",
    "shapely",
    "geopandas",
    "onnxruntime",
    "matplotlib",
    "skimage",
    "scipy",
}


def test_import_overland_loads_nothing_heavy():
    assert not modules_after("import overland") & HEAVY


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS), ["data", "check"], ["data", "download"]])
def test_help_loads_nothing_heavy(words):
    code = f"""
import sys
sys.argv = ["overland", *{words!r}, "--help"]
from overland.cli import main
try:
    main()
except SystemExit as stop:
    assert stop.code == 0
"""
    assert not modules_after(code) & HEAVY


def modules():
    return [info.name for info in pkgutil.walk_packages(overland.__path__, "overland.")]


@pytest.mark.parametrize("name", modules())
def test_all_lists_what_a_module_defines(name):
    pytest.importorskip("torch")
    module = importlib.import_module(name)
    if not hasattr(module, "__all__"):
        assert hasattr(module, "__path__"), f"{name} has no __all__"
        return
    missing = [public for public in module.__all__ if not hasattr(module, public)]
    assert not missing
    defined = {
        public
        for public, value in vars(module).items()
        if not public.startswith("_") and getattr(value, "__module__", None) == name and callable(value)
    }
    assert defined <= set(module.__all__), f"{name} defines {sorted(defined - set(module.__all__))} beside __all__"
