"""A command's parser, made from its function's signature and docstring; mistakes take one line."""

import argparse
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, get_args, get_origin

import docstring_parser
from jsonargparse import ArgumentParser, DefaultHelpFormatter

from deadpan import api
from deadpan.cli import Command
from deadpan.cli.output import WIDTH, Reply
from deadpan.errors import DeadpanError, unknown_name
from deadpan.files import home_path

OUTPUTS = {
    "json": "print the result as JSON",
    "csv": "write the result as a CSV file, replacing one that is there",
    "html": "write the result as an HTML page, replacing one that is there",
}
"""Options that say where a result goes; the API knows none of them."""

TYPES: Mapping[object, object] = {
    str | Path: str,
    str | PathLike[str]: str,
    str | Path | None: str | None,
    str | Sequence[str]: str | None,
}
"""Annotations of the API as a command line has them: a path is a text."""

WANTED = {
    "<class 'int'>": "a whole number",
    "<class 'float'>": "a number",
    "<class 'bool'>": "true or false",
    "<class 'str'>": "text",
    "<class 'list'>": "a list such as [text,audio]",
    "<class 'dict'>": "a value by name, as in --{key}.NAME VALUE",
    "<class 'collections.abc.Mapping'>": "a value by name, as in --{key}.NAME VALUE",
    "<class 'NoneType'>": "null",
}
"""Plain words for what jsonargparse calls a type."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outputs:
    """Where the result of a command goes, if not to the screen: to stdout as JSON, or to a file."""

    json: bool = False
    csv: Path | None = None
    html: Path | None = None


class HelpFormatter(DefaultHelpFormatter):
    """Leaves out a default that is empty: the text of the option says what then happens."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = super()._get_help_string(action)
        if not action.default and type(action.default) not in (int, float):
            text = re.sub(r",? ?default: %\(default\)s", "", text).replace(" ()", "")
        return text


def command_parser(
    name: str, command: Command, *, usage: str = "", skip: Iterable[str] = ()
) -> ArgumentParser:
    """Make a command's parser.

    Args:
        name: the command's name.
        command: the function behind it.
        usage: what follows the name in the usage; by default all arguments.
        skip: parameters to leave out.
    """
    function = getattr(api, command.function)
    docstring = docstring_parser.parse(function.__doc__ or "")
    helps = {p.arg_name.lstrip("*"): (p.description or "").rstrip(".") for p in docstring.params}
    parameters = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name not in {"watch", "settings", *skip}
    ]
    usage = usage or " ".join(_usage(parameters, command))
    lines = textwrap.fill(
        f"deadpan {name} {usage}",
        WIDTH - len("usage: "),
        subsequent_indent=" " * 7,
        break_on_hyphens=False,
    )
    parser = ArgumentParser(
        prog=f"deadpan {name}",
        usage=lines.replace("\xa0", " "),
        description=f"{docstring.short_description}\n{docstring.long_description or ''}".strip(),
        exit_on_error=False,
        formatter_class=HelpFormatter,
    )
    for parameter in parameters:
        _add(parser, parameter, command, helps[parameter.name])
    for output in command.outputs:
        if output == "json":
            parser.add_argument("--json", action="store_true", help=OUTPUTS[output])
        else:
            parser.add_argument(
                f"--{output}", type=str | None, metavar="FILE", help=OUTPUTS[output]
            )
    return parser


def _usage(parameters: Iterable[inspect.Parameter], command: Command) -> Iterator[str]:
    """Positional arguments, then options; a non-breaking space holds each together."""
    options: list[str] = []
    for parameter in parameters:
        name, optional = parameter.name, parameter.default is not parameter.empty
        if name in command.positional:
            many = "\xa0..." if _is_sequence(parameter) else ""
            yield f"[{name.upper()}{many}]" if optional else name.upper()
        elif parameter.kind is parameter.VAR_KEYWORD:
            options.append(f"[--{name}.OPTION\xa0VALUE\xa0...]")
        elif parameter.annotation is bool:
            options.append(f"[--{name}]")
        else:
            option = f"--{name}\xa0{name.upper()}"
            options.append(f"[{option}]" if optional else option)
    yield from options
    for output in command.outputs:
        yield f"[--{output}]" if output == "json" else f"[--{output}\xa0FILE]"


def _add(parser: ArgumentParser, parameter: inspect.Parameter, command: Command, text: str) -> None:
    name, kind = parameter.name, TYPES.get(parameter.annotation, parameter.annotation)
    required = parameter.default is parameter.empty
    if parameter.kind is parameter.VAR_KEYWORD:
        parser.add_argument(f"--{name}", type=dict[str, Any], default={}, help=text)
    elif name in command.positional and _is_sequence(parameter):
        parser.add_argument(name, type=str, nargs="*", default=[], metavar=name.upper(), help=text)
    elif name in command.positional:
        nargs = None if required else "?"
        parser.add_argument(name, type=str, nargs=nargs, metavar=name.upper(), help=text)
    elif kind is bool:
        parser.add_argument(f"--{name}", action="store_true", help=text)
    elif required:
        parser.add_argument(f"--{name}", type=kind, required=True, help=text)
    else:
        default = parameter.default or None  # of several names: none
        parser.add_argument(f"--{name}", type=kind, default=default, help=text)


def _is_sequence(parameter: inspect.Parameter) -> bool:
    return get_origin(parameter.annotation) is Sequence


