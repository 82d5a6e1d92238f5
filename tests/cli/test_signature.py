"""Commands made from signatures, without an import of the function."""

import json
import sys
import textwrap

import click
import pytest
from click.testing import CliRunner

from overland.cli.declared import REQUIRED, read_function
from overland.cli.signature import command_from, options_from

VERB = '''
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from overland.result import Result

Kind = Literal["polygons", "roads"]
_MANY = 7
imported = True


@dataclass(frozen=True)
class DrawResult(Result):
    values: dict


@dataclass(frozen=True)
class Settings:
    """Settings.

    Attributes:
        epochs: Passes over the data,
            more or less.
    """

    epochs: int = 40
    amp: bool = True
    lr: float = field(default=2e-3, metadata={"help": "Learning rate."})


def draw(
    model: str | Path,
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    kind: Kind = "polygons",
    bands: tuple[int, ...] | None = None,
    bounds: tuple[float, float, float, float] | None = None,
    classes: Sequence[str] = (),
    co: Mapping[str, str] | None = None,
    weights: dict[str, float] | None = None,
    many: int = _MANY,
    amp: bool = True,
    flip: bool | None = None,
    level: Literal[1, 2] | Settings = 1,
    threshold: float | Literal["tuned"] = "tuned",
    number: float | None = None,
    wanted: int,
    on_done: object = None,
    overwrite: bool = False,
) -> DrawResult:
    """Draw scenes.

    It is a test,
    in two lines.

    Args:
        model: A bundle.
        inputs: Scenes, in any
            number of lines.
        kind: Kind of shapes.
        amp: Mixed precision.

    Returns:
        What it was given.
    """
    return DrawResult({name: value for name, value in locals().items()})


def tune(data: str, *, epochs: int | None = None, **settings: object) -> DrawResult:
    """Tune."""
    return DrawResult({"data": data, "epochs": epochs, **settings})
'''


@pytest.fixture(scope="module")
def verb(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signature")
    (folder / "drawing_verb").mkdir()
    (folder / "drawing_verb" / "__init__.py").touch()
    (folder / "drawing_verb" / "draw.py").write_text(textwrap.dedent(VERB))
    sys.path.insert(0, str(folder))
    yield "drawing_verb.draw:draw"
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.startswith("drawing_verb")]:
        del sys.modules[name]


def command(verb, **options):
    return command_from(
        verb,
        show=lambda result: f"drew {result.values['kind']}",
        examples=("draw a b c",),
        skip=("on_done",),
        **options,
    )


