import ast
import json
import runpy
import sys
import tempfile
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"


def test_how_many():
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_runs(example, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(example), "--clips", "12", "--epochs", "1"])
    runpy.run_path(str(example), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) in (3, 4)  # also the row on deviations of generated clips
    assert len(example.read_text().splitlines()) <= 70


def shown(cell, names):
    """What a notebook shows of the last line of a cell, once all of it has run."""
    *before, last = ast.parse(cell).body
    exec(compile(ast.Module(before, []), "cell", "exec"), names)
    if not isinstance(last, ast.Expr):
        exec(compile(ast.Module([last], []), "cell", "exec"), names)
        return None
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    kinds = [kind for kind in ("_repr_png_", "_repr_html_") if hasattr(value, kind)]
    return getattr(value, kinds[0])() if kinds else repr(value)


def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in code)
    names = {"__name__": "__main__"}
    first, card, curves, metrics, worst, predicted, page, own = (
        shown("".join(cell["source"]).replace('"clips": 200', '"clips": 60'), names)
        for cell in code
    )
    assert first is None
    assert "HCT-MG on controlled" in card
    assert curves.startswith(b"\x89PNG")
    assert "corr" in metrics
    assert "low" in worst
    assert predicted.startswith("array([[")
    assert "srcdoc" in page
    assert "StepMean on controlled" in own
    assert "ridge" in own
