import json

import pytest
import yaml
from rich.console import Console

from deadpan.cli.benchmark_command import Bar, Lines, processors
from deadpan.errors import DeadpanError

GRID = {
    "seeds": [1],
    "settings": {"epochs": 1, "data_options": {"clips": 20}},
    "data": {"one": {"data": "controlled"}, "two": {"data": "controlled", "seeds": [2]}},
    "systems": {"LMF": {"model": "LMF", "model_options": {"text_hidden": 8}}},
}


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump(GRID))
    return path


def test_a_grid_shows_its_progress_and_its_tables(deadpan, grid, tmp_path):
    out = tmp_path / "out"
    status, shown, told = deadpan("benchmark", grid, "--out", out, "--workers", 2)
    assert status == 0
    assert shown.count("ridge") == 2
    assert "1/2  " in told and "2/2  " in told
    assert f"{out}/tables.html" in told
    status, again, told = deadpan("benchmark", grid, "--out", out, "--resume", "--only=two")
    assert (status, again.count("ridge")) == (0, 1)
    assert "0 runs to do, 1 finished before" in told
    tables = json.loads((out / "tables.json").read_text())
    assert [table["data"] for table in tables] == ["two"]


def test_wrong_commands_are_refused(refused, grid, tmp_path):
    out = tmp_path / "out"
    assert "is not there" in refused("benchmark", tmp_path / "none.yaml", "--out", out)
    assert "unknown data set" in refused("benchmark", grid, "--out", out, "--only=three")
    assert "workers must be 1 or more" in refused("benchmark", grid, "--out", out, "--workers=0")
    assert "no grid here" in refused("benchmark", grid, "--out", out, "--resume")
    assert "deadpan benchmark needs CONFIG" in refused("benchmark")
    assert not out.exists()


def test_runs_without_a_result_end_with_status_2_and_say_how_to_go_on(deadpan, grid, tmp_path):
    broken = GRID | {
        "systems": {
            "good": GRID["systems"]["LMF"],
            # Refused by the model itself, when the run has begun.
            "bad": {"model": "HCTMG", "model_options": {"width": 7, "heads": 2}},
        }
    }
    grid.write_text(yaml.safe_dump(broken))
    out = tmp_path / "out"
    status, shown, told = deadpan("benchmark", grid, "--out", out, "--only", "one")
    assert status == 2
    assert "good" in shown
    assert "1 runs gave no result" in told and "--resume" in told
    (failure,) = json.loads((out / "failures.json").read_text()).values()
    assert failure in told
    assert "tables.html" in told
    grid.write_text(yaml.safe_dump(broken | {"systems": {"bad": broken["systems"]["bad"]}}))
    status, shown, told = deadpan("benchmark", grid, "--out", tmp_path / "none", "--only", "one")
    assert (status, shown) == (2, "")
    assert "tables.html" not in told  # there is none


class Case:
    """What the progress reads of a case."""

    def __init__(self, system, epochs=4):
        self.data, self.system, self.name = "d", system, f"d, {system}"
        self.settings = type("Settings", (), {"epochs": epochs})()


def test_the_time_left_goes_by_what_each_system_took():
    lines = Lines(Console(quiet=True))
    fast, slow = Case("fast"), Case("slow")
    lines.begin([fast, fast, slow, slow], 3)
    assert lines.left() == "?"
    lines.end(fast, 60.0, None)
    lines._started -= 60
    assert lines.left() == "3 min"  # three more as long as the only one seen
    lines.end(slow, 6000.0, None)
    lines._started -= 6000
    assert lines.left() == "1.7 h"  # one of a minute, one of 100


def test_a_bar_shows_every_run_and_forgets_those_that_ended():
    from rich.progress import Progress

    console = Console(quiet=True)
    with Progress(console=console) as progress:
        bar, case = Bar(console, progress), Case("x")
        bar.begin([case, case], 0)
        bar.step(case, 1.5)
        assert [(t.description, t.completed, t.total) for t in progress.tasks[1:]] == [
            ("d, x", 1.5, 4)
        ]
        bar.end(case, 1.0, "broken")
        assert len(progress.tasks) == 1
        assert progress.tasks[0].completed == 1
        assert "1/2" in progress.tasks[0].fields["told"]


def test_at_least_one_processor():
    assert processors() >= 1


def test_interrupting_says_how_to_go_on(grid, tmp_path, monkeypatch):
    import deadpan as library
    from deadpan.cli.benchmark_command import benchmark

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "compare", interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt, match="nothing was made"):
        benchmark([str(grid), "--out", str(tmp_path / "out")])
    (tmp_path / "out").mkdir()
    (tmp_path / "out/grid.yaml").touch()
    with pytest.raises(KeyboardInterrupt, match=r"go on with: deadpan benchmark .*--resume"):
        benchmark([str(grid), "--out", str(tmp_path / "out"), "--resume"])
    with pytest.raises(DeadpanError, match="unknown option '--worker'"):
        benchmark([str(grid), "--worker", "1"])
