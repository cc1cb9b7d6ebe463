"""Grids that run, break and go on."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from deadpan.benchmarking import provenance, reuse
from deadpan.benchmarking.grid import read_grid
from deadpan.benchmarking.run import run_grid
from deadpan.benchmarking.runner import RETRIES, Silent, run_cases, work
from deadpan.errors import DataError, DeadpanError
from deadpan.locks import LOCK, alone, beside

from ..held import held_elsewhere
from .small_grid import (
    ROOT,
    SMALL,
    Deafness,
    Dying,
    DyingInTraining,
    Memory,
    grid_of,
    killed,
    write,
)

FOLDS = {
    "seeds": [1],
    "settings": SMALL["settings"] | {"epochs": 1},
    "data": {"mosi229": {"leave_one_out": True}},
}


def run(folder, *, resume=False, watch=None, **changed):
    return run_grid(
        grid_of(folder, **changed),
        folder / "out",
        workers=2,
        resume=resume,
        watch=watch or Silent(),
    )


def without_times(out):
    tables = json.loads((out / "tables.json").read_text())
    for table in tables:
        for row in table["rows"]:
            row["seconds"] = None
    return tables


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A grid that was never disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    return folder / "out"


def test_a_grid_ends_with_its_tables_and_starts_nothing_twice(tmp_path, whole):
    memory = Memory()
    study = run(tmp_path, watch=memory)
    assert sorted(name for name, _ in memory.ended) == sorted(memory.todo)
    assert len(memory.todo) == 4
    assert memory.steps >= 8
    (table,) = study.tables
    baselines = ["train mean", "ridge", "ridge on deviations"]
    assert [row.system for row in table.rows] == [*baselines, "HCT-MG", "CTC+X"]
    assert [row.seeds for row in table.rows] == [0, 0, 0, 2, 2]
    assert without_times(tmp_path / "out") == without_times(whole)
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"a set.md", "a set.csv", "a set.tex", "tables.html", "tables.json"} <= files
    # Large, and of no use once a run has finished.
    assert not list((tmp_path / "out").rglob("checkpoint.safetensors"))
    again = Memory()
    run(tmp_path, resume=True, watch=again)
    assert (again.todo, again.finished) == ([], 4)


@pytest.fixture
def other_grids(tmp_path, whole, monkeypatch):
    """A folder with that grid, whose runs are of the commit that is here."""
    copy = shutil.copytree(whole, tmp_path / "grids" / "whole")
    for file in copy.rglob("environment.json"):
        facts = json.loads(file.read_text()) | {"commit": "12ab", "dirty": False}
        file.write_text(json.dumps(facts))
    monkeypatch.setattr(reuse, "commit", lambda: {"commit": "12ab", "dirty": False})
    return tmp_path / "grids"


def test_what_another_grid_has_made_is_not_made_again(tmp_path, whole, other_grids):
    renamed = {f"{name}, renamed": values for name, values in SMALL["systems"].items()}
    out, memory = tmp_path / "out", Memory()
    grid = grid_of(tmp_path, systems=renamed)
    run_grid(grid, out, workers=1, resume=False, watch=memory, reuse=other_grids)
    assert (memory.todo, memory.finished) == ([], 4)
    (now,), (then,) = without_times(out), without_times(whole)
    assert [row["mae"] for row in now["rows"]] == [row["mae"] for row in then["rows"]]


@pytest.mark.parametrize("file", ["environment.json", "config.yaml", "scores.json"])
def test_runs_of_other_code_or_settings_and_broken_ones_are_made_again(file, other_grids, tmp_path):
    for path in other_grids.rglob(file):
        text = path.read_text().replace("12ab", "34cd").replace("epochs: 2", "epochs: 3")
        path.write_text(text)
        if file == "scores.json":
            path.unlink()
    cases = [*grid_of(tmp_path).cases({name: [None] for name in SMALL["data"]}, {})]
    assert reuse.reuse_runs(cases, tmp_path / "runs", other_grids) == []
    assert not (tmp_path / "runs").exists()


def test_runs_of_other_kernels_are_made_again(other_grids, tmp_path):
    for path in other_grids.rglob("environment.json"):
        facts = json.loads(path.read_text())
        path.write_text(json.dumps(facts | {"native": not facts["native"]}))
    cases = [*grid_of(tmp_path).cases({name: [None] for name in SMALL["data"]}, {})]
    assert reuse.reuse_runs(cases, tmp_path / "runs", other_grids) == []


def test_a_search_trains_its_choice_and_never_opens_test_for_a_trial(tmp_path):
    space = {"learning_rate": [1e-3, 3e-3]}
    study = run(tmp_path, search={"trials": 2, "space": space}, seeds=[1])
    out = tmp_path / "out"
    record = json.loads((out / "search.json").read_text())
    assert set(record) == {"a set | HCT-MG", "a set | CTC+X"}
    for cell in record.values():
        losses = [trial["valid_loss"] for trial in cell["trials"]]
        assert cell["chosen"] == losses.index(min(losses))
    trials = list(out.glob("runs/*/*/trial*"))
    assert len(trials) == 4
    assert not any((trial / "scores.json").exists() for trial in trials)
    assert "2 trials of random search" in " ".join(study.tables[0].notes)


def test_what_a_model_cannot_take_is_reported_and_the_rest_goes_on(tmp_path):
    systems = SMALL["systems"] | {"EF-LSTM": {"model": "EFLSTM"}}
    study = run(tmp_path, systems=systems)
    assert [place.split("seed_")[1][0] for place in sorted(study.failures)] == ["1", "2"]
    assert all("reads aligned modalities" in why for why in study.failures.values())
    assert not list((tmp_path / "out").glob("runs/a_set/EF-LSTM/*/*"))
    rows = {row.system: row for row in study.tables[0].rows}
    assert rows["HCT-MG"].seeds == rows["CTC+X"].seeds == 2


def one_case(folder, epochs):
    grid = grid_of(folder, settings=SMALL["settings"] | {"epochs": epochs})
    return [case for case in grid.cases({"a set": [None]}, {}) if "HCT-MG, seed 1" in case.name]


def test_a_worker_that_is_killed_goes_on_to_the_same_scores(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))  # its process imports ``DyingInTraining``
    cases, dying = one_case(tmp_path, 6), DyingInTraining(tmp_path)
    for folder, then in (("whole", None), ("broken", dying)):
        assert run_cases(cases, tmp_path / folder, workers=1, watch=Memory(), then=then) == {}
    assert len(list(tmp_path.glob("died *"))) == RETRIES == 2
    scores = [
        json.loads((tmp_path / folder / cases[0].directory / "scores.json").read_text())
        for folder in ("whole", "broken")
    ]
    assert scores[0]["rows"] == scores[1]["rows"]


def test_a_worker_that_is_killed_every_time_is_given_up(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))  # its process imports ``Dying``
    (case,) = one_case(tmp_path, 1)
    failures = run_cases([case], tmp_path / "runs", workers=1, watch=Memory(), then=Dying())
    assert list(failures) == [case.directory]
    assert f"killed by signal 9 (memory?), {RETRIES + 1} times" in failures[case.directory]
    assert run_cases([case], tmp_path / "runs", workers=1, watch=Memory()) == {}


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows has no masks")
def test_ctrl_c_is_for_the_grid_and_not_for_its_workers(tmp_path, monkeypatch):
    """A terminal sends it to all; each worker would print a traceback."""
    monkeypatch.syspath_prepend(str(ROOT))  # its process imports ``Deafness``
    (case,) = one_case(tmp_path, 1)
    assert run_cases([case], tmp_path / "runs", workers=1, watch=Memory(), then=Deafness()) == {}
    assert (tmp_path / "runs" / case.directory / "blocked").read_text() == "SIGINT"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_grid_that_is_killed_goes_on_to_the_same_tables(tmp_path, whole):
    write(tmp_path)
    for word in ("step", "end"):  # in two runs, which are left at work; behind the first that ends
        killed("benchmarking.killed_grid", tmp_path, word)
    memory = Memory()
    run(tmp_path, resume=True, watch=memory)
    assert 0 < memory.finished < 4
    assert without_times(tmp_path / "out") == without_times(whole)


def test_a_grid_waits_for_a_worker_that_outlives_the_one_before(tmp_path):
    """No two processes write one run, and no run is refused because its orphan has just begun."""
    (case,) = one_case(tmp_path, 1)
    place = tmp_path / "runs" / case.directory
    place.parent.mkdir(parents=True)
    hears, tells = os.pipe()
    if not (orphan := os.fork()):
        with alone(beside(place)):
            os.write(tells, b"at work")
            os.read(os.pipe()[0], 1)  # until it is killed
    assert os.read(hears, 99) == b"at work"

    class Killing(Memory):
        def wait(self, case):
            super().wait(case)
            assert not place.exists()
            os.kill(orphan, signal.SIGKILL)
            os.waitpid(orphan, 0)

    watch = Killing()
    assert run_cases([case], tmp_path / "runs", workers=1, watch=watch) == {}
    assert watch.waited == [case.name]
    assert (place / "scores.json").is_file()
    assert [path.name for path in place.parent.iterdir()] == [place.name]  # no lock is left


def test_a_worker_whose_grid_is_gone_begins_nothing(tmp_path):
    hears, tells = multiprocessing.Pipe(duplex=False)
    hears.close()
    (case,) = one_case(tmp_path, 1)
    work(tells, case.settings.to_dict(), tmp_path / "run", True)
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_reported_and_nothing_is_lost(tmp_path, whole):
    write(tmp_path)
    command = [sys.executable, "-m", "deadpan", "benchmark", "grid.yaml", "--out", "out"]
    limited = ["bash", "-c", f"ulimit -f 60; exec {' '.join(command)}"]
    # Without coverage in the processes: it would write, and complain, too.
    bare = {name: value for name, value in os.environ.items() if "COV" not in name}
    full = subprocess.run(
        limited, cwd=tmp_path, env=bare, capture_output=True, text=True, check=False
    )
    assert full.returncode == 2
    assert "\nTraceback" not in full.stderr
    assert "the disk is full; free some space" in full.stderr
    assert "OSError" not in full.stderr
    run(tmp_path, resume=True)
    assert without_times(tmp_path / "out") == without_times(whole)


def test_folds_are_pooled_over_every_clip(shared, tmp_path):
    data = {
        "mosi229": FOLDS["data"]["mosi229"]
        | {"data": str(shared / "data/mosi/mosi229_aligned.pkl")}
    }
    path = write(
        tmp_path,
        {
            "seeds": [1],
            "settings": {"epochs": 1},
            "data": data,
            "systems": {"LMF": {"model": "LMF", "model_options": {"text_hidden": 8}}},
        },
    )
    study = run_grid(read_grid(path), tmp_path / "out", workers=2, resume=False, watch=Silent())
    assert "229 test clips, 10 folds pooled" in " ".join(study.tables[0].notes)
    assert [row.seeds for row in study.tables[0].rows] == [0, 0, 1]


def write_clips(folder, seed):
    """A folder of 20 clips with sound, of random labels and features."""
    draw = np.random.default_rng(seed)
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    lines = ["id,label,speaker,split"]
    for clip in range(20):
        split = ("train", "train", "valid", "test")[clip % 4]
        lines.append(f"clip{clip},{draw.uniform(-3, 3)},speaker{clip},{split}")
        np.save(folder / "audio" / f"clip{clip}.npy", draw.normal(size=(3, 4)))
    (folder / "labels.csv").write_text("\n".join(lines))


def test_a_grid_does_not_go_on_with_other_clips(tmp_path):
    changed = {
        "seeds": [1],
        "settings": {"epochs": 1},
        "data": {"mine": {"data": str(tmp_path / "mine")}},
        "systems": {"one": {"model": "LFDNN"}, "two": {"model": "LFLSTM"}},
    }
    write_clips(tmp_path / "mine", 1)
    run(tmp_path, **changed)
    tables = (tmp_path / "out" / "tables.json").read_bytes()
    run(tmp_path, resume=True, **changed)
    # One run is to be made anew, so that it would be of the new clips, the other of the old ones.
    (two,) = tmp_path.glob("out/runs/mine/two/*")
    shutil.rmtree(two)
    write_clips(tmp_path / "mine", 2)
    memory = Memory()
    with pytest.raises(DataError, match="mine: has changed since .* was trained; train again"):
        run(tmp_path, resume=True, watch=memory, **changed)
    assert (memory.todo, two.exists()) == ([], False)
    assert (tmp_path / "out" / "tables.json").read_bytes() == tables


SHORT = {
    "seeds": [1],
    "settings": {"epochs": 1, "data_options": {"clips": 20}},
    "systems": {"one": {"model": "LFDNN"}, "two": {"model": "LFLSTM"}},
}


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A grid of two runs, whose environments a test may rewrite in its copy."""
    folder = tmp_path_factory.mktemp("short")
    run(folder, **SHORT)
    return folder


