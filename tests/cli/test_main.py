import errno
import inspect
import os
import re
import shutil
import subprocess
import sys

import docstring_parser
import pytest

import deadpan as library
from deadpan import api, cli
from deadpan.cli import COMMANDS, main


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",)])
def test_help_lists_every_command(arguments, deadpan):
    status, out, err = deadpan(*arguments)
    assert (status, err) == (0, "")
    for name, command in COMMANDS.items():
        assert re.search(f"^  {name} +{re.escape(command.summary)}$", out, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 100


def test_version(deadpan):
    assert deadpan("--version") == deadpan("-V") == (0, "deadpan 0.1.0\n", "")


def test_a_group_of_commands_lists_its_own(deadpan):
    for arguments in (["data"], ["data", "--help"]):
        status, out, _ = deadpan(*arguments)
        assert status == 0
        assert "data inspect" in out
        assert "evaluate" not in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["trian"], "unknown command 'trian'; did you mean 'train'?"),
        (["evalute", "runs/x"], "did you mean 'evaluate'?"),
        (["data", "inspekt"], "unknown command 'data inspekt'; did you mean 'data inspect'?"),
        (["--versoin"], "unknown option '--versoin'; did you mean '--version'?"),
    ],
)
def test_a_mistyped_command_is_told_the_nearest(arguments, told, refused):
    assert told in refused(*arguments)


def test_every_function_of_the_api_is_a_command():
    functions = [command.function for command in COMMANDS.values()]
    others = {"load", "load_run", "DeadpanError", "Run"}
    assert sorted(functions) == sorted(set(library.__all__) - others)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_bears_the_name_of_its_function(name):
    others = {
        "models": "list_models",
        "studio": "open_studio",
        "data list": "corpora",
        "components list": "components",
        "components fetch": "fetch_components",
        "components verify": "verify_components",
    }
    assert COMMANDS[name].function == others.get(name, name.removeprefix("data "))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, deadpan):
    status, out, err = deadpan(*name.split(), "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: deadpan {name}")
    assert "``" not in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_parameter_of_a_command_is_documented(name):
    function = getattr(api, COMMANDS[name].function)
    documented = [p.arg_name.lstrip("*") for p in docstring_parser.parse(function.__doc__).params]
    assert documented == list(inspect.signature(function).parameters)


