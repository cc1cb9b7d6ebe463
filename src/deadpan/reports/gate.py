"""The modality gate, drawn: the paper's figures 6 and 7."""

import typing

import numpy as np
from jaxtyping import Float, Int

from deadpan.show.drawing import INK, MUTED, modality_looks
from deadpan.training.history import GateHistory, GateSeeds


def gate_first_epoch(figure: "matplotlib.figure.Figure", gate: GateHistory) -> None:
    """Figure 6: the gate's weight of each modality over the batches of the first epoch."""
    first = gate.epochs == gate.epochs[0]
    batches = np.arange(1, int(first.sum()) + 1)
    axes, band = _with_band(figure)
    _weights(axes, gate, batches, gate.weights[first])
    edges = np.append(batches - 0.5, len(batches) + 0.5)
    _primary_band(band, gate, edges, gate.primaries[first])
    band.set_xlabel(f"batch of epoch {gate.epochs[0]}")
    band.set_xlim(edges[0], edges[-1])
    _whole_ticks(band)
    _legend(figure, gate)


def gate_by_epoch(figure: "matplotlib.figure.Figure", gate: GateHistory) -> None:
    """Figure 7: the mean weight of each modality per epoch; flips and the freeze are marked.

    The mean of an epoch stands at its number; its batches spread from half an epoch before to half
    an epoch after, so a flip is seen where in its epoch it happened.
    """
    axes, band = _with_band(figure)
    _weights(axes, gate, gate.epoch_numbers, gate.means)
    starts = np.concatenate([_spread(int(e), gate.epochs) for e in gate.epoch_numbers])
    edges = np.append(starts, gate.epoch_numbers[-1] + 0.5)
    _primary_band(band, gate, edges, gate.primaries)
    if gate.frozen_epoch is not None:
        axes.axvline(gate.frozen_epoch, color=INK, lw=1.1, ls=(0, (1, 1.5)), label="frozen")
    band.set_xlabel("epoch")
    count_epochs(band, gate.epoch_numbers)
    _legend(figure, gate)


def _spread(epoch: int, epochs: Int[np.ndarray, " step"]) -> Float[np.ndarray, " batch"]:
    count = int((epochs == epoch).sum())
    return epoch - 0.5 + np.arange(count) / count


def _with_band(
    figure: "matplotlib.figure.Figure",
) -> "tuple[matplotlib.axes.Axes, matplotlib.axes.Axes]":
    """Axes for the weights above a narrow one that shows the primary modality of each step."""
    axes, band = figure.subplots(2, 1, sharex=True, height_ratios=[13, 1])
    axes.tick_params(bottom=False)
    band.set_yticks([0.5], ["primary"])
    band.tick_params(left=False)
    band.set_ylim(0, 1)
    band.grid(visible=False)
    band.spines[:].set_visible(False)
    return axes, band


def _weights(
    axes: "matplotlib.axes.Axes",
    gate: GateHistory,
    x: Int[np.ndarray, " point"],
    weights: Float[np.ndarray, "point modality"],
) -> None:
    """A line per modality over a thin one where all would be equal."""
    equal = 1 / len(gate.modalities)
    looks = modality_looks(gate.modalities)
    for modality, values in zip(gate.modalities, weights.T, strict=True):
        look = looks[modality]
        marker = look.marker if len(x) < 4 else ""
        axes.plot(x, values, color=look.colour, ls=look.line, marker=marker, label=modality)
    axes.axhline(equal, color=MUTED, lw=0.7, zorder=0, label="equal")
    # Weights move by thousandths in an epoch: keep what is there to see, but do not blow up noise.
    reach = max(0.01, 1.15 * float(np.abs(weights - equal).max()))
    axes.set_ylim(max(0, equal - reach), min(1.02, equal + reach))
    axes.set_ylabel("gate weight (sum 1)")


def _primary_band(
    band: "matplotlib.axes.Axes",
    gate: GateHistory,
    edges: Float[np.ndarray, " edge"],
    primaries: Int[np.ndarray, " step"],
) -> None:
    """Colour each step by its primary modality; a tick at each flip. Edges: one more than steps."""
    looks = modality_looks(gate.modalities)
    flips = np.flatnonzero(np.diff(primaries)) + 1
    starts, ends = np.append(0, flips), np.append(flips, len(primaries))
    for start, end in zip(starts, ends, strict=True):
        colour = looks[gate.modalities[primaries[start]]].colour
        band.axvspan(float(edges[start]), float(edges[end]), color=colour, lw=0)
    band.vlines(edges[flips], 0, 1, color=INK, lw=0.8, clip_on=False)


def _legend(figure: "matplotlib.figure.Figure", gate: GateHistory) -> None:
    fits = len(gate.modalities) <= 3 and len("".join(gate.modalities)) <= 20
    ncols = 5 if fits else 3
    figure.legend(loc="outside upper center", ncols=ncols, handlelength=2.8, columnspacing=1.4)


