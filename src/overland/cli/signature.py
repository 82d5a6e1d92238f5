"""Commands made from verbs: one definition serves the command line and Python.

`command_from("overland.workflows.areas:areas", show=...)` reads the verb's signature and docstring (without importing
it) and makes the click command. Parameters before the `*` become arguments, those after it options; the docstring's
summary and body become the help, its `Args:` the help of each option.

| annotation | on the command line |
|---|---|
| `str`, `str \\| Path`, `int`, `float` | one value |
| `bool`, default False | `--overwrite` |
| `bool`, default True, or `bool \\| None` | `--amp/--no-amp` |
| `Literal["a", "b"]` | one of the choices |
| `tuple[int, ...]`, `tuple[float, float]` | `1,2,3` |
| `Sequence[str \\| Path]` | an option that may be repeated; an argument that takes many |
| `dict[str, str]`, `Mapping[str, float]` | `NAME=VALUE`, which may be repeated |

An option that was not given is not handed over, so the function's own default holds.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from overland.cli.console import Outcome, common_options
from overland.cli.console import examples as epilog_of
from overland.cli.declared import REQUIRED, Parameter, read_dataclass, read_function

__all__ = ["SignatureCommand", "command_from", "names_from_text", "options_from"]

Shown = TypeVar("Shown")
Callback = Callable[[click.Context, click.Parameter, Any], Any]

# Short flags that mean the same in every command.
_FLAGS = {"output": ("-o",), "bands": ("-b",)}


def command_from(
    target: str,
    *,
    show: Callable[[Shown], str],
    examples: Sequence[str],
    name: str | None = None,
    help: str | None = None,
    settings: str | None = None,
    flags: Mapping[str, str | Sequence[str]] | None = None,
    metavars: Mapping[str, str] | None = None,
    types: Mapping[str, click.ParamType[Any]] | None = None,
    callbacks: Mapping[str, Callback] | None = None,
    skip: Sequence[str] = (),
    groups: Mapping[str, Sequence[str]] | None = None,
    exit_code: Callable[[Shown], int] | None = None,
    cls: type[SignatureCommand] | None = None,
) -> click.Command:
    """Make the command of a verb.

    Args:
        target: The verb, such as `overland.workflows.areas:areas`.
        show: Returns the text for people of the verb's result.
        examples: Command lines for the end of the help.
        name: Name of the command; the function's name with dashes by default.
        help: Help in place of the docstring's summary and body.
        settings: A dataclass of settings, such as `overland.settings:TrainSettings`. It gives help, kind and shown
            default of the verb's parameters that have its fields' names; where the verb ends in `**settings`, its
            fields become options as well.
        flags: Flags by parameter. One that starts with `--` takes the place of the name (`{"classes": "--class"}`), one
            with a single dash is added (`{"creation": ("--co", "-c")}`). `-o` for `output` and `-b` for `bands` are
            added everywhere.
        metavars: Words that stand for the value in the help, by parameter.
        types: click's types by parameter, in place of the annotation's.
        callbacks: click's callbacks `(context, parameter, value) -> value` by parameter, for spellings of their own.
            Without an entry in `types` such an option takes text.
        skip: Parameters that a command line cannot give.
        groups: Headings of the help and the parameters under each; the others stand under Options.
        exit_code: Returns the exit code of a result; 0 by default.
        cls: Class of the command.

    Returns:
        The command. It imports the verb when it runs, calls it and shows its result (`--json` prints its `to_dict()`).

    Raises:
        LookupError: There is no such verb, or a name in `flags`, `types`, `skip`, ... is none of its parameters.
        TypeError: A parameter has a type that no command line can give.
    """
    declaration = read_function(target)
    described = read_dataclass(settings).parameters if settings else {}
    given = dict(declaration.parameters)
    if declaration.takes_more:
        given |= {field: value for field, value in described.items() if field not in given}
    special = {*(flags or {}), *(metavars or {}), *(types or {}), *(callbacks or {}), *skip}
    special |= {member for members in (groups or {}).values() for member in members}
    if unknown := special - set(given):
        raise LookupError(f"{target} has no parameter {', '.join(sorted(unknown))}.")
    parameters = [
        _parameter(
            parameter,
            described.get(parameter.name),
            flags=(flags or {}).get(parameter.name, ()),
            metavar=(metavars or {}).get(parameter.name),
            kind=(types or {}).get(parameter.name),
            callback=(callbacks or {}).get(parameter.name),
        )
        for parameter in given.values()
        if parameter.name not in skip
    ]

    def run(**values: Any) -> Outcome:
        function = getattr(importlib.import_module(declaration.module), declaration.name)
        # Click says None for an option that was left out, or () for one that may be repeated.
        arguments = {
            key: value
            for key, value in values.items()
            if not (value is None or value == ()) or given[key].default is REQUIRED
        }
        result = function(**arguments)
        return Outcome(result, show(result), exit_code(result) if exit_code else 0)

    make = click.command(
        name or declaration.name.replace("_", "-"),
        cls=cls or SignatureCommand,
        params=parameters,
        help=help or f"{declaration.summary}\n\n{declaration.body}".strip(),
        epilog=epilog_of(*examples),
        described={item.name: item.help for item in given.values()},
        groups=groups or {},
    )
    command: click.Command = make(common_options(run))
    return command


def options_from(
    target: str, *names: str, types: Mapping[str, click.ParamType[Any]] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the fields of a dataclass to a command that is written by hand, as options.

    Args:
        target: The dataclass, such as `overland.web.jobs.limits:Limits`.
        names: Fields to add; all of them by default.
        types: click's types by field, in place of the annotation's.

    Returns:
        A decorator. The command gets each option as an argument of the field's name, with the field's default.
    """
    fields = read_dataclass(target).parameters

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        """Add the options to a command.

        Args:
            function: The command.

        Returns:
            The same function.
        """
        for name in reversed(names or tuple(fields)):
            option = _parameter(fields[name], None, flags=(), kind=(types or {}).get(name))
            # Not as in command_from: the caller builds the dataclass, so it gets the default as a value.
            option.default = fields[name].default
            click.decorators._param_memo(function, option)
        return function

    return add


