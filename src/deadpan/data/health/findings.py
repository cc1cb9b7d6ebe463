"""What to know of a data set, in sentences, the gravest first."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deadpan.data.containers.files import shown
from deadpan.data.health.modalities import FAR, MAGNIFIED
from deadpan.data.normalization import LIMIT
from deadpan.types import SPLITS, TEXT

SERIOUS, WARNING, NOTE = "serious", "warning", "note"
GRAVITIES = (SERIOUS, WARNING, NOTE)
"""Scores or training would mean nothing; something is likely wrong; worth knowing."""

LEAKS = ("is in both", "in two splits")
"""Words of a warning that clips of one split tell what is in another."""
MANY_ZEROS, MANY_FAR, MANY_CUT = 0.05, 0.001, 0.01
"""Shares of steps and of values above which they are more than a note, or are noted at all."""
FEW_DISTINCT = 0.5
"""Share of clips below which the sequences that differ from each other are few."""

Finding = tuple[str, str]


def findings(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    """Sentences on what ``inspect`` found, each with its gravity; none for a clean data set."""
    found = [
        *_splits(figures),
        *_duplicates(figures["duplicates"]),
        *_warnings(figures["warnings"]),
        *_labels(figures),
        *_modalities(figures),
        *_repairs(figures["repairs"]),
    ]
    found.sort(key=lambda finding: GRAVITIES.index(finding[0]))
    return [{"gravity": gravity, "sentence": sentence} for gravity, sentence in found]


def percent(share: float) -> str:
    """A share in [0, 1] as people read it."""
    if 0 < share < 0.0001:
        return "under 0.01 %"
    return f"{100 * share:.{1 if share >= 0.01 or not share else 2}f} %"


def count_of(number: int, noun: str) -> str:
    """``1 clip``, ``1,200 clips``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(values: Mapping[str, Any]) -> str:
    """``(a, b, ...)``: the first ids or indices of what was counted."""
    more = ", ..." if values["count"] > len(values["first"]) else ""
    return f"({', '.join(map(shown, values['first']))}{more})"


def _splits(figures: Mapping[str, Any]) -> Iterator[Finding]:
    for split in SPLITS:
        if not figures["splits"][split]["clips"]:
            yield SERIOUS if split == "train" else WARNING, f"{split}: no clips"


def _duplicates(twins: Mapping[str, Any]) -> Iterator[Finding]:
    if not twins["pairs"]:
        return
    across_first = sorted(twins["by_splits"], key=lambda part: len({*part["splits"]}), reverse=True)
    places = [
        f"{part['pairs']:,} {_where(*part['splits'])} ({', '.join(map(shown, part['first']))})"
        for part in across_first
    ]
    verb = "is" if twins["pairs"] == 1 else "are"
    sentence = f"{count_of(twins['pairs'], 'pair')} of clips {verb} identical in all features"
    if len(places) == 1:  # its number was just said
        places = [places[0].partition(" ")[2]]
    yield SERIOUS if twins["across_splits"] else WARNING, f"{sentence}, {', '.join(places)}"


def _where(one: str, other: str) -> str:
    return f"within {one}" if one == other else f"across {one} and {other}"


def _warnings(warnings: Iterable[str]) -> Iterator[Finding]:
    for warning in warnings:
        yield SERIOUS if any(leak in warning for leak in LEAKS) else WARNING, warning


def _labels(figures: Mapping[str, Any]) -> Iterator[Finding]:
    labels = figures["splits"]["train"].get("labels", {})
    for name, share in labels.get("present", {}).items():
        if share in (0, 1):
            every = "every" if share else "no"
            yield WARNING, f"'{shown(name)}' is present in {every} train clip"
    for name, share in labels.get("share", {}).items():
        if not share:
            yield WARNING, f"no train clip is of the class '{shown(name)}'"
    numbers = labels.get("values", {figures["labels"][0]: labels} if "std" in labels else {})
    for name, values in numbers.items():
        if not values["std"]:
            yield SERIOUS, f"'{shown(name)}' is {values['mean']:g} in every train clip"


