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
