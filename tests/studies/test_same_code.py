"""Which tables are of today's code is known: its losses have been compared with theirs."""

import runpy
from pathlib import Path

import pytest

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
