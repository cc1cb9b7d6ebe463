"""The curves of a run: losses, and the gate's weights (figures 6 and 7 of the HCT-MG paper)."""

import typing

import numpy as np
from jaxtyping import Float, Int

from deadpan.analysis.drawing import FAINT, INK, MUTED, modality_looks
from deadpan.analysis.epochs import EpochHistory
from deadpan.analysis.gate import GateHistory

if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure


def loss_curves(figure: "matplotlib.figure.Figure", history: EpochHistory, unit: str) -> None:
    """Training and validation loss by epoch, the best epoch marked.

    Args:
        figure: empty.
        history: the losses.
        unit: what the loss is, for the axis.
    """
    axes = figure.subplots()
    marker = "o" if len(history.epochs) < 4 else ""  # a line of one point would not be seen
    axes.plot(history.epochs, history.train_loss, ls="--", c=MUTED, marker=marker, label="train")
    axes.plot(history.epochs, history.valid_loss, c=INK, marker=marker, label="valid")
    if history.best_epoch is not None:
        loss = float(history.valid_loss[history.best_epoch - 1])
        axes.axvline(history.best_epoch, color=FAINT, lw=1, zorder=0)
        label = f"best: epoch {history.best_epoch}, {loss:.3f}"
        axes.plot(
            [history.best_epoch], [loss], "*", c="#D55E00", ms=11, mec="white", mew=0.6, label=label
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"loss ({unit})")
    _count_epochs(axes, history.epochs)
    figure.legend(loc="outside upper center", ncols=3)


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
    _count_epochs(band, gate.epoch_numbers)
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


def _count_epochs(axes: "matplotlib.axes.Axes", epochs: Int[np.ndarray, " epoch"]) -> None:
    _whole_ticks(axes)
    axes.set_xlim(float(epochs[0]) - 0.5, float(epochs[-1]) + 0.5)
