import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from deadpan.errors import RunError
from deadpan.reports.gate import gate_figure, gate_height, gate_panels
from deadpan.training.history import GateHistory, GateSeeds
from deadpan.training.opened import RunDirectory, gate_seeds

from ..training.fake_run import fake_run
from ..training.test_history import HAND, history

OTHER = history(
    [[0.2, 0.5, 0.3], [0.2, 0.5, 0.3], [0.2, 0.6, 0.2], [0.6, 0.2, 0.2], [0.6, 0.2, 0.2]],
    [1, 1, 2, 2, 3],
)
SEEDS = GateSeeds(names=("a", "b"), gates=(HAND, OTHER))


def seeds_of(paths):
    return gate_seeds([RunDirectory(path) for path in paths])


def test_what_all_runs_have():
    assert SEEDS.first_epoch().shape == (2, 2, 3)
    np.testing.assert_allclose(SEEDS.by_epoch()[:, :, 0], [[0.35, 0.3], [0.2, 0.4]])


def bands(axes):
    """By place the least and the greatest that a band spans."""
    return [
        sorted({(round(float(x), 6), round(float(y), 6)) for x, y in band.get_paths()[0].vertices})
        for band in axes.collections
    ]


def test_a_line_at_the_mean_and_a_band_from_least_to_greatest():
    figure = Figure()
    gate_figure(figure, SEEDS, "epoch")
    axes, rows = figure.axes
    text = axes.get_lines()[0]
    np.testing.assert_allclose(text.get_xydata(), [[1, 0.275], [2, 0.35]])
    assert bands(axes)[0] == [(1.0, 0.2), (1.0, 0.35), (2.0, 0.3), (2.0, 0.4)]
    frozen = [line.get_xydata().tolist() for line in rows.get_lines() if len(line.get_xdata())]
    assert frozen == [[[2, 0.5]]]
    spans, first_flips, _, second_flips = rows.collections
    assert len(spans.get_paths()) == 3  # text, audio, text
    assert [path.vertices[0, 0] for path in first_flips.get_paths()] == [1.0, 2.0]
    assert [path.vertices[0, 0] for path in second_flips.get_paths()] == [2.0]


def test_the_first_epoch_batch_by_batch():
    figure = Figure()
    gate_figure(figure, SEEDS, "batch")
    axes, rows = figure.axes
    np.testing.assert_allclose(axes.get_lines()[1].get_xydata(), [[1, 0.4], [2, 0.45]])
    assert rows.get_xlabel() == "batch of epoch 1"


def test_one_run_has_no_band():
    one = GateSeeds(names=("a",), gates=(HAND,))
    figure = Figure(figsize=(6.5, gate_height(one)))
    gate_figure(figure, one, "epoch")
    assert not figure.axes[0].collections
    assert gate_height(SEEDS) > gate_height(one)


def one_of(gate):
    return GateSeeds(names=("run",), gates=(gate,))


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_the_first_epoch_of_one_run():
    figure = Figure()
    gate_figure(figure, one_of(HAND), "batch")
    axes, rows = figure.axes
    drawn = lines(axes)
    assert drawn["text"].get_xydata().tolist() == [[1, 0.4], [2, 0.3]]
    assert drawn["audio"].get_ydata().tolist() == [0.3, 0.4]
    assert drawn["equal"].get_ydata()[0] == pytest.approx(1 / 3)
    spans, flips = rows.collections  # text, then audio is primary
    assert [path.vertices[:, 0].min() for path in spans.get_paths()] == [0.5, 1.5]
    assert [path.vertices[0, 0] for path in flips.get_paths()] == [1.5]
    assert "frozen" not in lines(rows)


def test_means_by_epoch_with_flips_and_freeze():
    figure = Figure()
    gate_figure(figure, one_of(HAND), "epoch")
    axes, rows = figure.axes
    np.testing.assert_allclose(lines(axes)["audio"].get_xydata(), [[1, 0.35], [2, 0.4]])
    # Batch 2 of 2 in epoch 1 begins at its middle, as does batch 2 of 2 in epoch 2.
    assert [path.vertices[0, 0] for path in rows.collections[1].get_paths()] == [1.0, 2.0]
    assert rows.get_xlabel() == "epoch"
    assert "frozen" in lines(rows)


