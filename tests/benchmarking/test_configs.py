"""The grids of configs/, on generated files of the official layout, lengths and widths."""

import json
from pathlib import Path

import pytest
import yaml

from deadpan.benchmarking.grid import read_grid
from deadpan.benchmarking.run import run_grid
from deadpan.benchmarking.runner import Silent

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
GRIDS = sorted(p for p in CONFIGS.glob("*.yaml") if "systems" in yaml.safe_load(p.read_text()))
PAPER = [path for path in GRIDS if path.stem.startswith("table")]


def test_there_are_as_many_as_the_paper_has_tables():
    assert [path.stem for path in GRIDS if path not in PAPER] == ["small_grid"]
    assert [path.stem for path in PAPER] == [
        f"table{number}_{corpus}" for number in (2, 4) for corpus in ("iemocap", "mosei", "mosi")
    ]


@pytest.mark.parametrize("path", PAPER, ids=lambda path: path.stem)
def test_a_table_of_the_paper_runs_end_to_end(path, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.chdir(tmp_path)
    from paper_grids import prepare

    values = yaml.safe_load(path.read_text())
    short = prepare(path, tmp_path, clips=16)
    study = run_grid(read_grid(short), tmp_path / "out", workers=2, resume=False, watch=Silent())
    assert study.failures == {}
    (table,) = study.tables
    assert [row.system for row in table.rows][2:] == list(values["systems"])
    assert all(row.seeds == 1 for row in table.rows[2:])
    printed = [cell.paper for row in table.rows for cell in row.cells.values()]
    assert any(figure is not None for figure in printed)


def test_a_grid_measured_again_is_run_again(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import paper_grids

    out = tmp_path / "figures"
    command = ["x", "table4_mosi", "--clips", "16", "--folder", str(tmp_path), "--out", str(out)]
    monkeypatch.setattr("sys.argv", command)
    paper_grids.main()
    assert not (tmp_path / "16/out/table4_mosi").exists()
    told = json.loads(out.with_suffix(".json").read_text())["grids"]["table4_mosi"]
    assert told["clips"] == 16
    assert set(told["systems"]) == {"HCT-T", "HCT-A", "HCT-V", "HCT-MG"}
    assert "| clips in a file | 16 |" in out.with_suffix(".md").read_text()
    assert "HCT-MG" in capsys.readouterr().out
