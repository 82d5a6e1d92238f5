"""The public surface: every verb as a typed function, lazy names, `__all__`, and what an import costs."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
import types
import typing

import pytest

import overland
from overland.cli import COMMANDS
from overland.cli.declared import read_dataclass, read_function
from overland.result import Result

# Verbs as the command line spells them, and their functions.
FUNCTIONS = {
    "demo": ["demo"],
    "data": ["download", "check_data", "prepare_chips", "prepare_coco", "prepare_channels", "encode_mask"],
    "rasterize": ["rasterize"],
    "recipes": ["list_recipes", "show_recipe"],
    "train": ["train"],
    "import-keras": ["import_keras"],
    "evaluate": ["evaluate"],
    "evaluate-map": ["evaluate_map"],
    "evaluate-roads": ["evaluate_roads"],
    "models": ["list_models"],
    "predict": ["predict", "apply_threshold"],
    "postprocess": ["postprocess"],
    "vectorize": ["vectorize"],
    "areas": ["areas"],
    "assess": ["assess_plan", "assess_sample", "assess_estimate"],
    "report": ["report"],
    "export": ["export", "quantize"],
    "app": ["app"],
    "serve": ["serve"],
    "sagemaker": [],  # that cloud's contract, called by its container
    "doctor": ["doctor"],
}
VERBS = [name for names in FUNCTIONS.values() for name in names]


def test_every_command_has_its_functions():
    assert list(FUNCTIONS) == list(COMMANDS)


def test_every_public_name_is_there():
    pytest.importorskip("torch")
    for name in overland.__all__:
        assert getattr(overland, name) is not None


def test_lists_of_public_names_agree():
    homes = overland._HOMES
    assert set(overland.__all__) == {*homes, "__version__"}
    tree = ast.parse(inspect.getsource(overland))
    typed = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
    }
    assert homes.items() <= typed.items()


def test_no_folder_and_no_module_of_the_package_takes_the_name_of_a_verb():
    taken = {info.name for info in pkgutil.iter_modules(overland.__path__)}
    assert not taken & set(overland.__all__)
    # Nouns among the commands are functions of other names (list_models, list_recipes); a container calls sagemaker.
    assert taken & {name.replace("-", "_") for name in COMMANDS} == {"models", "recipes", "sagemaker"}


@pytest.mark.parametrize(
    "first", ["overland.workflows", "overland.cli", "overland.reporting", "overland.workflows.areas"]
)
def test_verbs_are_functions_after_any_import_order(first):
    pytest.importorskip("torch")
    code = f"""
import importlib, pkgutil, types
import {first}
import overland as ol
for name in {VERBS!r}:
    assert isinstance(getattr(ol, name), types.FunctionType), name
for info in pkgutil.iter_modules(importlib.import_module("overland.workflows").__path__, "overland.workflows."):
    importlib.import_module(info.name)
for name in {VERBS!r}:
    assert isinstance(getattr(ol, name), types.FunctionType), name
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_has_named_typed_parameters_and_a_typed_result(name):
    pytest.importorskip("torch")
    function = getattr(overland, name)
    assert isinstance(function, types.FunctionType)
    for parameter in inspect.signature(function).parameters.values():
        assert parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL), parameter
        assert parameter.annotation not in (parameter.empty, "Any", "dict[str, Any]"), parameter
    returned = typing.get_type_hints(function)["return"]
    if name in ("load_model", "app", "serve"):
        return
    results = typing.get_args(returned) or (returned,)
    assert all(issubclass(result, Result) for result in results), returned
    assert all(hasattr(overland, result.__name__) for result in results), returned


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_says_what_its_parameters_mean(name):
    declared = read_function(f"{overland._HOMES[name]}:{name}").parameters.values()
    limits = read_dataclass("overland.web.jobs.limits:Limits").parameters if name in ("app", "serve") else {}
    assert not [parameter.name for parameter in declared if not parameter.help and parameter.name not in limits]


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


def test_the_list_of_commands_loads_no_command():
    code = """
import sys
sys.argv = ["overland", "--help"]
from overland.cli import main
try:
    main()
except SystemExit:
    pass
"""
    loaded = {name for name in modules_after(code) if name.startswith("overland.cli.")}
    assert not loaded & {f"overland.cli.{name.replace('-', '_')}" for name in COMMANDS}


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