def made_by(folder, changes):
    """Rewrite what made the runs of a grid: one set of changes for all, or one by system."""
    for file in folder.glob("out/runs/*/*/*/environment.json"):
        facts = json.loads(file.read_text())
        file.write_text(json.dumps(facts | changes.get(file.parts[-3], changes)))


def today(monkeypatch, commit, *, dirty=False, **computes):
    computes = {"deadpan": "0.1.0", "torch": "2.6", "native": True} | computes
    monkeypatch.setattr(provenance, "commit", lambda: {"commit": commit, "dirty": dirty})
    monkeypatch.setattr(provenance, "what_computes", lambda: computes)


THEN = {"commit": "12ab", "dirty": False, "deadpan": "0.1.0", "torch": "2.6", "native": True}


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (
            THEN,
            {"commit": "34cd"},
            r"the code changed after the first run: commit 12ab then, commit 34cd now, .* go on "
            r"with what it was \(git checkout 12ab\), or begin in another folder \(--out",
        ),
        (THEN, {"commit": "12ab", "dirty": True}, r"commit 12ab then, commit 12ab\+ now"),
        (
            THEN | {"dirty": True},
            {"commit": "12ab"},
            r"commit 12ab\+ then, commit 12ab now, and a table compares runs of one code; begin in",
        ),
        (
            {"one": THEN, "two": THEN | {"commit": "56ef"}},
            {"commit": "12ab"},
            r"commit 12ab, commit 56ef then, commit 12ab now, .* of one code; begin in another",
        ),
        (
            THEN,
            {"commit": "12ab", "torch": "2.7"},
            r"commit 12ab with torch 2.6 and kernels in C then, commit 12ab with torch 2.7 .* "
            r"\(pip install torch==2.6\)",
        ),
        (THEN, {"commit": "12ab", "native": False}, r"\(kernels in C, see DEADPAN_NATIVE\)"),
        (
            THEN | {"commit": None, "dirty": None},
            {"commit": None, "dirty": None, "deadpan": "0.2.0"},
            r"deadpan 0.1.0 then, deadpan 0.2.0 now, .* \(pip install deadpan==0.1.0\)",
        ),
    ],
)
def test_a_grid_does_not_go_on_with_other_code(short, tmp_path, monkeypatch, then, now, told):
    shutil.copytree(short / "out", tmp_path / "out")
    made_by(tmp_path, then)
    today(monkeypatch, **now)
    # Of finished runs later code may write the tables, which name the commit of the runs.
    written = run(tmp_path, resume=True, **SHORT)
    made = then.get("one", then)["commit"] or "unknown"
    assert any(note.startswith(f"commit {made}") for note in written.tables[0].notes)
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    memory = Memory()
    with pytest.raises(DeadpanError, match=told):
        run(tmp_path, resume=True, watch=memory, **SHORT | {"seeds": [1, 2]})
    assert memory.todo == []
    assert before == {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}


