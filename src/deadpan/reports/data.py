"""``deadpan data inspect --html``: the health of a data set as one self-contained HTML page."""

import base64
import math
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deadpan.data.health.findings import percent
from deadpan.errors import DeadpanError, count_of
from deadpan.files import json_text, write_atomically
from deadpan.reports.data_tables import (
    findings_verdict,
    modality_columns,
    reading_notes,
    rows_of,
    split_columns,
)
from deadpan.show.confusion import short_names
from deadpan.show.drawing import PLAIN, modality_looks, to_svg
from deadpan.show.page import Fact, Panel, render

if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

MOST = 12
"""Labels drawn one by one; the figures of the others are in the JSON."""


def write_data_report(facts: Mapping[str, Any], path: Path) -> Path:
    """Write a page on what ``inspect`` found of a data set.

    The page needs no other file and no network; the JSON of ``inspect`` is inside it. An earlier
    page is replaced whole or, on any error, left as it was.

    Returns:
        The page's path.

    Raises:
        DeadpanError: the path is a directory, its folder is missing, or it cannot be written.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise DeadpanError(f"{path}: not a file in a directory that exists; give another path")
    page = data_page(facts).encode("utf-8", "replace")
    try:
        write_atomically(path, page)
    except OSError as error:
        raise DeadpanError(
            f"{path}: cannot be written ({error.strerror}); make room or give yourself permission"
        ) from None
    return path


def data_page(facts: Mapping[str, Any]) -> str:
    """The page as HTML; every text of the data is escaped."""
    sentences = [text for text in (facts["layout"], findings_verdict(facts)) if text]
    return render(
        "data.html.j2",
        title=facts["name"],
        verdict=" ".join(f"{text[0].upper()}{text[1:]}." for text in sentences),
        facts=_cards(facts),
        findings=facts["findings"],
        panels=data_panels(facts),
        splits=split_columns(facts),
        modalities=modality_columns(facts),
        rows_of=rows_of,
        notes=list(reading_notes(facts)),
        baseline=facts["baseline"],
        json=base64.b64encode(json_text(facts).encode("utf-8", "replace")).decode(),
    )


def _cards(facts: Mapping[str, Any]) -> list[Fact]:
    splits = facts["splits"]
    counts = ", ".join(f"{name} {split['clips']:,}" for name, split in splits.items())
    widths = ", ".join(f"{name} {width}" for name, width in facts["widths"].items())
    groups = facts["groups"]
    videos, shared = "unknown", ""
    if groups["count"]:
        videos, shared = f"{groups['count']:,}", f"{groups['in_two_splits']:,} in two splits"
    labels = ", ".join(facts["labels"][:8]) + (", ..." if len(facts["labels"]) > 8 else "")
    return [
        Fact(
            term="Clips",
            value=f"{sum(split['clips'] for split in splits.values()):,}",
            note="not split" if facts["unsplit"] else counts,
        ),
        Fact(term="Task", value=facts["task"] if labels else "none", note=labels or "no labels"),
        Fact(term="Videos or speakers", value=videos, note=shared),
        Fact(
            term="Modalities",
            value=f"{len(facts['widths'])}",
            note=f"features per step: {widths or 'none'}",
        ),
    ]


def data_panels(facts: Mapping[str, Any]) -> list[Panel]:
    """Labels, lengths in steps and in seconds, and missing modalities, as far as there are any."""
    splits = {name: split for name, split in facts["splits"].items() if split["clips"]}
    return [*_labels(facts, splits), *_lengths(facts), *_missing(facts, splits)] if splits else []


def _labels(facts: Mapping[str, Any], splits: Mapping[str, Any]) -> Iterator[Panel]:
    if not facts["labels"]:
        return
    labels = {name: split["labels"] for name, split in splits.items()}
    statistics = next(iter(labels.values()))
    draw = _label_bins if "values" in statistics else _label_shares
    yield (_sentiment if "histogram" in statistics else draw)(facts, labels)


def _sentiment(facts: Mapping[str, Any], labels: Mapping[str, Any]) -> Panel:
    counts = {split: values["histogram"] for split, values in labels.items()}
    shares = {s: [n / sum(bins.values()) for n in bins.values()] for s, bins in counts.items()}
    scores = list(next(iter(counts.values())))
    means = ", ".join(f"{values['mean']:+.2f} in {split}" for split, values in labels.items())
    name = facts["labels"][0]
    axis = f"{short_names([name], longest=24)[0]}, rounded (−3 to 3)"
    return Panel(
        title="Labels",
        finding=f"The mean is {means.replace('-', '−')}.",
        svg=to_svg(
            "labels",
            lambda figure: upright_bars(
                figure, [score.replace("-", "−") for score in scores], shares, axis
            ),
        ),
        head=(f"{name}, rounded", *(f"{split} clips" for split in labels)),
        rows=tuple(
            (score.replace("-", "−"), *(f"{bins[score]:,}" for bins in counts.values()))
            for score in scores
        ),
    )


def _label_shares(facts: Mapping[str, Any], labels: Mapping[str, Any]) -> Panel:
    emotions = facts["task"] == "emotions"
    by_name = {name: values["present" if emotions else "share"] for name, values in labels.items()}
    names, more = _drawable(facts["labels"])
    split, first = next(iter(by_name.items()))
    most = max(first, key=first.__getitem__)
    verb = "is present in" if emotions else "is the class of"
    frequent = f"Most frequent: {most}, which {verb} {percent(first[most])} of the {split} clips."
    shares = {
        name: [values[label] for label in facts["labels"][: len(names)]]
        for name, values in by_name.items()
    }
    return Panel(
        title="Emotions present" if emotions else "Classes",
        finding=f"{frequent}{more}",
        svg=to_svg(
            "labels",
            lambda figure: level_bars(figure, names, shares),
            height=level_height(len(names), len(shares)),
        ),
        head=("emotion" if emotions else "class", *(f"share of {name}" for name in by_name)),
        rows=tuple(
            (name, *(percent(values[name]) for values in by_name.values()))
            for name in facts["labels"]
        ),
    )


def _label_bins(facts: Mapping[str, Any], labels: Mapping[str, Any]) -> Panel:
    names, more = _drawable(facts["labels"])
    histograms = {
        split: [values["values"][name]["histogram"] for name in facts["labels"]]
        for split, values in labels.items()
    }
    rows: list[tuple[str, ...]] = []
    for index, name in enumerate(facts["labels"]):
        bins = [split[index] for split in histograms.values()]
        for row, title in enumerate(bins[0]["bins"]):
            rows.append((name, title, *(f"{split['counts'][row]:,}" for split in bins)))
    return Panel(
        title="Labels",
        finding=f"Bins from the least to the greatest label, the same in all splits.{more}",
        svg=to_svg(
            "labels",
            lambda figure: label_bins(figure, names, histograms),
            height=bins_height(len(names)),
        ),
        head=("label", "bin", *(f"{name} clips" for name in labels)),
        rows=tuple(rows),
    )


def _drawable(labels: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The first labels as a figure can show them, and a note on what is not drawn."""
    names = short_names(labels[:MOST], longest=24)
    note = f" Drawn are the first {MOST} of {len(labels)}." if len(labels) > MOST else ""
    pairs = [f"{s} = {name}" for s, name in zip(names, labels[:MOST], strict=True) if name not in s]
    return names, f"{note} In the figure: {'; '.join(pairs)}." if pairs else note


