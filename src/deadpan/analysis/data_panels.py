"""The figures of a data set, each with the sentence it shows and the numbers behind it."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deadpan.analysis import data_figures as figures
from deadpan.analysis.confusion_figure import short_names
from deadpan.analysis.drawing import to_svg
from deadpan.data.health.findings import count_of, percent

MOST = 12
"""Labels drawn one by one; the figures of the others are in the JSON."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataPanel:
    """A figure as the page shows it.

    Attributes:
        title: what is drawn.
        finding: what it shows, in one sentence: also read aloud in the figure's place.
        svg: an ``<svg>`` element that holds no text of the data.
        head: headings of the table of numbers.
        rows: its cells.
    """

    title: str
    finding: str
    svg: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def data_panels(facts: Mapping[str, Any]) -> list[DataPanel]:
    """Labels, lengths in steps and in seconds, and missing modalities, as far as there are any."""
    splits = {name: split for name, split in facts["splits"].items() if split["clips"]}
    return [*_labels(facts, splits), *_lengths(facts), *_missing(facts, splits)] if splits else []


def _labels(facts: Mapping[str, Any], splits: Mapping[str, Any]) -> Iterator[DataPanel]:
    labels = {name: split["labels"] for name, split in splits.items()}
    draw = {"regression": _sentiment, "scores": _label_bins}.get(facts["task"], _label_shares)
    yield draw(facts, labels)


def _sentiment(facts: Mapping[str, Any], labels: Mapping[str, Any]) -> DataPanel:
    counts = {split: values["histogram"] for split, values in labels.items()}
    shares = {split: _shares(list(bins.values())) for split, bins in counts.items()}
    scores = list(next(iter(counts.values())))
    means = ", ".join(f"{values['mean']:+.2f} in {split}" for split, values in labels.items())
    name = facts["labels"][0]
    axis = f"{short_names([name], longest=24)[0]}, rounded (−3 to 3)"
    return DataPanel(
        title="Labels",
        finding=f"The mean is {means.replace('-', '−')}.",
        svg=to_svg(
            "labels",
            lambda figure: figures.upright_bars(
                figure, [score.replace("-", "−") for score in scores], shares, axis
            ),
        ),
        head=(f"{name}, rounded", *(f"{split} clips" for split in labels)),
        rows=tuple(
            (score.replace("-", "−"), *(f"{bins[score]:,}" for bins in counts.values()))
            for score in scores
        ),
    )


def _shares(counts: Sequence[int]) -> list[float]:
    return [count / sum(counts) for count in counts]


def _label_shares(facts: Mapping[str, Any], labels: Mapping[str, Any]) -> DataPanel:
    emotions = facts["task"] == "emotions"
    by_name = {name: values["present" if emotions else "share"] for name, values in labels.items()}
    drawn, more = _drawable(facts["labels"])
    where, first = next(iter(by_name.items()))
    most = max(first, key=first.__getitem__)
    verb = "is present in" if emotions else "is the class of"
    told = f"Most frequent: {most}, which {verb} {percent(first[most])} of the {where} clips."
    shares = {
        split: [values[name] for name in facts["labels"][: len(drawn)]]
        for split, values in by_name.items()
    }
    return DataPanel(
        title="Emotions present" if emotions else "Classes",
        finding=f"{told}{more}",
        svg=to_svg(
            "labels",
            lambda figure: figures.level_bars(figure, drawn, shares),
            height=figures.level_height(len(drawn), len(shares)),
        ),
        head=("emotion" if emotions else "class", *(f"share of {name}" for name in by_name)),
        rows=tuple(
            (name, *(percent(values[name]) for values in by_name.values()))
            for name in facts["labels"]
        ),
    )


