"""Which tables are of today's code is known: its losses have been compared with theirs."""

import json
import runpy
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "studies" / "same_code.py"))


def test_todays_code_has_been_compared_with_the_studies():
    assert SCRIPT["code_hash"]() in SCRIPT["known"](), "run `python studies/same_code.py`"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([1.0, 0.5], [1.0, 0.5], []),
        ([1.0, 0.5], [1.0, 0.501], []),  # another processor
        ([1.0, 0.5], [1.0, 0.51], ["MulT"]),
        (None, [1.0, 0.5], ["MulT"]),
        ([1.0, 0.5], None, ["MulT"]),
    ],
)
def test_systems_that_train_otherwise_are_told(before, after, told):
    then, now = {"losses": {"MulT": before}}, {"losses": {"MulT": after}}
    assert SCRIPT["differing"](then, now) == told


def test_another_line_of_code_is_another_hash(tmp_path):
    file = tmp_path / "src/deadpan/models/one.py"
    file.parent.mkdir(parents=True)
    file.write_text("x = 1\n")
    before = SCRIPT["code_hash"](tmp_path)
    (tmp_path / "src/deadpan/cli.py").write_text("y = 1\n")
    assert SCRIPT["code_hash"](tmp_path) == before
    file.write_text("x = 2\n")
    assert SCRIPT["code_hash"](tmp_path) != before


def test_every_table_that_names_commits_is_held_to_them():
    studies = ROOT / "studies"
    files = [file for kind in ("csv", "json") for file in studies.rglob(f"*.{kind}")]
    named = {
        file.relative_to(studies).as_posix() for file in files if SCRIPT["names_commits"](file)
    }
    assert len(named) > 10
    assert named <= {*SCRIPT["GRIDS"], *SCRIPT["OF_OTHERS"], "same_code.json"}


def test_tables_are_of_code_that_trains_as_todays_does_or_it_is_said_why_not():
    today = SCRIPT["known"]().get(SCRIPT["code_hash"]())
    assert today, "run `python studies/same_code.py`"
    stay = yaml.safe_load(SCRIPT["OTHER_CODE"].read_text(encoding="utf-8"))
    found = SCRIPT["tables_of_other_code"](today)
    assert not {name: why for name, why in found.items() if name not in stay}, "train them again"
    assert not stay.keys() - found.keys(), "take out of other_code.yaml what is no longer needed"
    assert all(isinstance(reason, str) and reason for reason in stay.values())


def test_todays_grids_train_systems_whose_losses_are_kept():
    for grids in SCRIPT["GRIDS"].values():
        for settings in SCRIPT["settings_of"](grids).values():
            assert SCRIPT["trained_as"](settings) <= SCRIPT["SYSTEMS"].keys()


GRID = {"ours": {"model_options": {"pooling": "attention"}}, "theirs": {"model": "MulT"}}
LOSSES = {"HCTMG": [1.0], "HCTMG, attention pooling": [1.0], "MulT": [1.0], "LMF": [1.0]}


@pytest.mark.parametrize(
    ("runs", "reasons"),
    [
        ({("ours", "new"), ("theirs", "new")}, []),
        ({("ours", "old")}, []),  # only MulT and LMF were others then
        ({("ours", "old"), ("theirs", "old")}, ["commit old trains MulT otherwise"]),
        ({("", "old")}, ["commit old trains MulT otherwise"]),
        ({("ours", "new+")}, ["commit new+ is not in same_code.json"]),
        ({("gone", "new")}, ["gone is no system of its grid any more"]),
    ],
)
def test_a_table_of_other_code_says_what_is_other(runs, reasons):
    today = {"commits": ["new"], "losses": LOSSES}
    recorded = {"a": today, "b": {"commits": ["old"], "losses": LOSSES | {"MulT": [2], "LMF": [2]}}}
    assert SCRIPT["otherwise"](runs, GRID, recorded, today) == reasons


def test_systems_and_commits_are_read_from_tables_of_every_kind(tmp_path):
    def runs(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return SCRIPT["runs_of"](tmp_path / name)

    assert runs("a.csv", "system,commit\nx,c1 c2\n0 for every clip,\n") == {
        ("x", "c1"),
        ("x", "c2"),
    }
    assert runs("b.csv", "systems,commit\nx; y,c1\n") == {("x", "c1"), ("y", "c1")}
    assert runs("c.csv", "structure,reader,commit\nflat,GRU,c1\n") == {("flat: GRU", "c1")}
    assert runs("d.csv", "kernels,commit\nC,c1\n") == {("", "c1")}
    rows = [{"system": "ridge", "seeds": 0}, {"system": "x", "seeds": 2}]
    tables = [{"rows": rows, "notes": ["seeds 1, 2", "commit c1, c2"]}]
    assert runs("e.json", json.dumps(tables)) == {("x", "c1"), ("x", "c2")}
    assert runs("f.json", json.dumps({"runs": [{"system": "x", "commit": "c1"}]})) == {("x", "c1")}
    scores = {"commit": "c1", "dirty": True, "rows": [{"system": "x", "parameters": 9}]}
    assert runs("g.json", json.dumps(scores)) == {("x", "c1+")}