def _modalities(figures: Mapping[str, Any]) -> Iterator[Finding]:
    train = figures["splits"]["train"].get("modalities", {})
    clips = sum(split["clips"] for split in figures["splits"].values())
    for name, modality in figures["modalities"].items():
        if not modality["clips"]:
            yield SERIOUS, f"no clip has {name}"
            continue
        in_train = name in train and train[name]["missing"] < 1
        if train and not in_train:
            yield SERIOUS, f"no train clip has {name}: nothing can be learned of it"
        elif lacking := clips - modality["clips"]:
            share = percent(modality["missing"])
            yield WARNING, f"{name} is missing in {lacking:,} of {clips:,} clips ({share})"
        if "range" in modality:
            yield from _sequences(name, modality)
            yield from _features(name, modality, "train clips" if in_train else "clips")
            yield from _outliers(name, modality)


def _sequences(name: str, modality: Mapping[str, Any]) -> Iterator[Finding]:
    constant, zero = modality["constant_clips"], modality["zero_steps"]
    if modality["distinct"] < FEW_DISTINCT * modality["clips"]:
        distinct = count_of(modality["distinct"], "distinct sequence")
        yield WARNING, f"{name}: only {distinct} in {modality['clips']:,} clips"
    if constant["count"]:
        verb = "has" if constant["count"] == 1 else "have"
        clips = count_of(constant["count"], "clip")
        yield WARNING, f"{name}: {clips} {verb} the same values at every step {listed(constant)}"
    if zero["count"]:
        clips = count_of(zero["clips"], "clip")
        share = percent(zero["share"])
        gravity = WARNING if zero["share"] > MANY_ZEROS else NOTE
        yield gravity, f"{name}: {count_of(zero['count'], 'step')} of zeros ({share}), in {clips}"


def _features(name: str, modality: Mapping[str, Any], clips: str) -> Iterator[Finding]:
    constant, zero = modality["constant_features"], modality["zero_features"]["count"]
    if constant["count"]:
        which = _some_of(constant, modality["width"])
        zeros = f", {zero} of them 0" if zero else ""
        yield NOTE, f"{name}: {which} one value in all {clips}{zeros}"
    scaled = modality["normalization"]
    if scaled and scaled["magnified"]["count"]:
        which = _some_of(scaled["magnified"], modality["width"])
        sentence = (
            f"{name}: {which} so small a spread that --normalization robust multiplies values, "
            f"and their noise, by more than {MAGNIFIED:,.0f}"
        )
        yield WARNING, sentence


def _some_of(chosen: Mapping[str, Any], width: int) -> str:
    verb = "has" if chosen["count"] == 1 else "have"
    return f"{chosen['count']} of {count_of(width, 'feature')} {listed(chosen)} {verb}"


def _outliers(name: str, modality: Mapping[str, Any]) -> Iterator[Finding]:
    far, scaled = modality["outliers"], modality["normalization"]
    worst, many = far["worst"], far["share"] > MANY_FAR
    # The features of word vectors are no measurements: a rare word alone is far from the others.
    if worst and (many or name != TEXT):
        sentence = (
            f"{name}: {percent(far['share'])} of values are farther than {FAR:.0f} robust "
            f"deviations from the median of their feature; the farthest is {worst['value']:.4g} "
            f"in feature {worst['feature']} of '{shown(worst['clip'])}' ({worst['split']}), at "
            f"{worst['deviations']:,.0f} deviations"
        )
        yield WARNING if many else NOTE, sentence
    if scaled and scaled["cut"] > MANY_CUT:
        share = percent(scaled["cut"])
        sentence = (
            f"{name}: --normalization robust cuts {share} of values to {LIMIT:.0f} deviations"
        )
        yield NOTE, sentence


def _repairs(repairs: Mapping[str, int]) -> Iterator[Finding]:
    for what, count in repairs.items():
        yield WARNING, f"repaired {count:,} time{'' if count == 1 else 's'}: {what}"
