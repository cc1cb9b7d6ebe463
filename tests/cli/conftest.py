"""A run of seconds, trained once for all tests of the command line."""

import pytest

from deadpan.cli import main

SMALL = ["--model.width=8", "--model.heads=2", "--model.layers=1", "--epochs=2"]
DATA = ["--data", "controlled", "--data_options.clips", "20"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A finished run, scored; nobody changes it."""
    run = tmp_path_factory.mktemp("cli") / "run"
    assert main(["train", *DATA, *SMALL, "--out", str(run)]) == 0
    assert main(["evaluate", str(run)]) == 0
    return run


@pytest.fixture
def deadpan(capsys):
    """Run a command: its exit status, what it printed, what it told on stderr."""

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


@pytest.fixture
def refused(deadpan):
    """The one line with which a command is refused."""

    def run(*arguments):
        status, out, err = deadpan(*arguments)
        assert (status, out) == (2, "")
        assert err.startswith("deadpan: error: ")
        assert err.count("\n") == 1
        return err.removeprefix("deadpan: error: ").rstrip("\n")

    return run