def _lengths(facts: Mapping[str, Any]) -> Iterator[Panel]:
    for unit in ("steps", "seconds"):
        histograms = {
            name: modality["lengths"][unit]
            for name, modality in facts["modalities"].items()
            if unit in modality.get("lengths", {})
        }
        if histograms:
            yield _length_panel(facts, histograms, unit)


def _length_panel(facts: Mapping[str, Any], histograms: Mapping[str, Any], unit: str) -> Panel:
    medians: list[str] = []
    rows: list[tuple[str, ...]] = []
    for name, bins in histograms.items():
        edges, digits = bins["edges"], 0 if unit == "steps" else 1
        if unit == "steps":
            steps = facts["modalities"][name]["steps"]
            medians.append(f"{name} {steps['median']:.0f}")
        for low, high, count in zip(edges[:-1], edges[1:], bins["counts"], strict=True):
            last = high - 1 if unit == "steps" else high
            between = f"{low:.{digits}f}" + (f" to {last:.{digits}f}" if last > low else "")
            rows.append((name, between, f"{count:,}"))
    longest = max(bins["edges"][-1] for bins in histograms.values())
    median = f"Median: {', '.join(medians)}."
    return Panel(
        title=f"Lengths in {unit}",
        finding=median if medians else f"The last step ends after at most {longest:.1f} seconds.",
        svg=to_svg(
            f"lengths-{unit}",
            lambda figure: length_bars(figure, histograms, unit),
            height=lengths_height(len(histograms)),
        ),
        head=("modality", unit, "clips"),
        rows=tuple(rows),
    )


def _missing(facts: Mapping[str, Any], splits: Mapping[str, Any]) -> Iterator[Panel]:
    names = list(facts["modalities"])
    if not any(modality["missing"] for modality in facts["modalities"].values()):
        return
    shares = {
        split: [values["modalities"][name]["missing"] for name in names]
        for split, values in splits.items()
    }
    clips = sum(split["clips"] for split in splits.values())
    lacking = ", ".join(
        f"{name} by {count_of(clips - modality['clips'], 'clip')}"
        for name, modality in facts["modalities"].items()
        if modality["missing"]
    )
    yield Panel(
        title="Clips that lack a modality",
        finding=f"Lacked: {lacking}.",
        svg=to_svg(
            "missing",
            lambda figure: level_bars(figure, names, shares),
            height=level_height(len(names), len(shares)),
        ),
        head=("modality", *(f"lacked in {split}" for split in shares)),
        rows=tuple(
            (name, *(percent(values[index]) for values in shares.values()))
            for index, name in enumerate(names)
        ),
    )