def imported(modules, *commands):
    """Those of the modules that commands import, one behind another in one process."""
    script = (
        f"import sys; from deadpan.cli import main; [main(each) for each in {commands}]; "
        f"print('IMPORTED', *sorted({modules} & set(sys.modules)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return process.stdout.splitlines()[-1].split()[1:]


# Fast commands stay fast only while nothing heavy is imported; a clock would say so less surely.
@pytest.mark.parametrize("arguments", ([], ["--help"], ["trian"], ["--version"]))
def test_help_imports_nothing_heavy(arguments):
    heavy = {"torch", "numpy", "sklearn", "jsonargparse", "rich", "yaml"}
    assert imported(heavy, arguments) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_and_its_typos_import_no_torch(name):
    heavy = {"torch", "numpy", "scipy", "sklearn", "matplotlib"}
    words = name.split()
    assert imported(heavy, [*words, "--help"], [*words, "--hlep"]) == []


@pytest.mark.parametrize(
    "wrong",
    (
        "--data controlled --model HTCMG",
        "--data controlled --model.widht 3",
        "--data controlled --model.width much",
        "--data controlled --epochs many",
        "--config nowhere.yaml",
        "--data controlled --print_config",  # not wrong, but nothing of torch either
    ),
)
def test_options_of_train_are_checked_without_torch(wrong):
    assert imported({"torch", "scipy", "sklearn", "matplotlib"}, ["train", *wrong.split()]) == []


@pytest.mark.parametrize("arguments", (["data", "list"], ["data", "fetch", "none"], ["models"]))
def test_corpora_and_models_are_listed_without_torch(arguments):
    assert imported({"torch", "numpy", "scipy", "sklearn", "matplotlib"}, arguments) == []


def test_only_training_imports_what_trains(trained, tmp_path):
    """Fabric takes torch's compiler along, which doubles the start of a command."""
    run = str(shutil.copytree(trained, tmp_path / "run"))
    data = ["--data", "controlled", "--data_options.clips", "20"]
    commands = ["evaluate", run], ["predict", run, *data], ["report", run]
    assert imported({"lightning_fabric", "torch._dynamo"}, *commands) == []


def test_the_module_runs_and_leaves_with_the_status():
    command = [sys.executable, "-m", "deadpan", "data", "list", "MOSSI"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("deadpan: error: unknown data set 'MOSSI'")
    assert process.stderr.count("\n") == 1


def raising(error):
    def command():
        raise error

    return command


def test_an_interrupt_says_so(monkeypatch, deadpan):
    monkeypatch.setattr(api, "list_models", raising(KeyboardInterrupt()))
    assert deadpan("models") == (130, "", "deadpan: interrupted\n")


def test_an_interrupt_while_a_module_is_imported_says_so(monkeypatch, deadpan):
    def importing():
        raise ImportError("initialization failed") from KeyboardInterrupt()  # as pybind11 does

    monkeypatch.setattr(api, "list_models", importing)
    assert deadpan("models") == (130, "", "deadpan: interrupted\n")
    monkeypatch.setattr(api, "list_models", raising(ImportError("no such module")))
    with pytest.raises(ImportError):
        main(["models"])


def test_what_the_system_refuses_is_one_line(monkeypatch, refused):
    monkeypatch.setattr(api, "list_models", raising(OSError(errno.EIO, "Input/output error", "x")))
    assert (
        refused("models") == "x: Input/output error; choose another path and run the command again"
    )


def test_a_defect_of_ours_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(api, "list_models", raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["models"])


def test_a_further_process_of_a_distributed_run_is_silent(monkeypatch, deadpan):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert deadpan("trian") == (2, "", "")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert deadpan("trian")[2]


def shell(command, **more):
    """A command in a shell: its status, stdout and stderr."""
    script = f'deadpan() {{ "{sys.executable}" -m deadpan "$@"; }}; set -o pipefail; {command}'
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, **more
    )
    return done.returncode, done.stdout, done.stderr


SHOWING = ["models", "data list --json", "--help"]  # by rich, as JSON, and without a command


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
@pytest.mark.parametrize("arguments", SHOWING)
def test_a_full_disk_behind_stdout_is_one_line(arguments):
    status, out, err = shell(f"deadpan {arguments} > /dev/full")
    assert (status, out) == (2, "")
    assert err.startswith("deadpan: error: the disk is full")
    assert err.count("\n") == 1


def test_a_closed_stdout_is_one_line():
    line = "deadpan: error: stdout is closed; open it, as in: deadpan ... > FILE\n"
    assert shell("deadpan models >&-") == (2, "", line)
    assert shell("deadpan models >&- 2>&-") == (2, "", "")


@pytest.mark.parametrize("arguments", SHOWING)
def test_a_reader_that_leaves_ends_nothing_badly(arguments):
    assert shell(f"deadpan {arguments} | true") == (0, "", "")


LOST = ["2>&-", "2> /dev/full", "<&- 2> >(true)"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
@pytest.mark.parametrize("streams", LOST)
def test_training_goes_on_where_nobody_reads_its_remarks(streams, tmp_path):
    arguments = "--data controlled --data_options.clips 10 --epochs 1 --model LFDNN --out run"
    status, out, err = shell(f"deadpan train {arguments} {streams}", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert "deadpan evaluate run" in out
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_a_reader_that_leaves_is_quiet(monkeypatch, deadpan):
    monkeypatch.setattr(api, "list_models", raising(BrokenPipeError()))
    abandoned = []
    monkeypatch.setattr(cli, "abandon", lambda stream: abandoned.append(True))
    assert deadpan("models") == (0, "", "")
    assert abandoned
