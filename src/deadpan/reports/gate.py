"""The modality gate of one run or of several seeds: the paper's figures 6 and 7."""

import typing
from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from deadpan.errors import count_of
from deadpan.show.drawing import INK, MUTED, Picture, modality_looks, picture, to_svg, whole_ticks
from deadpan.show.page import Panel
from deadpan.training.history import GateHistory, GateSeeds

if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

Point = Literal["batch", "epoch"]
"""What a point of the figure is: a batch of the first epoch (figure 6), or the mean of an epoch."""


def gate_panels(
    seeds: GateSeeds, sources: Sequence[str], *, for_papers: bool = False
) -> list[Panel]:
    """Figures 6 and 7 with what they show.

    Args:
        seeds: one run or more.
        sources: the file with the numbers of figure 6, then those with the numbers of figure 7.
        for_papers: give each panel its ``picture`` as well.
    """
    first = seeds.gates[0].epochs[0]
    return [
        Panel(
            title=f"Gate, batch by batch in epoch {first} (the paper’s figure 6)",
            finding=_first_epoch_text(seeds),
            sources=tuple(sources[:1]),
            **_images(seeds, "batch", "gate-batches", for_papers=for_papers),
        ),
        Panel(
            title="Gate, mean of each epoch (the paper’s figure 7)",
            finding=_all_epochs_text(seeds),
            sources=tuple(sources[1:]),
            **_images(seeds, "epoch", "gate-epochs", for_papers=for_papers),
        ),
    ]


class _Images(typing.TypedDict):
    svg: str
    picture: Picture | None


def _images(seeds: GateSeeds, point: Point, name: str, *, for_papers: bool) -> _Images:
    paint, height = partial(gate_figure, seeds=seeds, point=point), gate_height(seeds)
    if for_papers:
        drawing = picture(name, paint, (6.5, height))
        return _Images(svg=drawing.inline, picture=drawing)
    return _Images(svg=to_svg(name, paint, height=height), picture=None)


def _first_epoch_text(seeds: GateSeeds) -> str:
    gate, *others = seeds.gates
    if others:
        shown = "modality of the largest mean weight" if gate.per_clip else "primary modality"
        return f"{_band_text(seeds)} The rows below show the {shown} of each run."
    first = int(gate.epochs[0])
    steps = int((gate.epochs == first).sum())
    if gate.per_clip:
        return (
            f"{OWN_CHOICE} After {count_of(steps, 'batch', 'batches')} the mean weight is largest "
            f"for {gate.primary_in(first)}."
        )
    early = sum(step <= steps for step in gate.flip_steps)
    return (
        f"After {count_of(steps, 'batch', 'batches')} the gate’s primary modality is "
        f"{gate.primary_in(first)}; {count_of(early, 'flip')} on the way."
    )


def _all_epochs_text(seeds: GateSeeds) -> str:
    gate, *others = seeds.gates
    if gate.per_clip:
        ends = "; ".join(
            f"{name}{': ' * bool(name)}{each.primary}, {each.weights[-1].max():.3f}"
            for name, each in zip(seeds.names if others else [""], seeds.gates, strict=True)
        )
        bands = f"{_band_text(seeds)} " if others else ""
        return f"{bands}{OWN_CHOICE} The largest mean weight of the last batch is that of {ends}."
    if others:
        ends = ", ".join(
            f"{name}: {each.primary} ({count_of(each.flips, 'flip')}, {_frozen_text(each)})"
            for name, each in zip(seeds.names, seeds.gates, strict=True)
        )
        return f"{_band_text(seeds)} At the end of training {ends}."
    last = f", the last at batch {gate.last_flip} of {len(gate.epochs)}" if gate.last_flip else ""
    return (
        f"The gate ends on {gate.primary} with weight {gate.weights[-1].max():.3f}; "
        f"{count_of(gate.flips, 'flip')} in all{last}; {_frozen_text(gate)}."
    )


OWN_CHOICE = "Each clip has weights of its own, by which its primary modalities are mixed."


def _band_text(seeds: GateSeeds) -> str:
    return f"Lines are means of {len(seeds.gates)} runs, bands run from the least to the greatest."


def _frozen_text(gate: GateHistory) -> str:
    return f"frozen at epoch {gate.frozen_epoch}" if gate.frozen_epoch else "never frozen"


def gate_height(seeds: GateSeeds) -> float:
    """Height in inches that the figures need."""
    return 2.9 + 0.16 * len(seeds.gates)


