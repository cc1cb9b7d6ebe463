"""Scripts that run a grid: what they write, say and end with where a run gives no result."""

import csv
import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import yaml

from deadpan.cli.output import run_script
from tests.training.tiny import DATA

STUDIES = Path(__file__).parents[2] / "studies"
GRID = {
    "seeds": [1, 2],
    "data": {"controlled": {"data": "controlled", "data_options": DATA, "epochs": 1}},
    "systems": {
        "flat: none": {"model": "AttentionPool"},
        "flat: GRU": {"model": "AttentionPool", "learning_rate": 0.1},
    },
}
PAGES = {
    "accuracy/options.py": "grid.md",
    "accuracy/factors.py": "factors.md",
    "accuracy/missing.py": "missing.md",
    "accuracy/uncertainty.py": "uncertainty.md",
    "accuracy/kinds.py": "kinds.md",
    "compare/run.py": "controlled.md",
}


def load(name):
    spec = importlib.util.spec_from_file_location("a_grid_script", STUDIES / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a grid's file and its two runs, under the names of every script."""
    folder = tmp_path_factory.mktemp("grid")
    for name in ("grid.yaml", "compare.yaml"):
        (folder / name).write_text(yaml.safe_dump(GRID), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        options = ["--config", folder / "grid.yaml", "--runs", folder / "runs", "--out", folder]
        patched.setattr("sys.argv", ["options.py", *map(str, options), "--workers", "1"])
        load("accuracy/options.py").main()
    (folder / "runs/grid").rename(folder / "runs/one")
    return folder


@pytest.fixture
def call(made, tmp_path, monkeypatch):
    """A function that runs a script on a copy of that grid, and gives its exit status."""

    def called(name, *options):
        script = load(name)
        if name.endswith(("kinds.py", "compare/run.py")):
            monkeypatch.setattr(script, "HERE", made)
        if name.endswith("kinds.py"):
            monkeypatch.setattr(script, "GRIDS", {"grid": "controlled"})
        elif name.startswith("accuracy"):
            options = ["--config", str(made / "grid.yaml"), *options]
        folders = ["--runs", tmp_path / "runs", "--out", tmp_path]
        monkeypatch.setattr("sys.argv", [name, *options, *map(str, folders), "--workers", "1"])
        try:
            run_script(f"studies/{name}", script.main)
        except SystemExit as ended:
            return ended.code
        return 0

    return called


def copied(made, runs, name):
    return shutil.copytree(made / "runs/one", runs / ("compare" if "compare" in name else "grid"))


@pytest.mark.parametrize("name", PAGES)
def test_a_seed_without_a_result_is_told_and_the_others_are_tabulated(
    name, made, tmp_path, call, capsys
):
    grid = copied(made, tmp_path / "runs", name)
    (second,) = grid.glob("runs/*/flat_none/seed_2-*")
    (second / "config.yaml").write_text("[")
    (second / "scores.json").unlink()
    assert call(name) == 2
    told = capsys.readouterr().err
    assert f"studies/{name}: error: 1 runs gave no result (first: " in told
    assert "config.yaml is not valid YAML" in told
    assert f"all in {grid}/failures.json; once mended, go on with: python {name}" in told
    page = (tmp_path / PAGES[name]).read_text(encoding="utf-8")
    (note,) = [line for line in page.splitlines() if "flat: none: 1 of 2 seeds; " in line]
    assert "config.yaml is not valid YAML" in note
    table = (tmp_path / PAGES[name]).with_suffix(".csv").read_text(encoding="utf-8")
    seeds = {"flat: none": set(), "flat: GRU": set()}
    for row in csv.DictReader(table.splitlines()):
        system = row["system"] if "system" in row else f"{row['structure']}: {row['reader']}"
        if system in seeds:
            seeds[system].add(row.get("seed", row.get("seeds")))
    one, both = ({"1"}, {"2"}) if name.startswith("compare") else ({"1"}, {"1", "2"})
    assert seeds == {"flat: none": one, "flat: GRU": both}


def test_a_grid_without_a_result_writes_no_table(made, tmp_path, call, capsys):
    name = "accuracy/uncertainty.py"
    for run in copied(made, tmp_path / "runs", name).glob("runs/*/*/seed_*"):
        (run / "config.yaml").write_text("[")
        (run / "scores.json").unlink()
    assert call(name) == 2
    assert "error: 4 runs gave no result" in capsys.readouterr().err
    assert not (tmp_path / "uncertainty.md").exists()


def test_a_study_does_not_go_on_with_other_code(made, tmp_path, call, capsys):
    name = "accuracy/uncertainty.py"
    grid = copied(made, tmp_path / "runs", name)
    for file in grid.glob("runs/*/*/*/environment.json"):
        facts = json.loads(file.read_text())
        file.write_text(json.dumps(facts | {"commit": "12ab", "dirty": False}))
    assert call(name) == 0  # all have finished
    rows = csv.DictReader((tmp_path / "uncertainty.csv").read_text().splitlines())
    assert {row["commit"] for row in rows} == {"12ab"}
    (second,) = grid.glob("runs/*/flat_none/seed_2-*")
    shutil.rmtree(second)
    assert call(name) == 2
    assert "the code changed after the first run: commit 12ab then" in capsys.readouterr().err
    assert not second.exists()


def test_an_interrupt_says_how_to_go_on(capsys):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run_script("studies/a.py", interrupted)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "studies/a.py: interrupted; go on with the same command\n"
