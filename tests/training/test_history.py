import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.errors import RunError
from deadpan.training.history import GateHistory, epoch_history, gate_history
from deadpan.training.opened import RunDirectory

from .fake_run import fake_run, write_csv

HEADER = ["epoch", "train_loss", "valid_loss", "seconds", "best", "frozen"]


def test_best_is_the_last_improvement_and_frozen_the_first(tmp_path):
    rows = [[1, 1.5, 1.4, 2, 1, 0], [2, 1.2, 1.1, 2, 1, 0], [3, "nan", "", 2, 0, 1]]
    write_csv(tmp_path / "epochs.csv", HEADER, [*rows, [4, "inf", 1.3, 2, 0, 1]])
    history = epoch_history(tmp_path / "epochs.csv")
    assert history.epochs.tolist() == [1, 2, 3, 4]
    assert (history.best_epoch, history.frozen_epoch) == (2, 3)
    assert math.isnan(history.train_loss[2])
    assert math.isnan(history.valid_loss[2])
    assert history.train_loss[3] == math.inf


def test_nothing_improved_nothing_froze(tmp_path):
    write_csv(tmp_path / "epochs.csv", HEADER, [[1, 1.5, "nan", 2, 0, 0]])
    history = epoch_history(tmp_path / "epochs.csv")
    assert (history.best_epoch, history.frozen_epoch) == (None, None)


@pytest.mark.parametrize(
    ("losses", "told"),
    [
        ((0.5, 0.4, "nan"), "diverged at epoch 3; scored by its best epoch before, 2"),
        ((0.5, "inf", 0.4), ""),  # of finite outputs: training went on
        ((0.5, 0.4, 0.6), ""),
    ],
)
def test_an_end_by_divergence_is_told(tmp_path, losses, told):
    file = tmp_path / "epochs.csv"
    best = [1, 1, 0]
    lines = [f"{n},1,{x},1,{b},0" for n, (x, b) in enumerate(zip(losses, best, strict=True), 1)]
    header = "epoch,train_loss,valid_loss,seconds,best,frozen"
    file.write_text("\n".join([header, *lines]) + "\n")
    assert epoch_history(file).divergence == told


def test_a_metric_that_was_not_recorded_is_refused(tmp_path):
    header = [*HEADER, "valid_mae"]
    write_csv(tmp_path / "epochs.csv", header, [[1, 1, 1, 1, 1, 0, 0.5]])
    history = epoch_history(tmp_path / "epochs.csv")
    assert history.valid_metric("mae").tolist() == [0.5]
    with pytest.raises(RunError, match="has no column 'valid_corr'"):
        history.valid_metric("corr")


def test_epochs_must_count_up(tmp_path):
    write_csv(tmp_path / "epochs.csv", HEADER, [[2, 1, 1, 1, 1, 0]])
    with pytest.raises(RunError, match=r"epochs\.csv does not count its epochs"):
        epoch_history(tmp_path / "epochs.csv")


def history(weights, epochs, frozen=None, modalities=("text", "audio", "vision")):
    return GateHistory(
        modalities=modalities,
        weights=np.array(weights, dtype=float),
        epochs=np.array(epochs),
        frozen_epoch=frozen,
    )


HAND = history(
    [[0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.2, 0.6, 0.2], [0.4, 0.2, 0.4]], [1, 1, 2, 2], frozen=2
)


def test_hand_worked_history():
    assert HAND.primaries.tolist() == [0, 1, 1, 0]  # the last step is a tie: the first named wins
    assert HAND.flip_steps == (2, 4)
    assert (HAND.flips, HAND.last_flip, HAND.primary) == (2, 4, "text")
    assert HAND.epoch_numbers.tolist() == [1, 2]
    np.testing.assert_allclose(HAND.means, [[0.35, 0.35, 0.3], [0.3, 0.4, 0.3]])
    assert [HAND.primary_in(1), HAND.primary_in(2)] == ["audio", "text"]


def test_a_gate_that_never_moves_has_no_flip():
    still = history([[1.0]] * 3, [1, 1, 2], modalities=("text",))
    assert (still.flips, still.last_flip, still.primary) == (0, None, "text")


@given(st.lists(st.integers(0, 2), min_size=1, max_size=40))
def test_flips_are_counted_as_one_by_one(primaries):
    gate = history(np.eye(3)[primaries], np.ones(len(primaries), dtype=int))
    steps = [i + 1 for i in range(1, len(primaries)) if primaries[i] != primaries[i - 1]]
    assert gate.flip_steps == tuple(steps)
    assert gate.last_flip == (steps[-1] if steps else None)


def test_reads_what_training_wrote(tmp_path):
    gate = RunDirectory(fake_run(tmp_path / "run", epochs=4, batches=5)).gate()
    assert gate is not None
    assert gate.modalities == ("text", "audio", "vision")
    assert gate.weights.shape == (20, 3)
    assert gate.epochs.tolist() == sorted([1, 2, 3, 4] * 5)
    assert gate.frozen_epoch == 3
    assert gate.means.shape == (4, 3)
    np.testing.assert_allclose(gate.means[1], gate.weights[5:10].mean(0))


def test_a_run_without_a_gate_says_so(tmp_path):
    run = fake_run(tmp_path / "run", epochs=1, gate=False)
    with pytest.raises(RunError, match=r"gate\.csv is missing; only a model with a gate"):
        gate_history(run / "gate.csv", epoch_history(run / "epochs.csv"))


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (["step", "epoch"], [[1, 1]], "no column of weights"),
        (["step", "epoch", "a"], [[2, 1, 1.0]], "count its steps"),
        (["step", "epoch", "a"], [[1, 1, 1.0], [2, 3, 1.0]], "skips or lacks epochs"),
        (["step", "epoch", "a"], [[1, 0, 1.0]], "skips or lacks epochs"),
        (["step", "epoch", "a"], [[1, 1, 1.0]], "skips or lacks epochs"),
        (["step", "epoch", "a", "b"], [[1, 1, 0.5, 0.2], [2, 2, 0.5, 0.5]], "do not sum to 1"),
        (["step", "epoch", "a", "b"], [[1, 1, -0.5, 1.5], [2, 2, 0.5, 0.5]], "do not sum to 1"),
        (["step", "epoch", "a"], [[1, 1, "nan"], [2, 2, 1.0]], "finite number"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, header, rows, message):
    run = fake_run(tmp_path / "run", epochs=2, batches=1)
    write_csv(run / "gate.csv", header, rows)
    with pytest.raises(RunError, match=message) as refusal:
        gate_history(run / "gate.csv", epoch_history(run / "epochs.csv"))
    assert "gate.csv" in str(refusal.value)
    assert "\n" not in str(refusal.value)
