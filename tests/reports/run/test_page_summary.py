import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from deadpan.reports.run.page import (
    loss_curves,
    loss_panel,
    run_facts,
    scores_verdict,
    setting_rows,
)
from deadpan.show.drawing import to_svg
from deadpan.training.history import EpochHistory, epoch_history, gate_history
from deadpan.training.opened import RunDirectory

from ...training.fake_run import fake_run
from ...training.test_history import HAND
from ...training.test_scores import scores


@pytest.fixture
def run(tmp_path):
    return fake_run(tmp_path / "run", epochs=2, batches=3)


def facts_of(run, gate, **changes):
    history = dataclasses.replace(epoch_history(run / "epochs.csv"), **changes)
    files = RunDirectory(run)
    found = run_facts(files.environment(), files.settings(), history, gate)
    return {fact.term: fact for fact in found}


def test_the_facts_of_a_run(run):
    found = facts_of(run, gate_history(run / "gate.csv", epoch_history(run / "epochs.csv")))
    assert found["Data"].note == "clips: train 1284, valid 229, test 686"
    assert found["Model"].note == "540,684 parameters, seed 1"
    assert found["Training"].note == "best: epoch 2, 7 s"
    assert found["Primary modality"].value == RunDirectory(run).gate().primary
    assert found["Primary modality"].note == "frozen at epoch 2"


def test_the_primary_modality_is_that_of_the_weights_that_are_scored(run):
    fact = facts_of(run, HAND, best_epoch=1)["Primary modality"]
    assert fact.value == "audio"
    assert fact.note == "in epoch 1, the one scored; text at the end, frozen at epoch 2"
    assert facts_of(run, HAND, best_epoch=None)["Primary modality"].value == "text"


def test_no_gate(run):
    fact = facts_of(run, None)["Primary modality"]
    assert (fact.value, fact.note) == ("no gate", "uses text, audio, vision")


def test_the_verdict_counts_columns_won(tmp_path):
    read = RunDirectory(fake_run(tmp_path / "emotions", "emotions", epochs=1)).scores()
    expected = "On 686 test clips, HCTMG is best in 6 of 9 columns, beside majority and ridge."
    assert scores_verdict(read, "HCTMG") == expected


def test_the_verdict_names_every_other_system():
    table = scores(ours=(0.9, 0.5), a=(1.0, 0.6), b=(1.1, 0.7), c=(1.2, 0.4))
    expected = "On 5 test clips, ours is best in 1 of 2 columns, beside a, b and c."
    assert scores_verdict(table, "ours") == expected
    assert scores_verdict(scores(ours=(0.9, 0.5)), "ours") == "Scored on 5 test clips."
    assert scores_verdict(table, "another") == "Scored on 5 test clips."


def test_nested_settings_become_rows():
    values = {"a": {"b": 1, "c": {"d": None}}, "e": ["x", "y"], "f": [], "g": {}, "h": False}
    assert dict(setting_rows(values)) == {
        "a.b": "1",
        "a.c.d": "none",
        "e": "x, y",
        "f": "none",
        "g": "none",
        "h": "False",
    }


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def epochs(train, valid, best):
    return EpochHistory(
        epochs=np.arange(1, len(train) + 1),
        train_loss=np.array(train, dtype=float),
        valid_loss=np.array(valid, dtype=float),
        seconds=np.ones(len(train)),
        best_epoch=best,
        frozen_epoch=None,
    )


def test_losses_with_the_best_epoch_marked():
    figure = Figure()
    loss_curves(figure, epochs([3, 2, 1], [3, 1.5, 2], best=2), "L1")
    (axes,) = figure.axes
    drawn = lines(axes)
    assert drawn["train"].get_ydata().tolist() == [3, 2, 1]
    assert drawn["valid"].get_xydata().tolist() == [[1, 3], [2, 1.5], [3, 2]]
    assert drawn["best: epoch 2, 1.500"].get_xydata().tolist() == [[2, 1.5]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss (L1)")


@pytest.mark.parametrize("values", [[1.0], [np.nan, np.nan], [np.inf, 1.0], [1.0, 1.0]])
@pytest.mark.parametrize("best", [None, 1])
def test_whatever_losses_are_drawn(values, best):
    curves = epochs(values, values, best)
    assert "<path" in to_svg("loss", lambda figure: loss_curves(figure, curves, "L1"))


def test_what_the_loss_did_in_words():
    late = loss_panel(epochs([2, 1], [2, 1], best=2), "L1").finding
    assert late.endswith("1.000, at epoch 2, whose weights are the ones scored.")
    early = loss_panel(epochs([2, 1], [1, 2], best=1), "L1").finding
    assert early.endswith("scored; 1 later epoch did not improve it.")
    none = loss_panel(epochs([2, 1], [1, 2], best=None), "nats").finding
    assert none == "No epoch of 2 improved the validation loss."
