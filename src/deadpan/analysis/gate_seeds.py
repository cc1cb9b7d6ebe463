"""The gates of several runs together (figures 6 and 7 of the HCT-MG paper, over seeds)."""

import dataclasses
import typing
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from deadpan.analysis.drawing import INK, MUTED, modality_looks
from deadpan.analysis.gate import GateHistory, gate_history
from deadpan.errors import RunError

if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure


@dataclasses.dataclass(frozen=True, kw_only=True)
class GateSeeds:
    """Runs that differ in their seed, say.

    Attributes:
        names: of the runs.
        gates: their histories.
    """

    names: tuple[str, ...]
    gates: tuple[GateHistory, ...]

    @property
    def modalities(self) -> tuple[str, ...]:
        """The same in every run."""
        return self.gates[0].modalities

    def first_epoch(self) -> Float[np.ndarray, "run batch modality"]:
        """The weights over the batches of the first epoch that all runs have."""
        first = [gate.weights[gate.epochs == gate.epochs[0]] for gate in self.gates]
        return np.stack([x[: min(map(len, first))] for x in first])

    def by_epoch(self) -> Float[np.ndarray, "run epoch modality"]:
        """The mean weights over each of the epochs that all runs have."""
        return np.stack([x.means[: min(len(g.means) for g in self.gates)] for x in self.gates])


def gate_seeds(runs: Sequence[Path]) -> GateSeeds | None:
    """The gates of runs; None where the first has none.

    Raises:
        RunError: another run has no gate, or one over other modalities.
    """
    if not (runs[0] / "gate.csv").is_file():
        if len(runs) > 1:
            raise RunError(f"{runs[0]} has no gate.csv, and so no gate to compare; give one run")
        return None
    gates = [gate_history(run) for run in runs]
    for run, gate in zip(runs, gates, strict=True):
        if gate.modalities != gates[0].modalities:
            raise RunError(
                f"{run}: its gate weighs {', '.join(gate.modalities)}, that of {runs[0]} "
                f"{', '.join(gates[0].modalities)}; give runs of the same modalities"
            )
    return GateSeeds(names=tuple(run.resolve().name for run in runs), gates=tuple(gates))


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
