"""The command line, ``deadpan COMMAND``, made from the signatures and docstrings of the API.

Nothing heavy is imported here: help, the version and a mistyped command are answered at once, and
the parser of a command is built when that command is named.
"""

import dataclasses
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from deadpan import api
from deadpan.cli.output import Remarks, Reply, abandon, one_line, open_closed_streams
from deadpan.errors import DeadpanError, os_failure, unknown_name


@dataclasses.dataclass(frozen=True)
class Command:
    """A function of the API as a command.

    Attributes:
        function: the function's name in ``deadpan.api``.
        positional: its parameters that are given without a name; all others are options.
        outputs: the options of ``deadpan.cli.parsers.OUTPUTS`` that the command takes.
    """

    function: str
    positional: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The first sentence of the function's docstring, without its full stop."""
        return (getattr(api, self.function).__doc__ or "").partition("\n")[0].rstrip(".")


COMMANDS = {
    "train": Command("train"),
    "evaluate": Command("evaluate", ("run",), ("json",)),
    "predict": Command("predict", ("run",), ("json", "csv")),
    "explain": Command("explain", ("run", "seeds")),
    "report": Command("report", ("run",)),
    "export": Command("export", ("run",)),
    "push": Command("push", ("run", "repository")),
    "benchmark": Command("benchmark", ("config",)),
    "models": Command("list_models", (), ("json",)),  # ``deadpan.models`` is a package
    "encode": Command("encode", ("source",)),
    "analyze": Command("analyze", ("recordings",)),
    "extract": Command("extract", ("folder",)),
    "studio": Command("open_studio", ("folder",)),  # ``deadpan.studio`` is a package
    "data inspect": Command("inspect", ("source",), ("json", "html")),
    "data convert": Command("convert", ("source", "out")),
    "data list": Command("corpora", ("name",), ("json", "csv")),
    "data fetch": Command("fetch", ("name",)),
    "components list": Command("components", (), ("json", "csv")),
    "components fetch": Command("fetch_components", ("names",)),
    "components verify": Command("verify_components", ("names",)),
    "demo": Command("demo"),
    "env": Command("env", (), ("json",)),
}
"""Every command by its name, in the order of display."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; None = those of this process.

    Returns:
        The exit status: 0; 2 for an error that the user can mend, after one line on stderr; 130
        after an interrupt. Work goes on when stderr can take no more; a result that stdout does not
        take is an error, unless its reader has left.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    open_closed_streams()
    if os.environ.get("LOCAL_RANK", "0") != "0":
        # A further process of a distributed run: it does what the first one does, which prints.
        with Path(os.devnull).open("w") as sink, redirect_stdout(sink), redirect_stderr(sink):
            return _status(arguments)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")  # a file's name or an arrow must not be what ends a run
    with redirect_stderr(Remarks(sys.stderr)):
        return _status(arguments)


def _status(arguments: Sequence[str]) -> int:
    stdout = sys.stdout
    if stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - closed by the shell
        return _refuse("deadpan: error: stdout is closed; open it, as in: deadpan ... > FILE", 2)
    try:
        try:
            _run(arguments)
        except Reply as reply:
            print(reply)
        stdout.flush()
    except KeyboardInterrupt as interrupt:
        return _refuse(f"deadpan: {str(interrupt) or 'interrupted'}", 130)
    except ImportError as error:
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        return _refuse("deadpan: interrupted", 130)  # while a module of C++ was being made
    except BrokenPipeError:
        abandon(stdout)  # the reader of our output has left
        return 0
    except OSError as error:
        abandon(stdout)
        return _refuse(f"deadpan: error: {os_failure(error)}", 2)
    except DeadpanError as error:
        return _refuse(f"deadpan: error: {error}", 2)
    return 0


def _run(arguments: Sequence[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        raise Reply(_help())
    if arguments[0] in ("-V", "--version"):
        from importlib.metadata import version

        raise Reply(f"deadpan {version('deadpan')}")
    name, rest = _split(arguments)
    from deadpan.cli.commands import run_command

    run_command(name, COMMANDS[name], rest)


def _split(arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The command's name, of one word or two, and the arguments after it."""
    for words in (1, 2):
        if (name := " ".join(arguments[:words])) in COMMANDS:
            return name, arguments[words:]
    groups = {name.split()[0] for name in COMMANDS if " " in name}
    if (first := arguments[0]) in groups:
        members = [name for name in COMMANDS if name.startswith(f"{first} ")]
        if len(arguments) == 1 or arguments[1] in ("-h", "--help"):
            raise Reply(_help(members))
        raise DeadpanError(unknown_name("command", " ".join(arguments[:2]), members))
    if first.startswith("-"):
        raise DeadpanError(unknown_name("option", first, ["--help", "--version"]))
    raise DeadpanError(unknown_name("command", first, COMMANDS))


def _help(names: Sequence[str] = ()) -> str:
    commands = names or list(COMMANDS)
    width = max(map(len, commands)) + 2
    return "\n".join(
        [
            "deadpan: sentiment and emotion in words, voice and face, and where they disagree",
            "",
            "usage: deadpan COMMAND ...     'deadpan COMMAND --help' shows the command's options",
            "",
            *(f"  {name:<{width}}{COMMANDS[name].summary}" for name in commands),
            "",
            "first steps: deadpan demo, or deadpan train --data controlled",
        ]
    )


def _refuse(line: str, status: int) -> int:
    print(one_line(line), file=sys.stderr)
    return status
