"""Options from the command line, typed, with every mistake told in one line."""

import argparse
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from deadpan.cli.failures import Shown
from deadpan.errors import DeadpanError, unknown_name
from deadpan.files import home_path

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
"""How people say what jsonargparse calls a type."""


def parser_of(command: str, usage: str, description: str) -> ArgumentParser:
    """A parser without options yet, for :func:`parse`."""
    return ArgumentParser(
        prog=f"deadpan {command}",
        usage=f"deadpan {command} {usage}",
        description=description,
        exit_on_error=False,
    )


def add_data_options(parser: ArgumentParser) -> None:
    """Take arguments of a data set, by name."""
    parser.add_argument(
        "--data_options",
        type=dict[str, Any],
        default={},
        help="arguments of the data set, e.g. --data_options.carrier audio",
    )


def parse(
    parser: ArgumentParser, arguments: Sequence[str], *, alias: tuple[str, str] | None = None
) -> dict[str, Any]:
    """The options as plain values, by name.

    Args:
        parser: knows the options.
        arguments: what the user typed.
        alias: what a group of options is called by the user and by the parser, as in
            ("model.", "model_options.").

    Raises:
        Shown: the user asked for help.
        DeadpanError: an option or a value that does not fit.
    """
    said, meant = (f"--{prefix}" for prefix in alias or ("", ""))
    typed = [meant + a.removeprefix(said) if alias and a.startswith(said) else a for a in arguments]
    if {"-h", "--help"} & set(typed):
        text = re.sub(
            r" +--\w+ CONFIG\n +Path to a configuration file.\n", "", parser.format_help()
        )
        raise Shown((text.replace(meant, said) if alias else text).replace("``", "'").rstrip())
    try:
        _check_names(parser, typed)
        given = parser.parse_args(typed).as_dict()
    except (argparse.ArgumentError, TypeError, ValueError) as error:
        raise DeadpanError(_plain(str(error), parser).replace(meant, said)) from error
    except DeadpanError as error:
        raise DeadpanError(str(error).replace(meant, said) if alias else str(error)) from error
    # A shell's unset variable: taken for "not given", it would write somewhere else.
    if empty := [name for name, value in given.items() if value == ""]:
        raise DeadpanError(f"--{empty[0]} got an empty text; give it a value or leave it out")
    return given


def file_to_write(given: Mapping[str, Any], option: str) -> Path | None:
    """The file that takes the answer in place of the screen, before there is an answer.

    Args:
        given: the options, with ``json`` among them.
        option: the one that names the file, without its dashes.

    Returns:
        Its path, ``~`` expanded; None where the option was not given.

    Raises:
        DeadpanError: ``--json`` besides, a directory, or a file in none.
    """
    if not given[option]:
        return None
    if given["json"]:
        raise DeadpanError(f"got both --json and --{option}; give one of them")
    file = home_path(given[option])
    if file.is_dir() or not file.parent.is_dir():
        raise DeadpanError(
            f"{file}: not a file in a directory that exists; give another --{option}"
        )
    return file


def last(arguments: Sequence[str], option: str) -> str | None:
    """The value an option has been given last, before there is a parser; None without one."""
    found = None
    for i, argument in enumerate(arguments):
        if argument.startswith(f"{option}="):
            found = argument.partition("=")[2]
        elif argument == option and i + 1 < len(arguments):
            found = arguments[i + 1]
    return found


def _options(parser: ArgumentParser) -> Iterable[str]:
    return (name for action in parser._actions for name in action.option_strings)  # pyright: ignore[reportPrivateUsage]


def _check_names(parser: ArgumentParser, arguments: Sequence[str]) -> None:
    """Refuse an option that is not known; argparse would take ``--epoch`` for ``--epochs``."""
    known = set(_options(parser))
    for argument in arguments:
        if argument == "--":
            break
        name = argument.partition("=")[0]
        if not re.match(r"--?[A-Za-z_]", name) or name in known:
            continue
        if name.startswith("--data_options.") and "--data_options" in known:
            continue  # the data set knows them
        told = unknown_name("option", name, known)
        if "did you mean" not in told:
            raise DeadpanError(f"unknown option '{name}'; see '{parser.prog} --help'")
        raise DeadpanError(told.partition("? known:")[0] + "?")


def _plain(message: str, parser: ArgumentParser) -> str:
    """What jsonargparse says over several lines and in types, in one line and in words."""
    if key := re.match(r'Parser key "([^"]+)"', message):
        got = re.search(r"(?:Got value|Given value): (.*)", message)
        wanted = [_wanted(name, key[1]) for name in re.findall(r"Expected (?:an? )?(.+)", message)]
        return (
            f"--{key[1]}: got '{got[1] if got else ''}', wanted "
            f"{' or '.join(dict.fromkeys(wanted)) or 'another value'}"
        )
    see = f"see '{parser.prog} --help'"
    if option := re.match(r"argument (\S+): expected (?:one|at least one) argument", message):
        return f"option '{option[1]}' got no value; give it one, {see}"
    if extra := re.match(r"[Uu]nrecognized arguments: (.*)", message):
        return f"unexpected argument '{extra[1]}'; {see}"
    if missing := re.search(r"arguments are required: (.*)", message):
        names = ", ".join(
            f"--{name}" if f"--{name}" in _options(parser) else name.upper()
            for name in missing[1].split(", ")
        )
        return f"{parser.prog} needs {names}; {see}"
    return f"{message}; {see}"


def _wanted(kind: str, key: str) -> str:
    kind = kind.partition(". Got value")[0]
    if kind.startswith("typing.Literal["):
        return f"one of {kind[15:-1]}"
    return WANTED.get(kind, kind).format(key=key)
