import numpy as np
import pytest
from matplotlib.figure import Figure

from deadpan.reports.gate import gate_by_epoch, gate_first_epoch
from deadpan.reports.run.training import gate_panels, loss_curves, loss_panel
from deadpan.show.drawing import to_svg
from deadpan.training.history import EpochHistory, GateHistory

from ...training.test_history import HAND, history


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


def test_the_first_epoch_batch_by_batch():
    figure = Figure()
    gate_first_epoch(figure, HAND)
    axes, band = figure.axes
    drawn = lines(axes)
    assert drawn["text"].get_xydata().tolist() == [[1, 0.4], [2, 0.3]]
    assert drawn["audio"].get_ydata().tolist() == [0.3, 0.4]
    assert drawn["equal"].get_ydata()[0] == pytest.approx(1 / 3)
    assert band.get_xlabel() == "batch of epoch 1"
    assert axes.get_ylabel() == "gate weight (sum 1)"
    assert [patch.get_x() for patch in band.patches] == [0.5, 1.5]  # text, then audio is primary
    (flips,) = band.collections
    assert [path.vertices[0, 0] for path in flips.get_paths()] == [1.5]


def test_means_by_epoch_with_flips_and_freeze():
    figure = Figure()
    gate_by_epoch(figure, HAND)
    axes, band = figure.axes
    drawn = lines(axes)
    np.testing.assert_allclose(drawn["audio"].get_xydata(), [[1, 0.35], [2, 0.4]])
    assert set(drawn["frozen"].get_xdata()) == {2}
    (flips,) = band.collections
    # Batch 2 of 2 in epoch 1 begins at its middle, as does batch 2 of 2 in epoch 2.
    assert [path.vertices[0, 0] for path in flips.get_paths()] == [1.0, 2.0]
    assert band.get_xlabel() == "epoch"


def test_a_gate_that_was_not_frozen_has_no_such_line():
    figure = Figure()
    gate_by_epoch(figure, history([[0.5, 0.5]], [1], modalities=("text", "audio")))
    assert "frozen" not in lines(figure.axes[0])


@pytest.mark.parametrize("names", [("text",), ("a", "b"), tuple(f"modality {i}" for i in range(9))])
@pytest.mark.parametrize("steps", [1, 2, 40])
def test_whatever_gate_is_drawn(names, steps):
    gate = GateHistory(
        modalities=names,
        weights=np.full((steps, len(names)), 1 / len(names)),
        epochs=np.arange(steps) // 7 + 1,
        frozen_epoch=None,
    )
    assert "<path" in to_svg("first", lambda figure: gate_first_epoch(figure, gate))
    assert "<path" in to_svg("means", lambda figure: gate_by_epoch(figure, gate))


@pytest.mark.parametrize("values", [[1.0], [np.nan, np.nan], [np.inf, 1.0], [1.0, 1.0]])
@pytest.mark.parametrize("best", [None, 1])
def test_whatever_losses_are_drawn(values, best):
    curves = epochs(values, values, best)
    assert "<path" in to_svg("loss", lambda figure: loss_curves(figure, curves, "L1"))


def test_what_the_gate_did_in_words():
    first, every = gate_panels(HAND)
    assert (
        first.finding == "After 2 batches the gate’s primary modality is audio; 1 flip on the way."
    )
    assert every.finding == (
        "The gate ends on text with weight 0.400; 2 flips in all, the last at batch 4 of 4; "
        "frozen at epoch 2."
    )
    _, still = gate_panels(history([[1.0]], [1], modalities=("text",)))
    assert still.finding.endswith("1.000; 0 flips in all; never frozen.")


def test_what_the_loss_did_in_words():
    late = loss_panel(epochs([2, 1], [2, 1], best=2), "L1").finding
    assert late.endswith("1.000, at epoch 2, whose weights are the ones scored.")
    early = loss_panel(epochs([2, 1], [1, 2], best=1), "L1").finding
    assert early.endswith("scored; 1 later epoch did not improve it.")
    none = loss_panel(epochs([2, 1], [1, 2], best=None), "nats").finding
    assert none == "No epoch of 2 improved the validation loss."