def test_a_run_that_was_interrupted_does_not_go_on_with_other_code(short, tmp_path, monkeypatch):
    shutil.copytree(short / "out", tmp_path / "out")
    made_by(tmp_path, THEN)
    today(monkeypatch, "34cd")
    one, two = (next(tmp_path.glob(f"out/runs/*/{name}/*")) for name in ("one", "two"))
    shutil.rmtree(two)
    for name in ("model.safetensors", "scores.json"):
        (one / name).unlink()
    (one / "checkpoint.safetensors").touch()  # of the epoch before it was interrupted
    with pytest.raises(DeadpanError, match="commit 12ab then, commit 34cd now"):
        run(tmp_path, resume=True, **SHORT)
    (one / "checkpoint.safetensors").unlink()  # it has not ended an epoch: it begins here
    assert [row.seeds for row in run(tmp_path, resume=True, **SHORT).tables[0].rows[-2:]] == [1, 1]


def test_the_processor_may_be_another_and_a_damaged_run_is_no_other_code(
    short, tmp_path, monkeypatch
):
    shutil.copytree(short / "out", tmp_path / "out")
    made_by(tmp_path, THEN | {"processor": "AVX9", "kernels": "avx9"})
    today(monkeypatch, "12ab")
    one, two = (next(tmp_path.glob(f"out/runs/*/{name}/*")) for name in ("one", "two"))
    shutil.rmtree(two)
    (tmp_path / "out/runs/a_set/one/.seed_9.making").mkdir()
    (tmp_path / "out/runs/a_set/one/.seed_9.making/config.yaml").touch()
    old = shutil.copytree(one, one.with_name("seed_9"))
    (old / "environment.json").write_text("[")
    assert run(tmp_path, resume=True, **SHORT).failures == {}


