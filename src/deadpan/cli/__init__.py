"""The command line: ``deadpan COMMAND``; the one place that speaks.

Nothing heavy is imported here: help, the version and a mistyped command are answered at once, and
the parser of a command is built when that command is named.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from deadpan.cli.failures import Shown, one_line
from deadpan.errors import DeadpanError, os_failure, unknown_name

COMMANDS = {
    "train": "train a model on a data set and keep the run",
    "evaluate": "score a finished run on its test split, beside its baselines",
    "predict": "what a finished run says of other clips",
    "explain": "what a finished run attends to in a clip: figures, tables, a page",
    "report": "one HTML page that shows a finished run",
    "export": "a finished run as one ONNX file that predicts without torch",
    "benchmark": "a grid of systems, data sets and seeds, and its tables",
    "models": "every model, with its parameters and its paper",
    "data inspect": "what a file or folder is, and its health: clips, lengths, labels, defects",
    "data convert": "any data set as a store: small, and open in a moment",
    "data list": "the field's data sets: statistics, licence, traps, sources",
    "data fetch": "download a data set, or say how to get it by hand",
    "demo": "train HCT-MG on generated clips, score it and write its report",
}
"""Commands by name; each is the function of that name in ``deadpan.cli.commands``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; None = those of this process.

    Returns:
        The exit status: 0; 2 for what the user can mend, after one line on stderr; 130 if the
        user stopped it.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if os.environ.get("LOCAL_RANK", "0") != "0":
        # A further process of a distributed run: it does what the first one does, which talks.
        with Path(os.devnull).open("w") as nobody, redirect_stdout(nobody), redirect_stderr(nobody):
            return _answer(arguments)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")  # a file's name or an arrow must not be what ends a run
    return _answer(arguments)


def _answer(arguments: Sequence[str]) -> int:
    try:
        _run(arguments)
        sys.stdout.flush()
    except Shown as answer:
        return _say(str(answer))
    except KeyboardInterrupt as interrupt:
        return _refuse(f"deadpan: {str(interrupt) or 'interrupted'}", 130)
    except BrokenPipeError:
        _abandon_stdout()  # whoever read our output has seen enough
        return 0
    except OSError as error:
        _abandon_stdout()
        return _refuse(f"deadpan: error: {os_failure(error)}", 2)
    except DeadpanError as error:
        return _refuse(f"deadpan: error: {error}", 2)
    return 0


def _run(arguments: Sequence[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        raise Shown(_help())
    if arguments[0] in ("-V", "--version"):
        from importlib.metadata import version

        raise Shown(f"deadpan {version('deadpan')}")
    command, rest = _command(arguments)
    from deadpan.cli import commands

    getattr(commands, command.replace(" ", "_"))(rest)


def _command(arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The command that was named, in one word or two, and what follows it."""
    for words in (1, 2):
        if (name := " ".join(arguments[:words])) in COMMANDS:
            return name, arguments[words:]
    groups = {name.split()[0] for name in COMMANDS if " " in name}
    if (first := arguments[0]) in groups:
        under = [name for name in COMMANDS if name.startswith(f"{first} ")]
        if len(arguments) == 1 or arguments[1] in ("-h", "--help"):
            raise Shown(_help(under))
        raise DeadpanError(unknown_name("command", " ".join(arguments[:2]), under))
    if first.startswith("-"):
        raise DeadpanError(unknown_name("option", first, ["--help", "--version"]))
    raise DeadpanError(unknown_name("command", first, COMMANDS))


def _help(names: Sequence[str] = ()) -> str:
    listed = {name: COMMANDS[name] for name in names or COMMANDS}
    width = max(map(len, listed)) + 2
    return "\n".join(
        [
            "deadpan: sentiment and emotion in words, voice and face, and where they disagree",
            "",
            "usage: deadpan COMMAND ...     'deadpan COMMAND --help' tells a command's options",
            "",
            *(f"  {name:<{width}}{told}" for name, told in listed.items()),
            "",
            "first steps: deadpan demo, or deadpan train --data controlled",
        ]
    )


def _say(text: str) -> int:
    try:
        print(text, flush=True)
    except OSError:
        _abandon_stdout()
    return 0


def _refuse(line: str, status: int) -> int:
    print(one_line(line), file=sys.stderr)
    return status


def _abandon_stdout() -> None:
    """Point stdout at nothing if it cannot be flushed: Python would complain on leaving."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
