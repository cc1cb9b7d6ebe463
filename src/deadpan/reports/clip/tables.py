"""Every number that an explanation draws, as rows for CSV and as values for JSON."""

from collections.abc import Mapping
from typing import Any

from deadpan.analysis.disagreement import Verdict
from deadpan.analysis.explanation import Explanation, axis_of
from deadpan.analysis.maps import Axis, CrossmodalMap
from deadpan.training.history import GateSeeds

Rows = list[dict[str, object]]


def tables(explained: Explanation) -> dict[str, Rows]:
    """By file name."""
    found = {"words.csv": word_rows(explained), "salience.csv": salience_rows(explained)}
    if explained.crossmodal is not None:
        found["crossmodal.csv"] = map_rows(explained.crossmodal)
    if explained.apart:
        found["apart.csv"] = [verdict_row(verdict) for verdict in explained.apart]
    if explained.gates is not None:
        found["gate-batches.csv"] = gate_rows(explained.gates, "batch")
        found["gate-epochs.csv"] = gate_rows(explained.gates, "epoch")
    return found


def values(explained: Explanation) -> dict[str, Any]:
    """For explain.json: the same, and how it was come by."""
    clip = explained.clip
    return {
        "runs": [str(run.path) for run in explained.runs],
        "method": explained.method,
        "clip": {
            "id": clip.id,
            "split": explained.split,
            "why": explained.why,
            "words": list(clip.words),
            "kind": clip.truth.kind if clip.truth else None,
            "label": dict(explained.verdict.truth),
            "predictions": explained.verdict.predictions,
            "tendencies": explained.verdict.tendencies,
        },
        "randomisation": explained.check,
        "tables": tables(explained),
    }


def map_rows(drawn: CrossmodalMap) -> Rows:
    """A row per step of the target; a column per step of the source, named by its start."""
    heads = [f"{edge:.3f}" for edge in drawn.source.edges[:-1].tolist()]
    if drawn.source.unit == "steps":
        heads = [str(i + 1) for i in range(len(heads))]
    return [
        {**_step(drawn.target, row), **dict(zip(heads, weights, strict=True))}
        for row, weights in enumerate(drawn.weights.tolist())
    ]


def word_rows(explained: Explanation) -> Rows:
    """A row per step of the target; a column per condition, those of two runs last."""
    columns = {"+".join(told.given) or "alone": told.values for told in explained.told}
    columns |= {f"run {told.run}": told.values for told in explained.against}
    return [
        {**_step(explained.target, i), **{name: float(x[i]) for name, x in columns.items()}}
        for i in range(len(explained.target.edges) - 1)
    ]


def salience_rows(explained: Explanation) -> Rows:
    """A row per run, modality and step of the clip."""
    return [
        {"run": run, "modality": name, **_step(axis_of(explained.clip, name), i), "salience": worth}
        for run, by_modality in explained.salience.items()
        for name, x in by_modality.items()
        if len(x)
        for i, worth in enumerate(x.tolist())
    ]


def _step(axis: Axis, i: int) -> dict[str, object]:
    seconds = axis.unit == "seconds"
    return {
        "step": i + 1,
        "word": axis.words[i] if axis.words else "",
        "start": round(float(axis.edges[i]), 4) if seconds else "",
        "end": round(float(axis.edges[i + 1]), 4) if seconds else "",
    }


def verdict_row(verdict: Verdict) -> dict[str, object]:
    """A clip, its label, what each run predicts, what each modality does by itself."""

    def columns(kind: str, by_label: Mapping[str, float]) -> dict[str, object]:
        return {f"{kind} {label}": value for label, value in by_label.items()}

    row: dict[str, object] = {
        "id": verdict.clip.id,
        "words": " ".join(verdict.clip.words),
        "kind": verdict.clip.truth.kind if verdict.clip.truth else "",
        "gap": verdict.gap,
        **columns("label", verdict.truth),
    }
    for run, said in verdict.predictions.items():
        row |= columns(run, said)
    for name, said in verdict.tendencies.items():
        row |= columns(f"only {name}", said)
    return row


def gate_rows(seeds: GateSeeds, point: str) -> Rows:
    """A row per run and batch of the first epoch, or per run and epoch."""
    by_epoch = point == "epoch"
    weights = seeds.by_epoch() if by_epoch else seeds.first_epoch()
    rows: Rows = []
    for name, gate, mine in zip(seeds.names, seeds.gates, weights.tolist(), strict=True):
        frozen = gate.frozen_epoch
        for number, each in enumerate(mine, start=1):
            row: dict[str, object] = {"run": name, point: number}
            row |= dict(zip(seeds.modalities, each, strict=True))
            if by_epoch:
                row["frozen"] = int(frozen is not None and number >= frozen)
            rows.append(row)
    return rows
