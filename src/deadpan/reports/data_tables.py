"""Statistics of a data set as table cells: the same rows on the screen and on the page."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from deadpan.data.health.findings import GRAVITIES, percent
from deadpan.errors import count_of

Columns = Mapping[str, Mapping[str, str]]
"""A heading for each column, and its cells by the name of their row."""


def split_columns(facts: Mapping[str, Any]) -> Columns:
    """Table of the statistics of splits, a column for each split that has clips."""
    return {
        "not split" if facts["unsplit"] else name: _split(split)
        for name, split in facts["splits"].items()
        if split["clips"]
    }


def modality_columns(facts: Mapping[str, Any]) -> Columns:
    """Table of the statistics of modalities, a column for each."""
    return {name: _modality(modality) for name, modality in facts["modalities"].items()}


def rows_of(columns: Columns) -> list[str]:
    """The name of each row that any column has, in order."""
    return list(dict.fromkeys(key for cells in columns.values() for key in cells))


def reading_notes(facts: Mapping[str, Any]) -> Iterator[str]:
    """Notes for reading the columns of modalities, a sentence each."""
    if any("range" in modality for modality in facts["modalities"].values()):
        yield "deviations: robust ones, from the median of each feature over the train steps"
    if unscaled := facts["unscaled"]:
        reasons = ", ".join(f"{name} ({why})" for name, why in unscaled.items())
        rest = ", ".join(name for name in facts["modalities"] if name not in unscaled)
        yield f"--normalization scales {rest or 'nothing'}; not {reasons}; --unscaled decides"
    else:
        yield "--normalization scales every modality; --unscaled decides"
    for name, recipe in facts["recipes"].items():
        yield f"{name}: {recipe['shown']}"
    for name, modality in facts["modalities"].items():
        sample = modality.get("sample", {"every": 1})
        if sample["every"] > 1:
            yield (
                f"{name}: medians, and shares beyond and cut, are of one step in "
                f"{sample['every']}, {sample['steps']:,} in all"
            )


def findings_verdict(facts: Mapping[str, Any]) -> str:
    """How many findings of each gravity there are."""
    counts = Counter(finding["gravity"] for finding in facts["findings"])
    nouns = {"serious": "serious finding"}
    counted = [count_of(counts[g], nouns.get(g, g)) for g in GRAVITIES if counts[g]]
    if not counted:
        return "nothing to mend, nothing to warn of"
    return " and ".join([", ".join(counted[:-1]), counted[-1]] if counted[1:] else counted)


def _split(split: Mapping[str, Any]) -> dict[str, str]:
    rows = {"clips": f"{split['clips']:,}"}
    if split["groups"]:
        rows["videos or speakers"] = f"{split['groups']:,}"
    if "seconds" in split:
        rows["seconds"] = _range(split["seconds"], 1)
    for name, modality in split["modalities"].items():
        if "steps" in modality:
            rows[f"{name} steps"] = _range(modality["steps"], 0)
        if modality["missing"]:
            rows[f"{name} missing"] = percent(modality["missing"])
    rows |= {f"kind: {kind}": f"{count:,}" for kind, count in split.get("kinds", {}).items()}
    if "std" in (labels := split["labels"]):
        rows["label, mean ± dev."] = f"{labels['mean']:+.2f} ± {labels['std']:.2f}"
    for name, values in labels.get("values", {}).items():
        rows[f"{name}, mean ± dev."] = f"{values['mean']:.3g} ± {values['std']:.2g}"
    return rows


def _modality(modality: Mapping[str, Any]) -> dict[str, str]:
    rows = {"features per step": f"{modality['width']:,}"}
    rows["clips that lack it"] = percent(modality["missing"])
    if padding := modality["padding"]:
        share = f", {percent(padding['share'])}" if padding["share"] else ""
        rows["padding in the file"] = f"{padding['side']}{share}"
    mended = [f"{count:,} {kind}" for kind, count in modality["mended"].items() if count]
    rows["not finite, set to 0"] = ", ".join(mended) or "0"
    if "range" not in modality:
        return rows
    least, most = modality["range"]["min"], modality["range"]["max"]
    rows |= {
        "steps": f"{modality['steps']['total']:,}",
        "range of values": f"{least:,.4g} to {most:,.4g}",
        "steps of zeros": percent(modality["zero_steps"]["share"]),
        "distinct sequences": f"{modality['distinct']:,}",
        "constant clips": f"{modality['constant_clips']['count']:,}",
        "constant features": f"{modality['constant_features']['count']:,}",
        "of these always 0": f"{modality['zero_features']['count']:,}",
        "beyond 10 deviations": percent(modality["outliers"]["share"]),
    }
    if scaled := modality["normalization"]:
        rows["cut beyond 5"] = percent(scaled["cut"])
        rows["scaled over 1000 times"] = f"{scaled['magnified']['count']:,}"
    return rows


def _range(summary: Mapping[str, float], digits: int) -> str:
    low, middle, high = (f"{summary[key]:.{digits}f}" for key in ("min", "median", "max"))
    return low if low == high else f"{middle} ({low}–{high})"