def call(command: Command, options: Mapping[str, Any], **more: Any) -> Any:  # noqa: ANN401
    """Call a command's function with what was parsed.

    Args:
        command: whose function.
        options: of :func:`parse`; those that are None are left to the function.
        **more: further arguments of the function.
    """
    function = getattr(api, command.function)
    values = {name: value for name, value in options.items() if value is not None} | more
    further = values.pop("data_options", {})
    names = inspect.signature(function).parameters
    for name in further:
        if name in names:
            raise DeadpanError(f"unknown option '--data_options.{name}'")
    return function(**{k: v for k, v in values.items() if k in names}, **further)


def parse(
    parser: ArgumentParser, arguments: Sequence[str], *, alias: tuple[str, str] | None = None
) -> dict[str, Any]:
    """Parse the arguments of a command into plain values, by name.

    Args:
        parser: has the options.
        arguments: what the user typed.
        alias: a prefix of options as the user types it and as the parser has it, such as
            ("model.", "model_options.").

    Raises:
        Reply: the user asked for help.
        DeadpanError: an option or a value that does not fit.
    """
    short, full = (f"--{prefix}" for prefix in alias or ("", ""))
    arguments = [full + a.removeprefix(short) if a.startswith(short) else a for a in arguments]
    if {"-h", "--help"} & set(arguments):
        text = re.sub(
            r" +--\w+ CONFIG\n +Path to a configuration file.\n", "", parser.format_help()
        )
        raise Reply(text.replace(full, short).replace("``", "'").rstrip())
    try:
        _check_names(parser, arguments)
        values = parser.parse_args(arguments).as_dict()
    except (argparse.ArgumentError, TypeError, ValueError) as error:
        raise DeadpanError(_plain(str(error), parser).replace(full, short)) from error
    except DeadpanError as error:
        raise DeadpanError(str(error).replace(full, short)) from error
    # A shell's unset variable: as "not given" it would write somewhere else.
    if empty := [name for name, value in values.items() if value == ""]:
        raise DeadpanError(f"--{empty[0]} got an empty text; give it a value or leave it out")
    return values


def outputs_of(options: Mapping[str, Any]) -> Outputs:
    """Check where the result is to go, before there is one.

    Raises:
        DeadpanError: ``--json`` and a file, a directory, or a file in a missing directory.
    """
    as_json = bool(options.get("json"))
    files: dict[str, Path] = {}
    for name in ("csv", "html"):
        if not options.get(name):
            continue
        if as_json:
            raise DeadpanError(f"got both --json and --{name}; give one of them")
        file = home_path(options[name])
        if file.is_dir() or not file.parent.is_dir():
            raise DeadpanError(
                f"{file}: not a file in a directory that exists; give another --{name}"
            )
        files[name] = file
    return Outputs(json=as_json, **files)


def last_value(arguments: Sequence[str], option: str) -> str | None:
    """Find the last value of an option, before there is a parser; None without one."""
    value = None
    for i, argument in enumerate(arguments):
        if argument.startswith(f"{option}="):
            value = argument.partition("=")[2]
        elif argument == option and i + 1 < len(arguments):
            value = arguments[i + 1]
    return value


def _options(parser: ArgumentParser) -> Iterable[str]:
    return (name for action in parser._actions for name in action.option_strings)  # pyright: ignore[reportPrivateUsage]


def _takes_names(parser: ArgumentParser, option: str) -> bool:
    """Whether the values of an option go by names that it does not know, as in --OPTION.NAME."""
    actions = (x for x in parser._actions if option in x.option_strings)  # pyright: ignore[reportPrivateUsage]
    kind = next((getattr(action, "_typehint", None) for action in actions), None)
    return any(get_origin(each) in (dict, Mapping) for each in (kind, *get_args(kind)))


def _check_names(parser: ArgumentParser, arguments: Sequence[str]) -> None:
    """Refuse an unknown option; argparse would take ``--epoch`` for ``--epochs``."""
    options = set(_options(parser))
    for argument in arguments:
        if argument == "--":
            break
        name = argument.partition("=")[0]
        if not re.match(r"--?[A-Za-z_]", name) or name in options:
            continue
        whole = name.partition(".")[0]
        if _takes_names(parser, whole):
            continue  # whoever takes them checks them
        nested = {option for option in options if option.endswith(f".{name.lstrip('-')}")}
        message = unknown_name("option", name, nested or options)
        if "did you mean" not in message:
            raise DeadpanError(f"unknown option '{name}'; see '{parser.prog} --help'")
        raise DeadpanError(message.partition("? known:")[0] + "?")


def _plain(message: str, parser: ArgumentParser) -> str:
    """A message of jsonargparse, which has several lines and names types, as one line of words."""
    if key := re.match(r'Parser key "([^"]+)"', message):
        value = re.search(r"(?:Got value|Given value): (.*)", message)
        wanted = [_wanted(name, key[1]) for name in re.findall(r"Expected (?:an? )?(.+)", message)]
        return (
            f"--{key[1]}: got '{value[1] if value else ''}', wanted "
            f"{' or '.join(dict.fromkeys(wanted)) or 'another value'}"
        )
    see = f"see '{parser.prog} --help'"
    if option := re.match(r"argument (\S+): expected (?:one|at least one) argument", message):
        return f"option '{option[1]}' got no value; give it one, {see}"
    if extra := re.match(r"[Uu]nrecognized arguments: (.*)", message):
        return f"unexpected argument '{extra[1]}'; {see}"
    if required := re.search(r"arguments are required: (.*)", message):
        names = ", ".join(
            f"--{name}" if f"--{name}" in _options(parser) else name.upper()
            for name in required[1].split(", ")
        )
        return f"{parser.prog} needs {names}; {see}"
    return f"{message}; {see}"


def _wanted(kind: str, key: str) -> str:
    kind = kind.partition(". Got value")[0]
    if kind.startswith("typing.Literal["):
        return f"one of {kind[15:-1]}"
    return WANTED.get(kind, kind).format(key=key)
