import json
import shutil

import numpy as np
import pytest
import torch

import deadpan
from deadpan.errors import DeadpanError, RunError
from deadpan.training import environment, loop
from deadpan.training.opened import RunDirectory

from .tiny import STEPS, StopAt, Stopped, rows, run_contents, train


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "run"
    train(out)
    return out


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of it that a test may change."""
    return shutil.copytree(whole, tmp_path / "copy")


def interrupt(out, watch, *, resume=False, **changes):
    with pytest.raises(Stopped):
        train(out, watch=watch, resume=resume, **changes)


def test_two_runs_of_one_seed_are_equal_and_of_another_are_not(whole, tmp_path):
    train(tmp_path / "again")
    assert run_contents(tmp_path / "again") == run_contents(whole)
    train(tmp_path / "other", seed=1)
    assert run_contents(tmp_path / "other")["model"] != run_contents(whole)["model"]


def test_training_did_something(whole):
    # Otherwise the equalities in this file would mean little.
    history = rows(whole / "epochs.csv")
    assert len({row["train_loss"] for row in history}) == 3
    assert len({row["valid_loss"] for row in history}) == 3


@pytest.mark.parametrize("step", [1, STEPS, STEPS + 1, 3 * STEPS])
def test_stopped_after_a_step_it_ends_as_if_it_had_not_been(whole, tmp_path, step):
    interrupt(tmp_path / "run", StopAt(step=step))
    assert not (tmp_path / "run" / "model.safetensors").exists()
    train(tmp_path / "run", resume=True)
    assert run_contents(tmp_path / "run") == run_contents(whole)


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_stopped_after_an_epoch_it_ends_as_if_it_had_not_been(whole, tmp_path, epoch):
    interrupt(tmp_path / "run", StopAt(epoch=epoch))
    assert len(rows(tmp_path / "run" / "epochs.csv")) == epoch
    train(tmp_path / "run", resume=True)
    assert run_contents(tmp_path / "run") == run_contents(whole)


def test_stopped_over_and_over_it_ends_as_if_it_had_not_been(whole, tmp_path):
    interrupt(tmp_path / "run", StopAt(step=2))
    for step in (STEPS, STEPS + 1, 3, STEPS + 2):
        with pytest.raises(Stopped):
            train(tmp_path / "run", resume=True, watch=StopAt(step=step))
    train(tmp_path / "run", resume=True)
    assert run_contents(tmp_path / "run") == run_contents(whole)


# A gate that does not move freezes after epoch 6; weight decay and no gate are other optimizers.
@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 8, "gate_learning_rate": 0.0},
        {"weight_decay": 0.1, "modalities": ["text", "audio"]},
        {"model_options": {"width": 8, "heads": 2, "layers": 1, "primary": "audio"}},
        {"precision": "bf16-mixed"},
        {"normalization": "none", "learning_rate": 0.05, "batch_size": 5},
        {"loss": "distribution", "ema": 0.7, "schedule": "onecycle", "decay_when": 20},
        {"epochs": 8, "gate_learning_rate": 0.0, "ema": 0.5},
        {"patience": 2},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_whatever_the_settings_a_resumed_run_ends_equal(tmp_path, changes):
    train(tmp_path / "whole", **changes)
    epochs = changes.get("epochs", 3)
    interrupt(tmp_path / "run", StopAt(epoch=epochs - 1), **changes)
    train(tmp_path / "run", resume=True, **changes)
    assert run_contents(tmp_path / "run") == run_contents(tmp_path / "whole")
    frozen = [row["frozen"] for row in rows(tmp_path / "run" / "epochs.csv")]
    assert frozen == (["0"] * 5 + ["1"] * 3 if epochs == 8 else ["0"] * 3)


def test_the_gate_is_recorded_once_per_step_after_a_resume(tmp_path):
    interrupt(tmp_path / "run", StopAt(step=STEPS + 2))
    train(tmp_path / "run", resume=True)
    gate = rows(tmp_path / "run" / "gate.csv")
    assert [int(row["step"]) for row in gate] == list(range(1, 3 * STEPS + 1))
    assert [int(row["epoch"]) for row in gate] == [1] * STEPS + [2] * STEPS + [3] * STEPS
    assert list(gate[0]) == ["step", "epoch", "text", "audio", "vision"]
    assert {float(gate[0][name]) for name in ("text", "audio", "vision")} == {
        float(gate[0]["text"])
    }
    assert RunDirectory(tmp_path / "run").gate().weights.sum(axis=1) == pytest.approx(1)


def test_without_a_gate_there_is_no_file_of_it(tmp_path):
    run = train(
        tmp_path / "run", epochs=1, modalities=["audio"], model_options={"primary": "audio"}
    )
    assert not (run.path / "gate.csv").exists()


def test_between_checkpoint_and_weights_the_last_step_is_made_up_for(whole, copy):
    (copy / "model.safetensors").unlink()
    train(copy, resume=True)
    assert run_contents(copy) == run_contents(whole)


def test_a_run_that_never_finished_an_epoch_starts_over(whole, copy):
    for name in ("model.safetensors", "checkpoint.safetensors", "epochs.csv", "gate.csv"):
        (copy / name).unlink()
    train(copy, resume=True)
    assert run_contents(copy) == run_contents(whole)


def test_tables_ahead_of_the_checkpoint_are_written_again(whole, tmp_path):
    interrupt(tmp_path / "run", StopAt(epoch=1))
    for name in ("epochs.csv", "gate.csv"):
        shutil.copy(whole / name, tmp_path / "run" / name)
    train(tmp_path / "run", resume=True)
    assert run_contents(tmp_path / "run") == run_contents(whole)


def test_resuming_a_finished_run_changes_nothing(copy):
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in copy.iterdir()}
    train(copy, resume=True, watch=StopAt(step=1))
    assert before == {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in copy.iterdir()}


def test_leftovers_of_a_killed_write_are_removed_and_never_read(whole, tmp_path):
    out = tmp_path / "run"
    interrupt(out, StopAt(epoch=1))
    for name in ("checkpoint.safetensors", "model.safetensors", "config.yaml"):
        (out / f".{name}.123.tmp").write_bytes(b"half of it")
    assert not RunDirectory(out).weights_file.exists()
    train(out, resume=True)
    assert run_contents(out) == run_contents(whole)


def test_leftovers_of_a_killed_start_are_harmless(whole, tmp_path):
    making = tmp_path / ".run.making"
    making.mkdir()
    (making / "config.yaml").write_text("data: [")
    with pytest.raises(RunError, match="no run here"):
        train(tmp_path / "run", resume=True)
    train(tmp_path / "run")
    assert run_contents(tmp_path / "run") == run_contents(whole)
    assert not making.exists()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 1}, "seed: 1, not 0"),
        ({"epochs": 4}, "epochs: 4, not 3"),
        ({"modalities": ["text"]}, "modalities: ['text'], not None"),
        ({"data": "elsewhere.pkl"}, "data: 'elsewhere.pkl', not 'controlled'"),
        ({"model_options": {"layers": 2}}, "model_options"),
        ({"data_options": {"clips": 30}}, "data_options"),
    ],
)
def test_resuming_with_another_setting_names_it(copy, changes, named):
    before = run_contents(copy)
    with pytest.raises(RunError) as caught:
        train(copy, resume=True, **changes)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert run_contents(copy) == before


def test_resuming_nothing_is_refused(tmp_path):
    with pytest.raises(RunError, match="does not exist"):
        train(tmp_path / "nothing", resume=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="has no config.yaml"):
        train(tmp_path / "empty", resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file"):
        train(tmp_path / "file", resume=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "file"]


def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path):
    interrupt(tmp_path / "run", StopAt(epoch=1))
    path = tmp_path / "run" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(RunError, match="damaged") as caught:
        train(tmp_path / "run", resume=True)
    assert "\n" not in str(caught.value)


def test_resume_needs_no_settings(whole, tmp_path):
    interrupt(tmp_path / "run", StopAt(epoch=1))
    deadpan.train(out=tmp_path / "run", resume=True)
    assert run_contents(tmp_path / "run") == run_contents(whole)


def test_resume_takes_the_settings_not_given_from_the_run(tmp_path):
    interrupt(tmp_path / "run", StopAt(epoch=1))
    deadpan.train(out=tmp_path / "run", resume=True, epochs=3)
    with pytest.raises(RunError, match="epochs: 9, not 3"):
        deadpan.train(out=tmp_path / "run", resume=True, epochs=9)


def test_an_unfinished_run_is_neither_evaluated_nor_reported(tmp_path):
    out = tmp_path / "run"
    interrupt(out, StopAt(epoch=2))
    # The moment between two tables: one is an epoch ahead.
    table = (out / "gate.csv").read_text().splitlines()
    (out / "gate.csv").write_text("\n".join(table[: STEPS + 1]) + "\n")
    for use in (deadpan.evaluate, deadpan.report):
        with pytest.raises(RunError, match="has not finished; go on with"):
            use(out)
    with pytest.raises(RunError, match="epochs that epochs.csv has"):
        RunDirectory(out).gate()
    assert not (out / "scores.json").exists()


def test_the_checkpoint_holds_tensors_and_plain_values_only(whole):
    header = (whole / "checkpoint.safetensors").read_bytes()
    size = int.from_bytes(header[:8], "little")
    meta = json.loads(header[8 : 8 + size])["__metadata__"]
    assert set(meta) == {"deadpan"}
    assert set(json.loads(meta["deadpan"])) == {
        "epoch", "best_loss", "rows", "steps", "scheduler", "groups",
    }  # fmt: skip


class Diverging(StopAt):
    """Makes the weights of a run infinite at the end of an epoch, then interrupts it or not."""

    def __init__(self, monkeypatch, at, **stop):
        super().__init__(**stop)
        predict = loop.predict_clips
        self.epochs = 0

        def diverged(*arguments, **more):
            predicted = predict(*arguments, **more)
            self.epochs += 1
            return predicted * np.nan if self.epochs == at else predicted

        monkeypatch.setattr(loop, "predict_clips", diverged)


def test_a_run_that_diverged_and_was_killed_ends_as_if_it_had_not_been_killed(
    tmp_path, monkeypatch
):
    with monkeypatch.context() as patched:
        train(tmp_path / "whole", watch=Diverging(patched, 2))
    assert [row["valid_loss"] for row in rows(tmp_path / "whole" / "epochs.csv")][1:] == ["nan"]
    with monkeypatch.context() as patched:
        interrupt(tmp_path / "run", Diverging(patched, 2, epoch=2))
    train(tmp_path / "run", resume=True)
    assert run_contents(tmp_path / "run") == run_contents(tmp_path / "whole")
    told = RunDirectory(tmp_path / "run").epochs().divergence
    assert told == "diverged at epoch 2; scored by its best epoch before, 1"


@pytest.mark.parametrize("others", [True, False])
def test_a_run_that_diverged_at_once_leaves_nothing_but_what_others_put_there(
    tmp_path, monkeypatch, others
):
    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        interrupt(out, Diverging(patched, 1, epoch=1))
    if others:
        (out / "plots").mkdir()
        (out / "plots" / "notes.txt").write_text("mine")
    with pytest.raises(DeadpanError, match="diverged at once"):
        train(out, resume=True)
    left = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))]
    assert left == (["run", "run/plots", "run/plots/notes.txt"] if others else [])


@pytest.mark.parametrize("epoch", [0, 1])
def test_going_on_with_what_computes_other_bits_is_recorded(tmp_path, monkeypatch, epoch):
    out = tmp_path / "run"
    interrupt(out, StopAt(epoch=1) if epoch else StopAt(step=1))
    monkeypatch.setattr(environment, "library", lambda: None)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    with monkeypatch.context() as patched:
        patched.setattr(environment, "version", lambda name: "0.0.9")
        interrupt(out, StopAt(step=2), resume=True)
    train(out, resume=True)
    recorded = RunDirectory(out).environment()
    assert (recorded.threads, recorded.native) == (7, False)
    assert [text.partition(" it goes on with ")[0] for text in recorded.warnings] == (
        ["after epoch 1", "after epoch 1"] if epoch else []
    )
    if epoch:
        assert "deadpan 0.0.9 (was 0.1.0), threads 7 (was 1)" in recorded.warnings[0]
        assert "may differ in bits from what it would have been" in recorded.warnings[0]


def test_a_run_that_goes_on_at_another_commit_names_both(tmp_path, monkeypatch):
    out = tmp_path / "run"
    for commit, watch in (("12ab", StopAt(epoch=1)), ("34cd", StopAt(step=1)), ("34cd", None)):
        monkeypatch.setattr(environment, "commit", lambda c=commit: {"commit": c, "dirty": False})
        if watch:
            interrupt(out, watch, resume=out.exists())
        else:
            train(out, resume=True)
    recorded = RunDirectory(out).environment()
    assert recorded.commit_name == "34cd"
    (warning,) = recorded.warnings
    assert warning.startswith("after epoch 1 it goes on with commit 34cd (was 12ab): it may differ")


def test_an_older_run_that_knows_no_processor_goes_on_unremarked(whole, tmp_path):
    out = tmp_path / "run"
    interrupt(out, StopAt(epoch=1))
    values = json.loads((out / "environment.json").read_text())
    del values["processor"]
    (out / "environment.json").write_text(json.dumps(values))
    train(out, resume=True)
    assert RunDirectory(out).environment().warnings == []
    assert run_contents(out) == run_contents(whole)