def _whole_ticks(axes: "matplotlib.axes.Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True, min_n_ticks=1))


def count_epochs(axes: "matplotlib.axes.Axes", epochs: Int[np.ndarray, " epoch"]) -> None:
    """Let the horizontal axis count epochs: whole ticks, half an epoch of room on either side."""
    _whole_ticks(axes)
    axes.set_xlim(float(epochs[0]) - 0.5, float(epochs[-1]) + 0.5)


if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure


def batches_figure(figure: "matplotlib.figure.Figure", seeds: GateSeeds) -> None:
    """Figure 6: weights over the batches of the first epoch, a band over the runs."""
    weights = seeds.first_epoch()
    x = np.arange(1, weights.shape[1] + 1)
    axes, rows = _axes(figure, seeds)
    _bands(axes, seeds, x, weights)
    for row, (gate, mine) in enumerate(zip(seeds.gates, weights, strict=True)):
        edges = np.append(x - 0.5, x[-1] + 0.5)
        _primaries(rows, row, gate, edges, mine.argmax(axis=1))
    rows.set_xlabel(f"batch of epoch {seeds.gates[0].epochs[0]}")
    _finish(figure, rows, (0.5, x[-1] + 0.5), frozen=False)


def epochs_figure(figure: "matplotlib.figure.Figure", seeds: GateSeeds) -> None:
    """Figure 7: mean weights of each epoch, a band over the runs; flips and freezes below."""
    weights = seeds.by_epoch()
    x = seeds.gates[0].epoch_numbers[: weights.shape[1]]
    axes, rows = _axes(figure, seeds)
    _bands(axes, seeds, x, weights)
    for row, gate in enumerate(seeds.gates):
        kept = gate.epochs <= x[-1]
        counts = [int((gate.epochs == epoch).sum()) for epoch in x]
        starts = np.concatenate(
            [e - 0.5 + np.arange(n) / n for e, n in zip(x, counts, strict=True)]
        )
        _primaries(rows, row, gate, np.append(starts, x[-1] + 0.5), gate.primaries[kept])
        if gate.frozen_epoch is not None:
            rows.plot(gate.frozen_epoch, row + 0.5, "D", c="white", mec=INK, ms=4.5, zorder=4)
    frozen = any(gate.frozen_epoch is not None for gate in seeds.gates)
    rows.set_xlabel("epoch")
    _finish(figure, rows, (x[0] - 0.5, x[-1] + 0.5), frozen=frozen)


def seeds_height(seeds: GateSeeds) -> float:
    """Inches that the figures need."""
    return 2.7 + 0.16 * len(seeds.gates)


def _axes(
    figure: "matplotlib.figure.Figure", seeds: GateSeeds
) -> "tuple[matplotlib.axes.Axes, matplotlib.axes.Axes]":
    count = len(seeds.gates)
    axes, rows = figure.subplots(2, 1, sharex=True, height_ratios=[13, count])
    axes.tick_params(bottom=False)
    rows.set(ylim=(count, 0))
    rows.set_yticks([count / 2], ["primary" if count == 1 else f"primary,\n{count} runs"])
    rows.tick_params(left=False)
    rows.grid(visible=False)
    rows.spines[:].set_visible(False)
    return axes, rows


def _bands(
    axes: "matplotlib.axes.Axes",
    seeds: GateSeeds,
    x: Int[np.ndarray, " point"],
    weights: Float[np.ndarray, "run point modality"],
) -> None:
    """A line at the mean of the runs, a band from their least to their greatest."""
    looks = modality_looks(seeds.modalities)
    for index, name in enumerate(seeds.modalities):
        look, values = looks[name], weights[:, :, index]
        marker = look.marker if len(x) < 12 else ""
        axes.plot(
            x, values.mean(axis=0), c=look.colour, ls=look.line, marker=marker, ms=4, label=name
        )
        if len(values) > 1:
            least, greatest = values.min(axis=0), values.max(axis=0)
            axes.fill_between(x, least, greatest, color=look.colour, alpha=0.18, lw=0)
    equal = 1 / len(seeds.modalities)
    axes.axhline(equal, color=MUTED, lw=0.7, zorder=0, label="equal")
    reach = max(0.01, 1.15 * float(np.abs(weights - equal).max()))
    axes.set_ylim(max(0, equal - reach), min(1.02, equal + reach))
    axes.set_ylabel("gate weight (sum 1)")


def _primaries(
    rows: "matplotlib.axes.Axes",
    row: int,
    gate: GateHistory,
    edges: Float[np.ndarray, " edge"],
    primaries: Int[np.ndarray, " step"],
) -> None:
    """The run's row, coloured by its primary modality, with a tick at each flip."""
    looks = modality_looks(gate.modalities)
    flips = np.flatnonzero(np.diff(primaries)) + 1
    starts, ends = np.append(0, flips), np.append(flips, len(primaries))
    spans = [
        (float(edges[a]), float(edges[b] - edges[a])) for a, b in zip(starts, ends, strict=True)
    ]
    colours = [looks[gate.modalities[primaries[a]]].colour for a in starts]
    rows.broken_barh(spans, (row + 0.08, 0.84), facecolors=colours, lw=0)
    rows.vlines(edges[flips], row, row + 1, color=INK, lw=0.8)


def _finish(
    figure: "matplotlib.figure.Figure",
    rows: "matplotlib.axes.Axes",
    limits: tuple[float, float],
    *,
    frozen: bool,
) -> None:
    from matplotlib.ticker import MaxNLocator

    rows.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True, min_n_ticks=1))
    rows.set_xlim(*limits)
    if frozen:
        rows.plot([], [], "D", c="white", mec=INK, ms=4.5, label="frozen")
    rows.plot([], [], "|", c=INK, ms=8, mew=0.8, label="flip")
    figure.legend(loc="outside upper center", ncols=6, handlelength=2.4, columnspacing=1.1)
