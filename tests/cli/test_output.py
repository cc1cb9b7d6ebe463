import errno

import pytest

from deadpan.cli.output import one_line, resumable
from deadpan.errors import DeadpanError


def error(number, path="there"):
    return OSError(number, "as the system says", path)


def test_one_line_keeps_letters_and_drops_what_steers_a_terminal():
    assert one_line("é\nb\x1b[31m\tc\r") == "é b [31m c "


def test_a_run_that_stands_can_be_gone_on_with(tmp_path):
    with (
        pytest.raises(DeadpanError, match="and run the command again"),
        resumable("deadpan again", tmp_path / "config.yaml"),
    ):
        raise error(errno.ENOSPC)
    (tmp_path / "config.yaml").touch()
    with (
        pytest.raises(DeadpanError, match="free some space and go on with: deadpan again"),
        resumable("deadpan again", tmp_path / "config.yaml"),
    ):
        raise error(errno.ENOSPC)


def test_an_interrupted_run_can_be_gone_on_with(tmp_path):
    with (
        pytest.raises(KeyboardInterrupt, match="interrupted; nothing was written"),
        resumable("deadpan again", tmp_path / ("x" * 300)),
    ):  # a name no system takes
        raise KeyboardInterrupt
    (tmp_path / "config.yaml").touch()
    with (
        pytest.raises(KeyboardInterrupt, match="interrupted; go on with: deadpan again"),
        resumable("deadpan again", tmp_path / "config.yaml"),
    ):
        raise KeyboardInterrupt


def test_a_closed_pipe_and_our_own_errors_pass(tmp_path):
    with pytest.raises(BrokenPipeError), resumable("x", tmp_path):
        raise BrokenPipeError
    with pytest.raises(DeadpanError, match="^as it is$"), resumable("x", tmp_path):
        raise DeadpanError("as it is")


def test_what_needs_no_proof_can_always_be_gone_on_with():
    with (
        pytest.raises(KeyboardInterrupt, match="interrupted; go on with: deadpan again"),
        resumable("deadpan again"),
    ):
        raise KeyboardInterrupt
