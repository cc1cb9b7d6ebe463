"""Findings on a data set: sentences about its statistics, the most serious first."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from deadpan.data.containers.files import printable
from deadpan.data.dataset import Dataset, LazyClips, step_counts
from deadpan.data.health.modalities import FAR, MAGNIFIED
from deadpan.data.normalization import LIMIT
from deadpan.errors import count_of
from deadpan.types import SPLITS, Modality

SERIOUS, WARNING, NOTE = "serious", "warning", "note"
GRAVITIES = (SERIOUS, WARNING, NOTE)
"""Serious: scores would be meaningless. Warning: likely an error. Note: worth knowing."""

LEAKS = ("is in both", "in two splits")
"""Phrases of the warnings that information leaks from one split to another."""
MANY_ZEROS, MANY_FAR, MANY_CUT = 0.05, 0.001, 0.01
"""Shares of zero steps, outliers and clipped values above which they are reported as many."""
FEW_DISTINCT = 0.5
"""Share of clips below which the number of distinct sequences is reported as small."""

GradedSentence = tuple[str, str]


def findings(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    """Turn the statistics of ``inspect_dataset`` into sentences; none for a clean data set.

    Returns:
        A dict of ``gravity`` ("serious", "warning" or "note") and ``sentence`` per finding.
    """
    empty = [split for split in SPLITS if not figures["splits"][split]["clips"]]
    if not figures["labels"]:  # nothing is trained or scored; a warning says so
        empty = []
    entries = [
        *((SERIOUS if split == "train" else WARNING, f"{split}: no clips") for split in empty),
        *_duplicates(figures["duplicates"]),
        *(
            (SERIOUS if any(leak in warning for leak in LEAKS) else WARNING, warning)
            for warning in figures["warnings"]
        ),
        *([(NOTE, figures["alignment"])] if figures["alignment"] else []),
        *_labels(figures),
        *_modalities(figures),
        *(
            (WARNING, f"repaired {count_of(count, 'time')}: {what}")
            for what, count in figures["repairs"].items()
        ),
    ]
    entries.sort(key=lambda finding: GRAVITIES.index(finding[0]))
    return [{"gravity": gravity, "sentence": sentence} for gravity, sentence in entries]


def training_findings(dataset: Dataset) -> list[str]:
    """What is serious of the training clips and can be told without reading a feature."""
    train = dataset["train"]
    steps = step_counts(train, list(dataset.widths))
    sentences = [
        _absent_in_train(name)
        for name, column in zip(dataset.widths, steps.T, strict=True)
        if len(steps) and not column.any()
    ]
    if dataset.task in ("regression", "scores") and len(steps):
        lazy = isinstance(train, LazyClips)
        labels = train.labels if lazy else np.stack([clip.label for clip in train])
        sentences += [
            _constant_label(name, float(column[0]))
            for name, column in zip(dataset.labels, labels.T, strict=True)
            if (column == column[0]).all()
        ]
    return sentences


def _absent_in_train(modality: Modality) -> str:
    return f"no train clip has {modality}: nothing can be learned of it"


def _constant_label(name: str, value: float) -> str:
    return f"'{printable(name)}' is {value:g} in every train clip"


def percent(share: float) -> str:
    """Format a share in [0, 1] as a percentage."""
    if 0 < share < 0.0001:
        return "under 0.01 %"
    return f"{100 * share:.{1 if share >= 0.01 or not share else 2}f} %"


def examples(values: Mapping[str, Any]) -> str:
    """Format the first ids or indices of a count: ``(a, b, ...)``."""
    more = ", ..." if values["count"] > len(values["first"]) else ""
    return f"({', '.join(map(printable, values['first']))}{more})"


def _duplicates(duplicates: Mapping[str, Any]) -> Iterator[GradedSentence]:
    if not duplicates["pairs"]:
        return
    across_first = sorted(
        duplicates["by_splits"], key=lambda part: len({*part["splits"]}), reverse=True
    )
    locations = [
        f"{part['pairs']:,} {_between(*part['splits'])} "
        f"({', '.join(map(printable, part['first']))})"
        for part in across_first
    ]
    verb = "is" if duplicates["pairs"] == 1 else "are"
    sentence = f"{count_of(duplicates['pairs'], 'pair')} of clips {verb} identical in all features"
    if len(locations) == 1:  # the sentence has its number already
        locations = [locations[0].partition(" ")[2]]
    yield SERIOUS if duplicates["across_splits"] else WARNING, f"{sentence}, {', '.join(locations)}"


def _between(split: str, other_split: str) -> str:
    return f"within {split}" if split == other_split else f"across {split} and {other_split}"


def _labels(figures: Mapping[str, Any]) -> Iterator[GradedSentence]:
    labels = figures["splits"]["train"].get("labels", {})
    for name, share in labels.get("present", {}).items():
        if share in (0, 1):
            every = "every" if share else "no"
            yield WARNING, f"'{printable(name)}' is present in {every} train clip"
    for name, share in labels.get("share", {}).items():
        if not share:
            yield WARNING, f"no train clip is of the class '{printable(name)}'"
    numbers = labels.get("values", {figures["labels"][0]: labels} if "std" in labels else {})
    for name, values in numbers.items():
        if not values["std"]:
            yield SERIOUS, _constant_label(name, values["mean"])


def _modalities(figures: Mapping[str, Any]) -> Iterator[GradedSentence]:
    train = figures["splits"]["train"].get("modalities", {})
    clips = sum(split["clips"] for split in figures["splits"].values())
    for name, modality in figures["modalities"].items():
        if not modality["clips"]:
            yield SERIOUS, f"no clip has {name}"
            continue
        in_train = name in train and train[name]["missing"] < 1
        if train and not in_train:
            yield SERIOUS, _absent_in_train(name)
        elif missing := clips - modality["clips"]:
            share = percent(modality["missing"])
            yield WARNING, f"{name} is missing in {missing:,} of {clips:,} clips ({share})"
        if "range" in modality:
            yield from _sequences(name, modality)
            yield from _features(name, modality, "train clips" if in_train else "clips")
            yield from _outliers(name, modality)


def _sequences(name: str, modality: Mapping[str, Any]) -> Iterator[GradedSentence]:
    constant, zero = modality["constant_clips"], modality["zero_steps"]
    if modality["distinct"] < FEW_DISTINCT * modality["clips"]:
        distinct = count_of(modality["distinct"], "distinct sequence")
        yield WARNING, f"{name}: only {distinct} in {modality['clips']:,} clips"
    if constant["count"]:
        verb = "has" if constant["count"] == 1 else "have"
        clips = count_of(constant["count"], "clip")
        yield WARNING, f"{name}: {clips} {verb} the same values at every step {examples(constant)}"
    if zero["count"]:
        clips = count_of(zero["clips"], "clip")
        share = percent(zero["share"])
        gravity = WARNING if zero["share"] > MANY_ZEROS else NOTE
        yield gravity, f"{name}: {count_of(zero['count'], 'step')} of zeros ({share}), in {clips}"


def _features(name: str, modality: Mapping[str, Any], clips: str) -> Iterator[GradedSentence]:
    constant, zero = modality["constant_features"], modality["zero_features"]["count"]
    if constant["count"]:
        which = _count_features(constant, modality["width"])
        zeros = f", {zero} of them 0" if zero else ""
        yield NOTE, f"{name}: {which} one value in all {clips}{zeros}"
    scaled = modality["normalization"]
    if scaled and scaled["magnified"]["count"]:
        which = _count_features(scaled["magnified"], modality["width"])
        sentence = (
            f"{name}: {which} so small a spread that --normalization robust multiplies values, "
            f"and their noise, by more than {MAGNIFIED:,.0f}"
        )
        yield WARNING, sentence


def _count_features(chosen: Mapping[str, Any], width: int) -> str:
    verb = "has" if chosen["count"] == 1 else "have"
    return f"{chosen['count']} of {count_of(width, 'feature')} {examples(chosen)} {verb}"


def _outliers(name: str, modality: Mapping[str, Any]) -> Iterator[GradedSentence]:
    far, scaled = modality["outliers"], modality["normalization"]
    worst, many = far["worst"], far["share"] > MANY_FAR
    # What is not scaled is no measurement: a single rare word is far from the others.
    if worst and (many or scaled):
        sentence = (
            f"{name}: {percent(far['share'])} of values are farther than {FAR:.0f} robust "
            f"deviations from the median of their feature; the farthest is {worst['value']:.4g} "
            f"in feature {worst['feature']} of '{printable(worst['clip'])}' ({worst['split']}), at "
            f"{worst['deviations']:,.0f} deviations"
        )
        yield WARNING if many else NOTE, sentence
    if scaled and scaled["cut"] > MANY_CUT:
        share = percent(scaled["cut"])
        sentence = (
            f"{name}: --normalization robust cuts {share} of values to {LIMIT:.0f} deviations"
        )
        yield NOTE, sentence