def given(command, *words):
    done = CliRunner().invoke(command, [*words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["values"]


def test_the_declaration_is_read_without_an_import(verb):
    sys.modules.pop("drawing_verb.draw", None)
    found = read_function(verb)
    assert found.summary == "Draw scenes."
    assert found.body == "It is a test,\nin two lines."
    assert found.parameters["inputs"].help == "Scenes, in any number of lines."
    assert found.parameters["wanted"].default is REQUIRED
    assert found.parameters["many"].default == 7
    assert found.parameters["kind"].kind.choices == ("polygons", "roads")
    assert "drawing_verb.draw" not in sys.modules


def test_arguments_and_options_become_values_of_the_function(verb):
    words = "m a.tif b.tif out --wanted 3 --kind roads -b 3,2,1 --classes x --classes y --co COMPRESS=ZSTD"
    values = given(command(verb), *words.split(), *["--weights", "dice=0.5", "--no-amp", "--flip", "--level", "2"])
    assert values["inputs"] == ["a.tif", "b.tif"]
    assert values["output"] == "out"
    assert (values["kind"], values["bands"], values["classes"]) == ("roads", [3, 2, 1], ["x", "y"])
    assert (values["co"], values["weights"]) == ({"COMPRESS": "ZSTD"}, {"dice": 0.5})
    assert (values["amp"], values["flip"], values["level"]) == (False, True, 2)


def test_what_was_not_given_is_the_functions_default(verb):
    values = given(command(verb), "m", "a", "out", "--wanted", "3")
    assert (values["kind"], values["many"], values["amp"], values["flip"]) == ("polygons", 7, True, None)
    assert (values["bands"], values["classes"], values["co"], values["threshold"]) == (None, [], None, "tuned")


@pytest.mark.parametrize("words", [["1", "2", "3", "-4.5"], ["1,2,3,-4.5"], ["1 2 3 -4.5"]])
def test_several_numbers_may_be_one_word_or_many(verb, words):
    assert given(command(verb), "--bounds", *words, "m", "a", "o", "--wanted", "3")["bounds"] == [1, 2, 3, -4.5]


@pytest.mark.parametrize(
    "words",
    [
        ["--kind", "other"],
        ["--bands", "1,x"],
        ["--bounds", "1,2"],
        ["--co", "COMPRESS"],
        ["--weights", "dice=much"],
        ["--level", "3"],
    ],
)
def test_a_value_of_another_kind_is_a_usage_error(verb, words):
    assert CliRunner().invoke(command(verb), ["m", "a", "o", "--wanted", "3", *words]).exit_code == 2


def test_required_options_and_arguments(verb):
    assert CliRunner().invoke(command(verb), ["m", "a", "o"]).exit_code == 2
    assert CliRunner().invoke(command(verb), ["m", "--wanted", "3"]).exit_code == 2


def test_the_help_has_summary_arguments_defaults_groups_and_examples(verb):
    text = CliRunner().invoke(command(verb, groups={"Shapes": ("kind", "classes")}), ["--help"]).stdout
    assert "Draw scenes." in text
    assert "Returns" not in text
    assert "Scenes, in any number of lines." in " ".join(text.split())
    shapes, options = text.split("Shapes:")[1].split("Options:")
    assert "--kind" in shapes
    assert "[default: polygons]" in shapes
    assert "--amp / --no-amp" in options
    assert "[default: on]" in options
    assert "draw a b c" in options
    assert "MODEL" in text.split("Arguments:")[1].split("Shapes:")[0]
    assert "MODEL" not in options.split("Examples:")[0]


def test_flags_metavars_callbacks_and_exit_codes(verb):
    def double(context, parameter, value):
        return value and 2 * float(value)

    made = command(
        verb,
        flags={"classes": "--class", "many": ("--how-many", "-m")},
        metavars={"number": "HALF"},
        callbacks={"number": double},
        exit_code=lambda result: 3,
    )
    done = CliRunner().invoke(
        made, ["x", "a", "o", "--wanted", "1", "--class", "z", "-m", "9", "--number", "4", "--json"]
    )
    values = json.loads(done.stdout)["values"]
    assert (values["classes"], values["many"], values["number"], done.exit_code) == (["z"], 9, 8, 3)


def test_what_a_command_line_cannot_give_must_be_skipped(verb):
    with pytest.raises(TypeError, match="on_done"):
        command_from(verb, show=str, examples=())
    with pytest.raises(LookupError, match="no parameter widht"):
        command_from(verb, show=str, examples=(), skip=("on_done", "widht"))


def test_settings_of_a_dataclass_become_options_of_the_verb(verb):
    module = verb.partition(":")[0]
    made = command_from(f"{module}:tune", show=lambda _: "", examples=(), settings=f"{module}:Settings")
    text = CliRunner().invoke(made, ["--help"]).stdout
    assert "Passes over the data, more or less.  [default: 40]" in text
    assert "Learning rate.  [default: 0.002]" in text
    assert given(made, "d", "--no-amp", "--lr", "0.1") == {"data": "d", "epochs": None, "amp": False, "lr": 0.1}
    assert given(made, "d", "--epochs", "3")["epochs"] == 3


def test_fields_of_a_dataclass_become_options_of_a_command_written_by_hand(verb):
    @click.command()
    @options_from(verb.replace(":draw", ":Settings"), "epochs", "lr")
    def made(**values):
        click.echo(json.dumps(values))

    assert json.loads(CliRunner().invoke(made, ["--lr", "1"]).stdout) == {"epochs": 40, "lr": 1}
