from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from deadpan import api
from deadpan.cli import Command
from deadpan.cli.output import Reply
from deadpan.cli.parsers import Outputs, call, command_parser, last_value, outputs_of, parse
from deadpan.errors import DeadpanError

TRY = Command("attempt", ("run",), ("json",))


def attempt(
    run: str | Path,
    *,
    count: int = 1,
    rate: float | None = None,
    only: str | Sequence[str] = (),
    full: bool = False,
    out: str | Path | None = None,
    watch: "object | None" = None,
    **data_options: Any,
) -> dict[str, Any]:
    """Try a run.

    Once.

    Args:
        run: a ``run``.
        count: how often.
        rate: how fast.
        only: some.
        full: all.
        out: a folder.
        watch: is called.
        **data_options: of the data.
    """
    return {"run": run, "count": count, "only": only, "watch": watch, **data_options}


@pytest.fixture(autouse=True)
def function(monkeypatch):
    """A function of the API for the tests of this file."""
    monkeypatch.setattr(api, "attempt", attempt, raising=False)


@pytest.fixture
def parser():
    parser = command_parser("try", TRY)
    parser.add_argument("--names", type=list[str] | None)
    parser.add_argument("--group.mode", type=str)
    return parser


def test_values_are_typed_and_both_forms_are_taken(parser):
    for arguments in (["r", "--count", "3"], ["--count=3", "r"]):
        given = parse(parser, arguments)
        assert (given["run"], given["count"]) == ("r", 3)
    assert parse(parser, ["r", "--names=[a,b]"])["names"] == ["a", "b"]
    assert parse(parser, ["r", "--rate", "-0.5"])["rate"] == -0.5
    assert parse(parser, ["--count", "2", "--", "-odd"])["run"] == "-odd"


def test_options_of_the_data_are_taken_by_any_name(parser):
    given = parse(parser, ["r", "--data_options.clips", "20", "--data_options.carrier=audio"])
    assert given["data_options"] == {"clips": 20, "carrier": "audio"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "deadpan try needs RUN; see 'deadpan try --help'"),
        (["r", "s"], "unexpected argument 's'; see 'deadpan try --help'"),
        # argparse itself would take it for --count
        (["r", "--coun", "3"], "unknown option '--coun'; did you mean '--count'?"),
        (["r", "--zzzzz"], "unknown option '--zzzzz'; see 'deadpan try --help'"),
        (["r", "--count", "x"], "--count: got 'x', wanted a whole number"),
        (["r", "--count", "1.5"], "--count: got '1.5', wanted a whole number"),
        (["r", "--count"], "option '--count' got no value; give it one, see"),
        (["r", "--names", "a"], "--names: got 'a', wanted a list such as [text,audio] or null"),
        (["r", "--rate", "x"], "--rate: got 'x', wanted a number or null"),
        (
            ["r", "--data_options", "x"],
            "--data_options: got 'x', wanted a value by name, as in --data_options.NAME VALUE",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(parser, arguments, told):
    with pytest.raises(DeadpanError) as caught:
        parse(parser, arguments)
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


def test_a_file_to_write_lies_in_a_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))

    def asked(csv, *, json=False):
        return outputs_of({"csv": csv, "json": json}).csv

    assert asked(None) is None
    assert outputs_of({"csv": None, "json": True}) == Outputs(json=True)
    assert outputs_of({}) == Outputs()
    assert asked("~/new.csv") == tmp_path / "new.csv"
    (tmp_path / "old.csv").touch()
    assert asked(str(tmp_path / "old.csv")) == tmp_path / "old.csv"
    for wrong in (tmp_path, tmp_path / "no" / "x.csv", tmp_path / "old.csv" / "x"):
        with pytest.raises(DeadpanError) as caught:
            asked(str(wrong))
        told = f"{wrong}: not a file in a directory that exists; give another --csv"
        assert str(caught.value) == told
    with pytest.raises(DeadpanError, match="got both --json and --csv; give one of them"):
        asked("x.csv", json=True)
    with pytest.raises(DeadpanError, match="nobody here has that home"):
        asked("~nobody-of-this-name/x.csv")


def test_a_group_goes_by_the_name_the_user_knows(parser):
    alias = ("g.", "group.")
    assert parse(parser, ["r", "--g.mode", "x"], alias=alias)["group"] == {"mode": "x"}
    with pytest.raises(DeadpanError, match=r"^unknown option '--g.mod'; did you mean '--g.mode'"):
        parse(parser, ["r", "--g.mod", "x"], alias=alias)
    with pytest.raises(DeadpanError, match=r"^option '--g.mode' got no value"):
        parse(parser, ["r", "--g.mode"], alias=alias)
    with pytest.raises(Reply, match=r"--g\.mode"):
        parse(parser, ["--help"], alias=alias)


def test_help_wins_over_mistakes(parser):
    with pytest.raises(Reply, match="a 'run'"):
        parse(parser, ["--zzz", "-h"])


def test_the_last_value_counts():
    assert last_value(["--a", "1", "--a=2"], "--a") == "2"
    assert last_value(["--a=1", "--ab", "2"], "--a") == "1"
    assert last_value(["--a"], "--a") is None


def test_an_empty_text_is_not_taken_for_nothing():
    parser = command_parser("try", Command("attempt"), skip=["run", "count", "data_options"])
    with pytest.raises(DeadpanError, match="--out got an empty text; give it a value or leave it"):
        parse(parser, ["--out", ""])
    assert parse(parser, [])["out"] is None


def test_a_parser_is_made_of_the_signature_and_the_docstring(parser):
    with pytest.raises(Reply) as caught:
        parse(parser, ["--help"])
    usage, description, *rest = str(caught.value).split("\n\n")
    assert " ".join(usage.split()) == (
        "usage: deadpan try RUN [--count COUNT] [--rate RATE] [--only ONLY] [--full] [--out OUT] "
        "[--data_options.OPTION VALUE ...] [--json]"
    )
    assert description == "Try a run. Once."
    text = " ".join(" ".join(rest).split())
    assert "RUN a 'run' (required, type: str)" in text
    assert "--count COUNT how often (type: int, default: 1)" in text
    assert "--full all --out OUT a folder (type: str | null)" in text
    assert "--json print the result as JSON" in text
    assert "watch" not in text


def test_a_function_is_called_with_what_was_given(parser):
    options = parse(parser, ["r", "--only=a,b", "--json", "--data_options.clips=3"])
    wanted = {"run": "r", "count": 1, "only": "a,b", "watch": 7, "clips": 3}
    assert call(TRY, options, watch=7) == wanted
    assert call(TRY, parse(parser, ["r"]))["only"] == ()  # the function's own default
    with pytest.raises(DeadpanError, match="unknown option '--data_options.count'"):
        call(TRY, parse(parser, ["r", "--data_options.count=3"]))
