"""studies/accuracy/options: its tables and figure, from two small runs."""

import csv
import importlib.util
import json
import statistics
from pathlib import Path

import pytest
import yaml

from deadpan.training.settings import read_configuration

FOLDER = Path(__file__).parents[2] / "studies/accuracy"
GRID = {
    "seeds": [1, 2],
    "against": "pool",
    "data": {"controlled": {"data": "controlled", "data_options": {"clips": 60}, "epochs": 1}},
    "systems": {
        "pool": {"model": "AttentionPool"},
        "distribution": {"model": "AttentionPool", "loss": "distribution"},
    },
}


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("options_script", FOLDER / "options.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_runs_become_tables_and_a_figure(script, tmp_path, monkeypatch):
    config = tmp_path / "options.yaml"
    config.write_text(yaml.safe_dump(GRID))
    arguments = ["--config", config, "--out", tmp_path, "--runs", tmp_path / "runs"]
    monkeypatch.setattr("sys.argv", ["options.py", *map(str, arguments), "--workers", "1"])
    script.main()
    rows = list(csv.DictReader((tmp_path / "options.csv").read_text().splitlines()))
    assert sorted({(row["system"], row["seed"]) for row in rows}) == [
        ("distribution", "1"), ("distribution", "2"), ("pool", "1"), ("pool", "2"),
    ]  # fmt: skip
    (table,) = json.loads((tmp_path / "options.json").read_text())
    own = [float(row["mae"]) for row in rows if row["system"] == "pool"]
    (shown,) = [row for row in table["rows"] if row["system"] == "pool"]
    assert shown["mae"] == pytest.approx(sum(own) / 2, abs=1e-5)
    page = (tmp_path / "options.md").read_text()
    assert "## controlled" in page
    assert f"| distribution | {shown['parameters'] + 24 * 129:,} |" in page
    assert (tmp_path / "options.png").read_bytes()[:4] == b"\x89PNG"


def test_a_grid_with_a_search_has_files_of_its_name_and_tells_what_was_chosen(
    script, tmp_path, monkeypatch
):
    search = {"trials": 2, "space": {"learning_rate": [0.001, 0.01]}}
    config = tmp_path / "tuned.yaml"
    config.write_text(yaml.safe_dump(GRID | {"seeds": [1], "search": search}))
    arguments = ["--config", config, "--out", tmp_path / "tables", "--runs", tmp_path / "runs"]
    monkeypatch.setattr("sys.argv", ["options.py", *map(str, arguments), "--workers", "1"])
    script.main()
    searched = json.loads((tmp_path / "runs/tuned/search.json").read_text())
    page = (tmp_path / "tables/tuned.md").read_text()
    assert page.startswith("# Every system after the same search")
    for system in GRID["systems"]:
        of_system = searched[f"controlled | {system}"]
        losses = [trial["valid_loss"] for trial in of_system["trials"]]
        start = f"| {system} | {of_system['chosen']} | learning_rate"
        (line,) = [line for line in page.splitlines() if line.startswith(start)]
        assert line.endswith(f"| {min(losses):.3f} | {losses[0]:.3f} |")
    assert not (tmp_path / "tables/options.md").exists()


@pytest.mark.parametrize("name", ["options", "tuned"])
def test_the_committed_page_says_what_its_p_is(script, name):
    assert script.P in (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def test_other_data_sets_stay_as_they_are(script):
    old = [{"data": "a", "mae": 1}, {"data": "b", "mae": 2}, {"data": "b", "mae": 3}]
    new = [{"data": "b", "mae": 4}, {"data": "c", "mae": 5}]
    assert script.merged(old, new) == [
        {"data": "a", "mae": 1}, {"data": "b", "mae": 4}, {"data": "c", "mae": 5},
    ]  # fmt: skip


def test_the_grid_recommends_what_the_package_does():
    systems = yaml.safe_load((FOLDER / "options.yaml").read_text())["systems"]
    model = systems["HCT-MG"]["model"]
    own = systems["recommended (attention pooling)"]
    recommended = {"model": model, "model_options": own["model_options"]}
    assert recommended == read_configuration("recommended")


def test_options_that_were_taken_out_of_the_code_stay_in_the_page(script):
    text = script.taken_out(json.loads((FOLDER / "options.json").read_text()))
    assert (FOLDER / "options.md").read_text(encoding="utf-8").endswith(text)
    rows = list(csv.DictReader((FOLDER / "removed.csv").read_text().splitlines()))
    for data, key in (("ravdess4", "mean_f1"), ("controlled", "mae")):
        assert all(row[key] for row in rows if row["data"] == data)
        section = text.split(f"### {data}")[1].split("###")[0]
        options = {row["system"] for row in rows if row["data"] == data} - {"HCT-MG"}
        for system in options:
            assert f"| {system} | " in section
    assert "### controlled, first edition" in text
    is_own = {"data": "controlled", "system": "downsampling by 4"}.items()
    by_hand = statistics.mean(float(row["mae"]) for row in rows if is_own <= row.items())
    assert f"| downsampling by 4 | 3 | {by_hand:.3f} ± " in text


def test_a_grid_without_these_data_sets_has_no_rows_of_them(script):
    assert "###" not in script.taken_out([{"data": "mosi_mpnet", "columns": []}])
