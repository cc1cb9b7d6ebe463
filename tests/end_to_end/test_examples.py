import runpy
import sys
from pathlib import Path

import pytest

from deadpan.models import MODELS

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


def test_how_many():
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_runs(example, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(example), "--clips", "12", "--epochs", "1"])
    known = dict(MODELS)
    try:
        runpy.run_path(str(example), run_name="__main__")
    finally:
        MODELS.clear()
        MODELS.update(known)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) in (3, 4)  # also the row on deviations of generated clips
    assert len(example.read_text().splitlines()) <= 70