def test_runs_of_another_data_set_are_of_the_same_code_too(short, tmp_path, monkeypatch):
    shutil.copytree(short / "out", tmp_path / "out")
    made_by(tmp_path, THEN)
    today(monkeypatch, "34cd")
    with pytest.raises(DeadpanError, match="commit 12ab then, commit 34cd now"):
        run(tmp_path, resume=True, **SHORT | {"data": {"another": {"data": "controlled"}}})


def test_a_run_that_diverged_is_named_beside_its_table(short, tmp_path):
    shutil.copytree(short / "out", tmp_path / "out")
    (file,) = tmp_path.glob("out/runs/*/two/*/epochs.csv")
    header, first = file.read_text().splitlines()
    names, values = header.split(","), first.split(",")
    last = dict(zip(names, values, strict=True)) | {"epoch": "2", "valid_loss": "nan", "best": "0"}
    file.write_text("\n".join([header, first, ",".join(last[name] for name in names)]) + "\n")
    run(tmp_path, resume=True, **SHORT)
    told = "- a set, two, seed 1: diverged at epoch 2; scored by its best epoch before, 1\n"
    assert told in (tmp_path / "out" / "a set.md").read_text()


@pytest.mark.parametrize("gone", ["seed_*", "trial*"])
def test_a_searched_grid_does_not_go_on_with_other_clips(tmp_path, gone):
    changed = {
        "seeds": [1],
        "settings": {"epochs": 1},
        "data": {"mine": {"data": str(tmp_path / "mine")}},
        "systems": {"one": {"model": "LFDNN"}},
        "search": {"trials": 2, "space": {"learning_rate": [1e-3, 3e-3]}},
    }
    write_clips(tmp_path / "mine", 1)
    run(tmp_path, **changed)
    # All trials stay, of the old clips, or all runs: the others would be of the new ones.
    removed = list(tmp_path.glob(f"out/runs/mine/one/{gone}"))
    for path in removed:
        shutil.rmtree(path)
    write_clips(tmp_path / "mine", 2)
    memory = Memory()
    with pytest.raises(DataError, match="mine: has changed since .* was trained; train again"):
        run(tmp_path, resume=True, watch=memory, **changed)
    assert memory.todo == []
    assert removed and not any(path.exists() for path in removed)