# Dark, light and coloured: told apart in grey print, and by colour-blind eyes.
_SPLITS = {"train": "#4d5761", "valid": "#b9c0c7", "test": "#CC79A7"}

Numbers = Sequence[int | float]
Shares = Mapping[str, Numbers]
"""Per split, a share in [0, 1] for each category."""


def upright_bars(
    figure: "matplotlib.figure.Figure", categories: Sequence[str], shares: Shares, label: str
) -> None:
    """For each category a bar per split, upwards, in percent of the split's clips."""
    axes = figure.subplots()
    _bars(axes, categories, shares, upright=True)
    axes.set_xlabel(label)
    axes.set_ylabel("clips of the split (%)")
    axes.grid(visible=False, axis="x")
    _split_legend(figure)


def level_bars(
    figure: "matplotlib.figure.Figure", categories: Sequence[str], shares: Shares
) -> None:
    """The same from left to right, where the names of categories need room."""
    axes = figure.subplots()
    _bars(axes, categories, shares, upright=False)
    axes.invert_yaxis()
    axes.set_xlabel("clips of the split (%)")
    axes.grid(visible=False, axis="y")
    _split_legend(figure)


def level_height(categories: int, splits: int) -> float:
    """Inches that level bars need."""
    return 0.95 + categories * (0.12 + 0.15 * splits)


def _bars(
    axes: "matplotlib.axes.Axes", categories: Sequence[str], shares: Shares, *, upright: bool
) -> None:
    places, size = np.arange(len(categories)), 0.84 / len(shares)
    for index, (split, values) in enumerate(shares.items()):
        at = places + (index - (len(shares) - 1) / 2) * size
        (axes.bar if upright else axes.barh)(
            at, 100 * np.asarray(values), 0.92 * size, color=_SPLITS[split], label=split
        )
    (axes.set_xticks if upright else axes.set_yticks)(places, categories)


def label_bins(
    figure: "matplotlib.figure.Figure",
    titles: Sequence[str],
    splits: Mapping[str, Sequence[Mapping[str, Any]]],
) -> None:
    """For each label its bins, an outline per split, in percent of the split's clips.

    Args:
        figure: empty.
        titles: one per label, short.
        splits: per split a histogram (``edges``, ``counts``) for each label.
    """
    columns = min(2, len(titles))
    grid = figure.subplots(math.ceil(len(titles) / columns), columns, squeeze=False)
    for axes in grid.flat[len(titles) :]:
        axes.remove()
    for index, title in enumerate(titles):
        axes = grid.flat[index]
        for split, histograms in splits.items():
            edges = histograms[index]["edges"]
            counts = np.array(histograms[index]["counts"])
            shares = 100 * counts / counts.sum()
            axes.stairs(shares, edges, color=_SPLITS[split], lw=2, label=split)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(title)
        axes.set_ylabel("clips (%)" if index % columns == 0 else "")
    _split_legend(figure)


def bins_height(labels: int) -> float:
    """Inches that the bins of these labels need."""
    return 3.0 if labels == 1 else 0.5 + 1.8 * math.ceil(labels / 2)


def length_bars(
    figure: "matplotlib.figure.Figure",
    histograms: Mapping[str, Mapping[str, Numbers]],
    unit: str,
) -> None:
    """A histogram of lengths for each modality, below each other.

    Args:
        figure: empty.
        histograms: per modality ``edges`` and ``counts``.
        unit: of the edges: ``steps`` or ``seconds``.
    """
    looks = modality_looks(list(histograms))
    rows = figure.subplots(len(histograms), 1, squeeze=False)[:, 0]
    for axes, (name, bins) in zip(rows, histograms.items(), strict=True):
        # A length of 6 stands over the 6, not between 6 and 7.
        edges = np.asarray(bins["edges"]) - (0.5 if unit == "steps" else 0)
        colour = looks.get(name, PLAIN).colour
        axes.stairs(bins["counts"], edges, fill=True, color=colour)
        if edges[-1] - edges[0] <= 1:  # one length alone is a bar, not a wall
            axes.set_xlim(max(0, edges[0] - 2), edges[-1] + 2)
        axes.locator_params(axis="x", integer=unit == "steps", nbins=8)
        axes.locator_params(axis="y", integer=True, nbins=4)
        axes.set_xlabel(f"{name} {unit} per clip" if unit == "steps" else f"{name}, {unit}")
        axes.set_ylabel("clips")


def lengths_height(modalities: int) -> float:
    """Inches that the lengths of these modalities need."""
    return 0.3 + 1.35 * modalities


def _split_legend(figure: "matplotlib.figure.Figure") -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=3, handlelength=1.6, columnspacing=1.4
    )
