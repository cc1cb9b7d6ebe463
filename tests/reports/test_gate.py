import numpy as np
import pytest
from matplotlib.figure import Figure

from deadpan.errors import RunError
from deadpan.reports.gate import batches_figure, epochs_figure, seeds_height
from deadpan.training.history import GateSeeds
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
    epochs_figure(figure, SEEDS)
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
    batches_figure(figure, SEEDS)
    axes, rows = figure.axes
    np.testing.assert_allclose(axes.get_lines()[1].get_xydata(), [[1, 0.4], [2, 0.45]])
    assert rows.get_xlabel() == "batch of epoch 1"


def test_one_run_has_no_band():
    one = GateSeeds(names=("a",), gates=(HAND,))
    figure = Figure(figsize=(6.5, seeds_height(one)))
    epochs_figure(figure, one)
    assert not figure.axes[0].collections
    assert seeds_height(SEEDS) > seeds_height(one)


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
