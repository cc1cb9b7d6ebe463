"""``deadpan explain``: a folder of figures, tables and one self-contained HTML page."""

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deadpan.analysis.crossmodal import Axis, CrossmodalMap, axis_of
from deadpan.analysis.explanation import ClipPredictions, Explanation
from deadpan.errors import DeadpanError
from deadpan.files import csv_text, json_text, write_atomically
from deadpan.reports.clip.panels import clip_panels
from deadpan.show.page import Fact, Panel, render
from deadpan.training.history import GateSeeds

Rows = list[dict[str, object]]

PAGE = "explain.html"
METHODS = {
    "attention": "Salience follows attention back from the steps that the model predicts from. "
    "Heads and layers are averaged; where one modality attends to another, half of the weight "
    "stays with the word and half goes to the steps it attends to.",
    "rollout": "Salience is attention rollout (Abnar and Zuidema 2020): layer by layer, half of "
    "the weight goes through the residual connection and half along attention.",
    "gradient": "Salience is attention times its positive gradient (Chefer et al. 2021), added up "
    "layer by layer.",
}
"""How salience is computed by each method, for the page."""


def write_explanation(explained: Explanation, folder: Path) -> Path:
    """Write every figure, table and the page; the page last.

    The page needs no other file and no network. Files of an earlier explanation are replaced one
    by one, each whole; a new folder that could not be filled is removed again.

    Returns:
        The page's path.

    Raises:
        DeadpanError: the folder is a file, or cannot be written.
    """
    files = explanation_files(explained)
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(folder / name, content)
    except OSError as error:
        if new:
            shutil.rmtree(folder, ignore_errors=True)
        raise DeadpanError(
            f"{folder}: cannot be written ({error.strerror}); give another --out"
        ) from None
    return folder / PAGE


def explanation_files(explained: Explanation) -> dict[str, bytes]:
    """Every file by its name."""
    files: dict[str, bytes] = {}
    drawn = clip_panels(explained)
    for picture in (panel.picture for panel in drawn if panel.picture):
        files[f"{picture.name}.svg"] = picture.svg.encode()
        files[f"{picture.name}.png"] = picture.png
    for name, rows in clip_tables(explained).items():
        files[name] = csv_text(rows).encode("utf-8", "replace")
    files["explain.json"] = json_text(_values(explained)).encode("utf-8", "replace")
    return files | {PAGE: _page(explained, drawn).encode("utf-8", "replace")}


def _page(explained: Explanation, drawn: Sequence[Panel]) -> str:
    clip = explained.clip
    return render(
        "clip.html.j2",
        title=f"Clip {clip.id}",
        words=" ".join(clip.words),
        runs=[run.title for run in explained.runs],
        why=f"Of the {explained.split} split; {explained.why}.",
        closed=[str(run.path) for run in explained.runs if not run.opened.files.evaluated],
        kind=clip.truth.kind if clip.truth else "",
        facts=_cards(explained.predictions),
        panels=drawn,
        modalities=explained.runs[0].model.modalities,
        apart=explained.apart,
        label_text=label_text,
        method=explained.method,
        meaning=METHODS[explained.method],
        check=explained.check,
        number=_number,
        files=sorted(["explain.json", *clip_tables(explained)]),
    )


def _cards(predictions: ClipPredictions) -> list[Fact]:
    """Label, predictions and single modalities of the clip."""
    alone = [
        Fact(term=f"With {name} alone", value=label_text(by_label), note="all else missing")
        for name, by_label in predictions.by_modality.items()
    ]
    runs = [
        Fact(term=f"Predicted by {run}", value=label_text(by_label), note="with all it has")
        for run, by_label in predictions.by_run.items()
    ]
    return [Fact(term="Label", value=label_text(predictions.label), note=""), *runs, *alone]


def label_text(by_label: Mapping[str, float]) -> str:
    """A signed number for one label; the greatest by name for several."""
    if len(by_label) == 1:
        return _number(next(iter(by_label.values())), "+")
    name, value = max(by_label.items(), key=lambda item: item[1])
    return f"{name} {_number(value)}"


def _number(value: float, sign: str = "") -> str:
    return "–" if math.isnan(value) else f"{value:{sign}.2f}".replace("-", "−")


def clip_tables(explained: Explanation) -> dict[str, Rows]:
    """Every number that is drawn, as rows by file name."""
    files = {"words.csv": _word_rows(explained), "salience.csv": _salience_rows(explained)}
    if explained.crossmodal is not None:
        files["crossmodal.csv"] = _map_rows(explained.crossmodal)
    if explained.apart:
        files["apart.csv"] = [_prediction_row(each) for each in explained.apart]
    if explained.gates is not None:
        files["gate-batches.csv"] = _gate_rows(explained.gates, "batch")
        files["gate-epochs.csv"] = _gate_rows(explained.gates, "epoch")
    return files


def _values(explained: Explanation) -> dict[str, Any]:
    """The content of explain.json: the tables, and how they came about."""
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
            "label": dict(explained.predictions.label),
            "predictions": explained.predictions.by_run,
            "tendencies": explained.predictions.by_modality,
        },
        "randomisation": explained.check,
        "tables": clip_tables(explained),
    }


def _map_rows(drawn: CrossmodalMap) -> Rows:
    """A row per step of the target; a column per step of the source, named by its start."""
    heads = [f"{edge:.3f}" for edge in drawn.source.edges[:-1].tolist()]
    if drawn.source.unit == "steps":
        heads = [str(i + 1) for i in range(len(heads))]
    return [
        {**_step(drawn.target, row), **dict(zip(heads, weights, strict=True))}
        for row, weights in enumerate(drawn.weights.tolist())
    ]


def _word_rows(explained: Explanation) -> Rows:
    """A row per step of the target; a column per condition, those of two runs last."""
    columns = {"+".join(each.given) or "alone": each.values for each in explained.conditions}
    columns |= {f"run {each.run}": each.values for each in explained.against}
    return [
        {**_step(explained.target, i), **{name: float(x[i]) for name, x in columns.items()}}
        for i in range(len(explained.target.edges) - 1)
    ]


def _salience_rows(explained: Explanation) -> Rows:
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


def _prediction_row(predictions: ClipPredictions) -> dict[str, object]:
    """A clip, its label, what each run predicts, what each modality does by itself."""

    def columns(kind: str, by_label: Mapping[str, float]) -> dict[str, object]:
        return {f"{kind} {label}": value for label, value in by_label.items()}

    row: dict[str, object] = {
        "id": predictions.clip.id,
        "words": " ".join(predictions.clip.words),
        "kind": predictions.clip.truth.kind if predictions.clip.truth else "",
        "gap": predictions.gap,
        **columns("label", predictions.label),
    }
    for run, by_label in predictions.by_run.items():
        row |= columns(run, by_label)
    for name, by_label in predictions.by_modality.items():
        row |= columns(f"only {name}", by_label)
    return row


def _gate_rows(seeds: GateSeeds, point: str) -> Rows:
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
