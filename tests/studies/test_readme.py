"""The tables of README and of the pages are what the studies' files say."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_documents_show_what_the_studies_say():
    script = runpy.run_path(str(ROOT / "studies" / "readme.py"))
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in script["DOCUMENTS"]]
    marked = [name for text in texts for name in script["marked"](text)]
    assert sorted(marked) == sorted(script["TABLES"])
    for text in texts:
        assert text == script["filled"](text), "run `python studies/readme.py`"


@pytest.mark.parametrize(
    ("percent", "lacking", "said"),
    [
        (False, -0.01, "yes"),
        (False, 0.0, "yes"),
        (False, 0.0456, "missed by 0.046"),
        (True, 0.003, "missed by 0.3"),
        (True, 0.0001, "missed by a rounding"),
    ],
)
def test_an_aim_is_reached_or_missed_by_what_is_lacking(percent, lacking, said):
    outcome = runpy.run_path(str(ROOT / "studies" / "readme.py"))["outcome"]
    assert outcome({"percent": percent}, lacking) == said


@pytest.fixture
def script():
    return runpy.run_path(str(ROOT / "studies" / "readme.py"))


@pytest.mark.parametrize(
    ("corr", "figure", "reached"),
    [
        (0.5, "better in 2 of 2", "yes"),
        (0.4, "better in 1 of 2", "not better in most"),
        (0.3, "better in 1 of 2", "Corr missed by 0.100"),
    ],
)
def test_the_preset_is_to_be_as_good_in_every_mean(script, corr, figure, reached):
    columns = [
        {"key": "mae", "title": "MAE", "higher_is_better": False, "percent": False},
        {"key": "corr", "title": "Corr", "higher_is_better": True, "percent": False},
    ]
    rows = [
        {"system": script["OURS"], "mae": 1.2, "corr": 0.4},
        {"system": script["RECOMMENDED"], "mae": 1.0, "corr": corr},
    ]
    row = script["no_mean_worse"]({"data": "mosi229", "columns": columns, "rows": rows})
    assert row[2:] == [figure, reached]


@pytest.mark.parametrize(
    ("held", "weak", "reached"),
    [(0.9, 0.88, "yes"), (0.9, 0.85, "missed by 3.0"), (0.95, 0.9, "missed by 3.0")],
)
def test_intervals_are_to_hold_in_every_third(script, held, weak, reached):
    row = {"data": "controlled", "system": "x", "commit": "c356427f2c3e", "held_middle": "0.9"}
    row |= {"held_strong": "0.9", "held": str(held), "held_weak": str(weak)}
    none = dict.fromkeys(row, "")  # of classes, which have no intervals
    script["coverage"].__globals__["rows_of"] = lambda path: [row, none, row]
    (shown,) = script["coverage"]()
    assert shown[0].startswith("controlled, first edition, x")
    assert shown[3] == reached


def test_the_error_that_is_avoided_is_paired_by_seed(script):
    def row(system, seed, mae, kind="incongruent"):
        return {"data": "controlled", "kind": kind, "system": system, "seed": seed, "mae": mae}

    rows = [
        *(row("HCT-MG", "1", "1.0"), row("HCT-MG", "2", "2.0"), row("0 for every clip", "", "0")),
        *(row(script["RECOMMENDED"], "1", "0.9"), row(script["RECOMMENDED"], "2", "1.6")),
        *(row("best", "1", "0.5"), row("best", "2", "1.9"), row("best", "1", "9", kind="all")),
    ]
    script["avoided"].__globals__["rows_of"] = lambda path: rows
    figure, reached = script["avoided"]("HCT-MG")[2:]
    assert figure == "recommended 15.0 %, best 27.5 % (best)"
    assert reached == "yes"
