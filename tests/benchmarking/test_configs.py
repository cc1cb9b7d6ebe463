"""The grids of configs/, on generated files of the official layout, lengths and widths."""

import json
from pathlib import Path

import pytest
import yaml

from deadpan.benchmarking.grid import read_grid
from deadpan.benchmarking.run import run_grid
from deadpan.benchmarking.runner import Silent
from deadpan.data import load
from deadpan.data.batching import collate
from deadpan.training.opened import build

from ..data.formats.test_mustard import context_files
from ..data.formats.test_mustard import write as mustard_files
from ..data.formats.test_ur_funny import write as ur_funny_files

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
GRIDS = sorted(p for p in CONFIGS.glob("*.yaml") if "systems" in yaml.safe_load(p.read_text()))
PAPER = [path for path in GRIDS if path.stem.startswith(("table2_", "table4_"))]


def test_there_are_as_many_as_the_paper_has_tables():
    others = [path.stem for path in GRIDS if path not in PAPER]
    assert others == ["small_grid", "table_mustard", "table_ur_funny"]
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


def mustard(folder):
    """MUStARD's folder with sentences before the utterances, and enough speakers for ten groups."""
    folder.mkdir(parents=True)
    context_files(mustard_files(folder))
    clips = json.loads((folder / "sarcasm_data.json").read_text())
    for i, clip in enumerate(clips.values()):
        clip["speaker"] = f"SPEAKER{i % 12}"
    (folder / "sarcasm_data.json").write_text(json.dumps(clips))


def ur_funny(folder):
    folder.mkdir(parents=True)
    ur_funny_files(folder, 2)


@pytest.mark.parametrize(
    ("name", "where", "write", "folds"),
    [
        ("mustard", "data/MUStARD", mustard, {"speakers": 10}),
        ("ur_funny", "data/UR-FUNNY", ur_funny, {}),
    ],
)
def test_a_table_of_humour_and_sarcasm_fits_the_released_files(
    name, where, write, folds, tmp_path, monkeypatch
):
    """Every system predicts from clips of every data set of the grid that it runs on."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / where)
    grid = read_grid(CONFIGS / f"table_{name}.yaml")
    found = {data: grid.folds_of(data) for data in grid.data}
    assert {data: len(x) for data, x in found.items() if x != [None]} == folds
    seen, loaded = set(), {}
    for case in grid.cases({data: x[:1] for data, x in found.items()}, {}):
        if (case.data, case.system) in seen:
            continue
        if case.data not in loaded:
            options = case.settings.data_options
            loaded[case.data] = load(case.settings.data, **options)
        dataset = loaded[case.data]
        model = build(case.settings, dataset.widths, len(dataset.labels)).eval()
        batch = collate(dataset["train"][:2], dataset.widths)
        assert model(batch).prediction.shape == (2, 2)
        seen.add((case.data, case.system))
    assert {system for _, system in seen} == set(grid.systems)
    assert {data for data, _ in seen} == set(grid.data)


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