def test_a_damaged_run_is_given_up_and_the_others_go_on(tmp_path):
    write_clips(tmp_path / "mine", 1)
    grid = {
        "seeds": [1],
        "settings": {"epochs": 1},
        "data": {"mine": {"data": str(tmp_path / "mine")}},
        "systems": {"one": {"model": "LFDNN"}, "two": {"model": "LFLSTM"}},
    }
    run(tmp_path, **grid)
    (one,) = tmp_path.glob("out/runs/mine/one/*")
    (two,) = tmp_path.glob("out/runs/mine/two/*")
    (one / "config.yaml").write_text("[")
    (one / "scores.json").unlink()
    shutil.rmtree(two)
    finished = run(tmp_path, resume=True, **grid)
    (why,) = finished.failures.values()
    assert "config.yaml is not valid YAML" in why
    assert (two / "scores.json").is_file()


def test_a_place_that_is_taken_or_not_there_is_refused(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(DeadpanError, match="no grid here"):
        run(tmp_path, resume=True)
    assert not out.exists()
    out.mkdir()
    (out / "mine.txt").touch()
    with pytest.raises(DeadpanError, match="exists already; go on with --resume"):
        run(tmp_path)
    with (
        held_elsewhere(out / LOCK),
        pytest.raises(DeadpanError, match="another 'deadpan benchmark'"),
    ):
        run(tmp_path, resume=True)
    (tmp_path / "file").touch()
    with pytest.raises(DeadpanError, match="is a file"):
        run_grid(grid_of(tmp_path), tmp_path / "file", workers=1, resume=False, watch=Silent())
    for folder in (tmp_path / "file", tmp_path / "gone"):
        options = {"workers": 1, "resume": False, "watch": Silent(), "reuse": folder}
        with pytest.raises(DeadpanError, match="is no folder; give one of other grids' folders"):
            run_grid(grid_of(tmp_path), tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()