def test_an_axis_that_is_cut_says_so():
    figure = Figure()
    gate_figure(figure, one_of(HAND), "epoch")
    low, high = figure.axes[0].get_ylim()
    assert figure.axes[0].get_ylabel() == (
        f"gate weight (sum 1)\naxis cut: {low:.2f} to {high:.2f}"
    )
    figure = Figure()
    gate_figure(figure, one_of(history([[1.0, 0.0]], [1], modalities=("a", "b"))), "epoch")
    assert figure.axes[0].get_ylim() == (0, 1.02)
    assert figure.axes[0].get_ylabel() == "gate weight (sum 1)"


def test_a_gate_that_was_not_frozen_has_no_such_mark():
    figure = Figure()
    still = history([[0.5, 0.5]], [1], modalities=("text", "audio"))
    gate_figure(figure, one_of(still), "epoch")
    assert "frozen" not in lines(figure.axes[1])


@pytest.mark.parametrize("names", [("text",), ("a", "b"), tuple(f"modality {i}" for i in range(9))])
@pytest.mark.parametrize("steps", [1, 2, 40])
def test_whatever_gate_is_drawn(names, steps):
    gate = GateHistory(
        modalities=names,
        weights=np.full((steps, len(names)), 1 / len(names)),
        epochs=np.arange(steps) // 7 + 1,
        frozen_epoch=None,
    )
    for panel in gate_panels(one_of(gate), ["a.csv", "b.csv"]):
        assert "<path" in panel.svg


def test_what_the_gate_did_in_words():
    first, every = gate_panels(one_of(HAND), ["a.csv", "b.csv", "c.csv"])
    assert (
        first.finding == "After 2 batches the gate’s primary modality is audio; 1 flip on the way."
    )
    assert every.finding == (
        "The gate ends on text with weight 0.400; 2 flips in all, the last at batch 4 of 4; "
        "frozen at epoch 2."
    )
    assert (first.sources, every.sources) == (("a.csv",), ("b.csv", "c.csv"))
    still = one_of(history([[1.0]], [1], modalities=("text",)))
    assert gate_panels(still, ["a.csv"])[1].finding.endswith("1.000; 0 flips in all; never frozen.")


def test_a_gate_per_clip_has_no_primary_modality_and_no_flips():
    gate = dataclasses.replace(HAND, per_clip=True, frozen_epoch=None)
    first, every = gate_panels(one_of(gate), ["a.csv", "b.csv"])
    assert first.finding == (
        "Each clip has weights of its own, by which its primary modalities are mixed. After 2 "
        "batches the mean weight is largest for audio."
    )
    assert every.finding == (
        "Each clip has weights of its own, by which its primary modalities are mixed. The largest "
        "mean weight of the last batch is that of text, 0.400."
    )
    figure = Figure()
    gate_figure(figure, one_of(gate), "epoch")
    rows = figure.axes[1]
    assert [label.get_text() for label in rows.get_yticklabels()] == ["largest mean"]
    assert "flip" not in lines(rows)
    assert len(rows.collections) == 1  # no tick at a flip


def test_what_the_gates_of_several_runs_did_in_words():
    first, every = gate_panels(SEEDS, ["a.csv", "b.csv"], for_papers=True)
    assert first.finding.startswith("Lines are means of 2 runs, bands run from the least")
    assert every.finding.endswith(
        "At the end of training a: text (2 flips, frozen at epoch 2), b: text (1 flip, "
        "never frozen)."
    )
    assert [panel.picture.name for panel in (first, every)] == ["gate-batches", "gate-epochs"]


def test_reads_runs(tmp_path):
    runs = [fake_run(tmp_path / name, epochs=4, batches=5) for name in "ab"]
    found = seeds_of(runs)
    assert found is not None
    assert found.names == ("a", "b")
    assert found.by_epoch().shape == (2, 4, 3)


def test_runs_that_do_not_fit_are_refused(tmp_path):
    without = fake_run(tmp_path / "without", epochs=1, batches=1, gate=False)
    first = fake_run(tmp_path / "first", epochs=1, batches=1)
    two = fake_run(tmp_path / "two", epochs=1, batches=1, modalities=("text", "audio"))
    assert seeds_of([without]) is None
    with pytest.raises(RunError, match="has no gate.csv, and so no gate to compare"):
        seeds_of([without, first])
    with pytest.raises(RunError, match="two: its gate weighs text, audio, that of"):
        seeds_of([first, two])
    with pytest.raises(RunError, match="without has no gate.csv"):
        seeds_of([first, without])