def gate_figure(figure: "matplotlib.figure.Figure", seeds: GateSeeds, point: Point) -> None:
    """Weight of each modality, mean and range over the runs; below, the primary one of each run.

    A flip is marked where it happened: in figure 7 the batches of an epoch spread from half an
    epoch before its number to half an epoch after.
    """
    by_epoch = point == "epoch"
    weights = seeds.by_epoch() if by_epoch else seeds.first_epoch()
    first = seeds.gates[0]
    x = first.epoch_numbers[: weights.shape[1]] if by_epoch else np.arange(weights.shape[1]) + 1
    axes, rows = figure.subplots(2, 1, sharex=True, height_ratios=[13, len(seeds.gates)])
    _draw_weights(axes, seeds, x, weights)
    for row, gate in enumerate(seeds.gates):
        _draw_primaries(rows, row, gate, _step_edges(gate, x, point))
        if by_epoch and gate.frozen_epoch is not None:
            rows.plot(gate.frozen_epoch, row + 0.5, "D", c="white", mec=INK, ms=4.5, zorder=4)
    _finish_rows(rows, len(seeds.gates), "largest mean" if first.per_clip else "primary")
    rows.set_xlabel("epoch" if by_epoch else f"batch of epoch {first.epochs[0]}")
    rows.set_xlim(x[0] - 0.5, x[-1] + 0.5)
    if by_epoch and any(gate.frozen_epoch is not None for gate in seeds.gates):
        rows.plot([], [], "D", c="white", mec=INK, ms=4.5, label="frozen")
    if not first.per_clip:
        rows.plot([], [], "|", c=INK, ms=8, mew=0.8, label="flip")
    fits = len(seeds.modalities) <= 3 and len("".join(seeds.modalities)) <= 20
    ncols = 6 if fits else 3
    figure.legend(loc="outside upper center", ncols=ncols, handlelength=2, columnspacing=1)


def _draw_weights(
    axes: "matplotlib.axes.Axes",
    seeds: GateSeeds,
    x: Int[np.ndarray, " point"],
    weights: Float[np.ndarray, "run point modality"],
) -> None:
    """Draw a line at the mean of the runs, and a band from their least to their greatest."""
    looks = modality_looks(seeds.modalities)
    for index, name in enumerate(seeds.modalities):
        look, values = looks[name], weights[:, :, index]
        marker = look.marker if len(x) < 12 else ""  # a line of one point would not be seen
        mean = values.mean(axis=0)
        axes.plot(x, mean, c=look.colour, ls=look.line, marker=marker, ms=4, label=name)
        if len(values) > 1:
            least, greatest = values.min(axis=0), values.max(axis=0)
            axes.fill_between(x, least, greatest, color=look.colour, alpha=0.18, lw=0)
    equal = 1 / len(seeds.modalities)
    axes.axhline(equal, color=MUTED, lw=0.7, zorder=0, label="equal")
    # Weights move by thousandths in an epoch: show that, but do not blow up noise.
    reach = max(0.01, 1.15 * float(np.abs(weights - equal).max()))
    low, high = max(0.0, equal - reach), min(1.0, equal + reach)
    cut = f"\naxis cut: {low:.2f} to {high:.2f}" if low > 0 or high < 1 else ""
    axes.set_ylim(low, high if cut else 1.02)
    axes.set_ylabel(f"gate weight (sum 1){cut}")
    axes.tick_params(bottom=False)


def _step_edges(
    gate: GateHistory, x: Int[np.ndarray, " point"], point: Point
) -> Float[np.ndarray, " edge"]:
    """Where each batch begins on the axis, and where the last one ends."""
    if point == "batch":
        return np.arange(len(x) + 1) + 0.5
    counts = [int((gate.epochs == epoch).sum()) for epoch in x]
    starts = [e - 0.5 + np.arange(n) / n for e, n in zip(x, counts, strict=True)]
    return np.append(np.concatenate(starts), x[-1] + 0.5)


def _draw_primaries(
    rows: "matplotlib.axes.Axes", row: int, gate: GateHistory, edges: Float[np.ndarray, " edge"]
) -> None:
    """Colour a run's row by its primary modality, with a tick at each flip.

    Of a gate per clip it is the modality of the largest mean weight, whose changes are no flips.
    """
    looks = modality_looks(gate.modalities)
    primaries = gate.primaries[: len(edges) - 1]
    flips = np.flatnonzero(np.diff(primaries)) + 1
    starts, ends = np.append(0, flips), np.append(flips, len(primaries))
    spans = [
        (float(edges[a]), float(edges[b] - edges[a])) for a, b in zip(starts, ends, strict=True)
    ]
    colours = [looks[gate.modalities[primaries[a]]].colour for a in starts]
    rows.broken_barh(spans, (row + 0.08, 0.84), facecolors=colours, lw=0)
    if not gate.per_clip:
        rows.vlines(edges[flips], row, row + 1, color=INK, lw=0.8)


def _finish_rows(rows: "matplotlib.axes.Axes", runs: int, meaning: str) -> None:
    rows.set_ylim(runs, 0)
    rows.set_yticks([runs / 2], [meaning if runs == 1 else f"{meaning},\n{runs} runs"])
    rows.tick_params(left=False)
    rows.grid(visible=False)
    rows.spines[:].set_visible(False)
    whole_ticks(rows)