def _label_bins(facts: Mapping[str, Any], labels: Mapping[str, Any]) -> DataPanel:
    drawn, more = _drawable(facts["labels"])
    histograms = {
        split: [values["values"][name]["histogram"] for name in facts["labels"]]
        for split, values in labels.items()
    }
    rows: list[tuple[str, ...]] = []
    for index, name in enumerate(facts["labels"]):
        bins = [split[index] for split in histograms.values()]
        edges = bins[0]["edges"]
        for place, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            counts = (f"{split['counts'][place]:,}" for split in bins)
            rows.append((name, f"{low:.4g} to {high:.4g}", *counts))
    return DataPanel(
        title="Labels",
        finding=f"Seven bins from the least to the greatest label, the same in all splits.{more}",
        svg=to_svg(
            "labels",
            lambda figure: figures.label_bins(figure, drawn, histograms),
            height=figures.bins_height(len(drawn)),
        ),
        head=("label", "bin", *(f"{name} clips" for name in labels)),
        rows=tuple(rows),
    )


def _drawable(labels: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The first labels as a figure can show them, and what the reader must be told of that."""
    drawn = short_names(labels[:MOST], longest=24)
    told = f" Drawn are the first {MOST} of {len(labels)}." if len(labels) > MOST else ""
    pairs = [f"{s} = {name}" for s, name in zip(drawn, labels[:MOST], strict=True) if name not in s]
    return drawn, f"{told} In the figure: {'; '.join(pairs)}." if pairs else told


def _lengths(facts: Mapping[str, Any]) -> Iterator[DataPanel]:
    for unit in ("steps", "seconds"):
        histograms = {
            name: modality["lengths"][unit]
            for name, modality in facts["modalities"].items()
            if unit in modality.get("lengths", {})
        }
        if histograms:
            yield _length_panel(facts, histograms, unit)


def _length_panel(facts: Mapping[str, Any], histograms: Mapping[str, Any], unit: str) -> DataPanel:
    told: list[str] = []
    rows: list[tuple[str, ...]] = []
    for name, bins in histograms.items():
        edges, digits = bins["edges"], 0 if unit == "steps" else 1
        if unit == "steps":
            steps = facts["modalities"][name]["steps"]
            told.append(f"{name} {steps['median']:.0f}")
        for low, high, count in zip(edges[:-1], edges[1:], bins["counts"], strict=True):
            last = high - 1 if unit == "steps" else high
            between = f"{low:.{digits}f}" + (f" to {last:.{digits}f}" if last > low else "")
            rows.append((name, between, f"{count:,}"))
    longest = max(bins["edges"][-1] for bins in histograms.values())
    median = f"Median: {', '.join(told)}."
    return DataPanel(
        title=f"Lengths in {unit}",
        finding=median if told else f"The last step ends after at most {longest:.1f} seconds.",
        svg=to_svg(
            f"lengths-{unit}",
            lambda figure: figures.length_bars(figure, histograms, unit),
            height=figures.lengths_height(len(histograms)),
        ),
        head=("modality", unit, "clips"),
        rows=tuple(rows),
    )


def _missing(facts: Mapping[str, Any], splits: Mapping[str, Any]) -> Iterator[DataPanel]:
    names = list(facts["modalities"])
    if not any(modality["missing"] for modality in facts["modalities"].values()):
        return
    shares = {
        split: [values["modalities"][name]["missing"] for name in names]
        for split, values in splits.items()
    }
    clips = sum(split["clips"] for split in splits.values())
    told = ", ".join(
        f"{name} by {count_of(clips - modality['clips'], 'clip')}"
        for name, modality in facts["modalities"].items()
        if modality["missing"]
    )
    yield DataPanel(
        title="Clips that lack a modality",
        finding=f"Lacked: {told}.",
        svg=to_svg(
            "missing",
            lambda figure: figures.level_bars(figure, names, shares),
            height=figures.level_height(len(names), len(shares)),
        ),
        head=("modality", *(f"lacked in {split}" for split in shares)),
        rows=tuple(
            (name, *(percent(values[index]) for values in shares.values()))
            for index, name in enumerate(names)
        ),
    )