def names_from_text(
    context: click.Context, parameter: click.Parameter, texts: str | Sequence[str] | None
) -> list[str] | None:
    """Take names apart at their commas: `--names a,b` is `--names a --names b`.

    Args:
        context: The command's context, as click hands it over.
        parameter: The option.
        texts: The text of the option, or its texts where it may be repeated.

    Returns:
        The names; None without any.
    """
    words = [texts] if isinstance(texts, str) else texts or []
    return [name.strip() for word in words for name in word.split(",")] or None


class SignatureCommand(click.Command):
    """A command whose arguments have a help of their own, and whose options may stand in groups."""

    def __init__(self, *args: Any, described: Mapping[str, str], groups: Mapping[str, Sequence[str]], **attrs: Any):
        super().__init__(*args, **attrs)
        self.described = described
        self.groups = groups

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Join the words after an option of several numbers to one, so that `--bounds 5 50 6 51` is understood.

        Args:
            ctx: The command's context.
            args: Words of the command line.

        Returns:
            Words that no parameter took.
        """
        lengths = {
            flag: parameter.type.length
            for parameter in self.params
            if isinstance(parameter.type, _Numbers) and parameter.type.length
            for flag in parameter.opts
        }
        joined: list[str] = []
        words = iter(range(len(args)))
        for index in words:
            length = lengths.get(args[index], 0)
            following = args[index + 1 : index + 1 + length]
            joined.append(args[index])
            try:
                numbers = [float(word) for word in following]
            except ValueError:
                numbers = []
            if length and len(numbers) == length:
                joined.append(",".join(following))
                for _ in following:
                    next(words)
        return super().parse_args(ctx, joined)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the arguments, then the options in their groups.

        Args:
            ctx: The command's context.
            formatter: click's formatter, which the help is written to.
        """
        arguments = [item for item in self.params if isinstance(item, click.Argument)]
        rows = [(item.make_metavar(ctx), self.described.get(str(item.name), "")) for item in arguments]
        if any(text for _, text in rows):
            with formatter.section("Arguments"):
                formatter.write_dl(rows)
        headings = {member: heading for heading, members in self.groups.items() for member in members}
        grouped: dict[str, list[tuple[str, str]]] = {heading: [] for heading in [*self.groups, "Options"]}
        for item in self.get_params(ctx):
            # Newer versions of click give arguments a record as well; they stand above.
            record = None if isinstance(item, click.Argument) else item.get_help_record(ctx)
            if record is not None:
                grouped[headings.get(str(item.name), "Options")].append(record)
        for heading, records in grouped.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def _parameter(
    parameter: Parameter,
    described: Parameter | None,
    *,
    flags: str | Sequence[str],
    metavar: str | None = None,
    kind: click.ParamType[Any] | None = None,
    callback: Callback | None = None,
) -> click.Parameter:
    of = (
        described
        if described is not None and parameter.kind.name in (described.kind.name, "other", "text")
        else parameter
    )
    click_type = kind or (click.STRING if callback else _CLICK_TYPES.get(of.kind.name))
    if click_type is None and of.kind.name == "choice":
        click_type = _Choice(of.kind.choices)
    if click_type is None and of.kind.name == "numbers":
        click_type = _Numbers(of.kind.item, of.kind.length)
    if click_type is None:
        raise TypeError(
            f"{parameter.name}: {parameter.annotation} cannot be given on a command line; name it in `skip`."
        )
    repeated = of.kind.many or of.kind.name == "mapping"
    required = parameter.default is REQUIRED
    if parameter.positional:
        count = -1 if repeated else None
        return click.Argument(
            [parameter.name], type=click_type, required=required, metavar=metavar, callback=callback, nargs=count
        )
    given = (flags,) if isinstance(flags, str) else tuple(flags)
    short = [flag for flag in (*_FLAGS.get(parameter.name, ()), *given) if not flag.startswith("--")]
    long = [flag for flag in given if flag.startswith("--")] or ["--" + parameter.name.replace("_", "-")]
    default = described.default if described is not None and parameter.default is None else parameter.default
    text = parameter.help or (described.help if described is not None else "")
    flag = of.kind.name == "bool" and kind is None and callback is None
    if (shown := _shown(default, flag)) and "[default" not in text:
        text = f"{text}  [default: {shown}]"
    shared: dict[str, Any] = {"help": text, "callback": callback}
    if flag and parameter.default is False and default is False:
        return click.Option([*short, *long, parameter.name], is_flag=True, default=None, **shared)
    if flag:
        return click.Option(
            [*short, f"{long[0]}/--no-{long[0].removeprefix('--')}", parameter.name], default=None, **shared
        )
    if of.kind.name == "mapping" and kind is None and callback is None:
        shared["callback"] = _pairs(of.kind.item)
    if metavar is None and kind is None:
        metavar = _METAVARS.get(of.kind.name)
    shared |= {"type": click_type, "metavar": metavar, "multiple": repeated, "required": required and not repeated}
    return click.Option([*short, *long, parameter.name], **shared)


