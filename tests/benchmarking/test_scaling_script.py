import json
from types import SimpleNamespace

from .scripts import run, script

ONE = {"ms_per_clip": 2.0, "ready_s": 1.0, "interpreter_mb": 9.0, "all_mb": 30.0, "own_mb": 20.0}


def test_each_size_is_told_and_drawn(tmp_path, monkeypatch):
    scaling = script("scaling", monkeypatch)
    monkeypatch.setattr(scaling, "BATCH", 2)
    seen = []

    def answered(arguments, threads):
        seen.append((arguments[-1], threads))
        return ONE | {"ms_per_clip": 2.0 + len(seen)}

    monkeypatch.setattr(scaling, "in_a_process", answered)
    monkeypatch.setattr(scaling, "mosi", lambda *_: {"gate_mb": 700.0, "vision_mb": 900.0})
    some = ["--clips", "3,6", "--rounds", 3, "--threads", 1, "--folder", tmp_path]
    run(scaling, monkeypatch, *some, "--out", tmp_path / "out")
    told = json.loads((tmp_path / "out.json").read_text())
    assert [row["clips"] for row in told["sizes"]] == [4, 6]  # whole batches
    # Sizes take turns: the first has 3, 5 and 7 ms, the second 4, 6 and 8.
    assert [row["ms_per_clip"] for row in told["sizes"]] == [5.0, 6.0]
    assert seen == [("0", 1), ("0", 1), ("1", 1), ("1", 1), ("2", 1), ("2", 1)]
    assert "| 6 |" in (tmp_path / "out.md").read_text()
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob("**/*.safetensors"))


def test_training_is_stopped_after_the_steps(tmp_path, monkeypatch):
    scaling = script("scaling", monkeypatch)
    monkeypatch.setattr(scaling, "WARM", 1)
    monkeypatch.setattr(scaling, "BATCH", 2)
    scaling.write_clips(tmp_path / "store", scaling.MOSEI.widths, train=6, valid=2)
    told = scaling.train(tmp_path / "store", 3, 0)
    assert told["ms_per_clip"] > 0
    assert told["ready_s"] > 0
    assert told["all_mb"] >= told["interpreter_mb"] > 0


def test_what_lies_between_epochs_is_not_a_step(monkeypatch):
    scaling = script("scaling", monkeypatch)
    clock_of_script = SimpleNamespace(perf_counter=iter([1.0, 2.0, 9.0, 10.5]).__next__)
    monkeypatch.setattr(scaling, "time", clock_of_script)  # that of the process has other readers
    clock = scaling.Clock(steps=9)
    for epoch, step in ((1, 1), (1, 2), (2, 1), (2, 2)):
        clock.step(epoch, step, 2, 0.0)
    assert clock.seconds == [1.0, 1.5]
    assert clock.first == 1.0