_METAVARS = {"mapping": "NAME=VALUE", "path": "PATH"}
_CLICK_TYPES: dict[str, click.ParamType[Any]] = {
    "text": click.STRING,
    "path": click.Path(),
    "int": click.INT,
    "float": click.FLOAT,
    "bool": click.BOOL,
    "mapping": click.STRING,
}


def _shown(default: Any, flag: bool) -> str:
    if default is REQUIRED or default is None or default is False or default in ((), "", [], {}):
        return ""
    if flag:
        return "on"
    return ",".join(map(str, default)) if isinstance(default, tuple | list) else str(default)


class _Choice(click.Choice):  # type: ignore[type-arg] # generic in new versions of click only
    """One of the values of a Literal, which need not be text."""

    def __init__(self, values: Sequence[Any]) -> None:
        super().__init__([str(value) for value in values])
        self.values = {str(value): value for value in values}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Turn the text of an option into its value.

        Args:
            value: The text, or a value that was converted before.
            param: The option.
            ctx: The command's context.

        Returns:
            The value of the Literal.
        """
        return self.values[str(super().convert(value, param, ctx))]


class _Numbers(click.ParamType):  # type: ignore[type-arg] # generic in new versions of click only
    """Numbers with commas or spaces between them."""

    def __init__(self, item: str, length: int | None) -> None:
        self.item = item
        self.length = length
        self.name = ",".join(["N"] * length) if length else "N,N,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Turn the text of an option into its value.

        Args:
            value: The text, or a value that was converted before.
            param: The option.
            ctx: The command's context.

        Returns:
            The numbers.
        """
        if isinstance(value, tuple):
            return value
        try:
            number = int if self.item == "int" else float
            numbers = tuple(number(word) for word in re.split(r"\s*,\s*|\s+", str(value).strip()))
        except ValueError:
            numbers = ()
        if not numbers or (self.length and len(numbers) != self.length):
            kind = "whole numbers" if self.item == "int" else "numbers"
            example = ",".join(str(index + 1) for index in range(self.length or 3))
            count = f"{self.length} " if self.length else ""
            self.fail(f"{value!r} is not {count}{kind} with commas between them, such as {example}.", param, ctx)
        return numbers


def _pairs(item: str) -> Callback:
    convert: Callable[[str], Any] = {"int": int, "float": float}.get(item, str)

    def callback(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> dict[str, Any] | None:
        """Read NAME=VALUE pairs.

        Args:
            ctx: The command's context.
            param: The option.
            values: A text for each time that the option was given.

        Returns:
            Values by name; None without any.
        """
        pairs = {}
        for value in values:
            name, sign, text = value.partition("=")
            try:
                pairs[name] = convert(text)
            except ValueError:
                raise click.BadParameter(f"{value!r} is not NAME=NUMBER.") from None
            if not (name and sign and text):
                raise click.BadParameter(f"{value!r} is not NAME=VALUE.")
        return pairs or None

    return callback
