"""``deadpan explain``: a folder of figures, tables and one self-contained HTML page."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deadpan.analysis.crossmodal import Axis, CrossmodalMap, axis_of
from deadpan.analysis.explanation import ClipPredictions, Explanation, TargetSalience
from deadpan.files import csv_text, json_text
from deadpan.reports.clip_figures import (
    Strip,
    heatmap,
    scale_of,
    shade,
    step_curves,
    strongest_cells,
    word_strips,
)
from deadpan.reports.folder import write_page_folder
from deadpan.reports.gate import gate_panels
from deadpan.show.drawing import picture
from deadpan.show.fonts import lacks_letters
from deadpan.show.page import Fact, Panel, ShadedWord, WordStrip, render
from deadpan.training.history import GateSeeds
from deadpan.types import TEXT

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
        DeadpanError: the folder is a file, or cannot be written, or another process writes it.
    """
    write_page_folder(explanation_files(explained), folder)
    return folder / PAGE


def explanation_files(explained: Explanation) -> dict[str, bytes]:
    """Contents of every file of the explanation, by file name."""
    files: dict[str, bytes] = {}
    panels = _panels(explained)
    for drawing in (panel.picture for panel in panels if panel.picture):
        files[f"{drawing.name}.svg"] = drawing.svg.encode()
        files[f"{drawing.name}.png"] = drawing.png
    for name, rows in clip_tables(explained).items():
        files[name] = csv_text(rows).encode("utf-8", "replace")
    files["explain.json"] = json_text(_values(explained)).encode("utf-8", "replace")
    return files | {PAGE: _page(explained, panels).encode("utf-8", "replace")}


def _page(explained: Explanation, panels: Sequence[Panel]) -> str:
    clip = explained.clip
    return render(
        "clip.html.j2",
        title=f"Clip {clip.id}",
        words=" ".join(clip.words),
        runs=[run.title for run in explained.runs],
        why=f"Of the {explained.split} split; {explained.reason}.",
        closed=[str(run.path) for run in explained.runs if not run.opened.files.evaluated],
        truth=clip.truth,
        facts=_cards(explained.predictions),
        panels=panels,
        modalities=explained.runs[0].model.modalities,
        apart=explained.apart,
        label_text=label_text,
        method=explained.method,
        meaning=METHODS[explained.method],
        check=explained.check,
        number=_number,
        files=sorted(["explain.json", *clip_tables(explained)]),
    )


def _panels(explained: Explanation) -> list[Panel]:
    """Figures 1 to 3, 5 and 8, 6 and 7 of the paper, as far as the model has them."""
    panels: list[Panel] = []
    if explained.crossmodal is not None:
        panels.append(_map_panel(explained.crossmodal))
    panels += _word_panels(explained)
    if explained.gates is not None:
        panels += gate_panels(
            explained.gates, ["gate-batches.csv", "gate-epochs.csv"], for_papers=True
        )
    return panels


def _map_panel(attention: CrossmodalMap) -> Panel:
    size, drawn_words, paint = heatmap(attention)
    cells = strongest_cells(attention)
    drawing = picture("crossmodal", paint, size)
    return Panel(
        title=f"Crossmodal attention {attention.source.name} → {attention.target.name} (figure 1)",
        finding=f"Strongest cells (1 = mean of the map): {cells}. {drawn_words.note}".strip(),
        svg=drawing.inline,
        picture=drawing,
        sources=("crossmodal.csv",),
    )


def _word_panels(explained: Explanation) -> Iterator[Panel]:
    target, prefix = explained.target.name, "words" if explained.target.name == TEXT else "steps"
    conditions = [
        (f"{' + '.join(each.context)} → {target}" if each.context else f"{target} alone", each)
        for each in explained.conditions
    ]
    yield _panel(
        explained,
        f"{prefix}-self",
        f"Salience of {target}: alone, and with all other modalities (figure 2)",
        [conditions[i] for i in dict.fromkeys([0, len(conditions) - 1])],
    )
    singles = [condition for condition in conditions if len(condition[1].context) == 1]
    if len(singles) > 1:
        yield _panel(
            explained,
            f"{prefix}-sources",
            f"Salience of {target}: with one other modality at a time (figure 3)",
            singles,
        )
    if explained.against:
        yield _panel(
            explained,
            f"{prefix}-runs",
            f"Salience of {target}: the same clip under two runs (figures 5 and 8)",
            [
                (f"run {number}" if lacks_letters(each.run) else each.run, each)
                for number, each in enumerate(explained.against, start=1)
            ],
        )


def _panel(
    explained: Explanation, name: str, title: str, conditions: Sequence[tuple[str, TargetSalience]]
) -> Panel:
    axis = explained.target
    strips: list[Strip] = [(line, each.shares) for line, each in conditions]
    finding = " ".join(f"{line}: {_most_salient(explained, each)}." for line, each in conditions)
    if axis.name != TEXT:
        drawing = picture(name, lambda figure: step_curves(figure, axis, strips), (6.5, 2.9))
        return Panel(
            title=title,
            finding=finding,
            svg=drawing.inline,
            picture=drawing,
            sources=("words.csv",),
        )
    words = axis.words or tuple(str(i + 1) for i in range(len(axis.edges) - 1))
    size, drawn_words, paint = word_strips(words, strips)
    scale = scale_of(strips)
    drawing = picture(name, paint, size)
    return Panel(
        title=title,
        finding=f"{finding} {drawn_words.note}".strip(),
        svg=drawing.inline,
        strips=tuple(
            WordStrip(
                title=line,
                words=tuple(
                    ShadedWord(text=word, value=f"{share:.2f}", back=back, front=front)
                    for word, share in zip(words, shares.tolist(), strict=True)
                    for back, front in [shade(share, scale)]
                ),
            )
            for line, shares in strips
        ),
        right_to_left=drawn_words.right_to_left,
        picture=drawing,
        sources=("words.csv",),
    )


def _most_salient(explained: Explanation, condition: TargetSalience) -> str:
    shares = condition.shares
    if not shares.any():
        return "no step is salient"
    best = sorted(range(len(shares)), key=lambda i: -shares[i])[:3]
    return "most on " + ", ".join(f"{explained.target.at(i)} ({shares[i]:.2f})" for i in best)


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
            "why": explained.reason,
            "words": list(clip.words),
            "kind": clip.truth.kind if clip.truth else None,
            "label": dict(explained.predictions.label),
            "predictions": explained.predictions.by_run,
            "tendencies": explained.predictions.by_modality,
        },
        "randomisation": explained.check,
        "tables": clip_tables(explained),
    }


def _map_rows(attention: CrossmodalMap) -> Rows:
    """A row per step of the target; a column per step of the source, named by its start."""
    heads = [f"{edge:.3f}" for edge in attention.source.edges[:-1].tolist()]
    if attention.source.unit == "steps":
        heads = [str(i + 1) for i in range(len(heads))]
    return [
        {**_step(attention.target, row), **dict(zip(heads, weights, strict=True))}
        for row, weights in enumerate(attention.weights.tolist())
    ]


def _word_rows(explained: Explanation) -> Rows:
    """A row per step of the target; a column per condition, those of two runs last."""
    columns = {"+".join(each.context) or "alone": each.values for each in explained.conditions}
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
    for name, gate, rows_of_run in zip(seeds.names, seeds.gates, weights.tolist(), strict=True):
        frozen = gate.frozen_epoch
        for number, each in enumerate(rows_of_run, start=1):
            row: dict[str, object] = {"run": name, point: number}
            row |= dict(zip(seeds.modalities, each, strict=True))
            if by_epoch:
                row["frozen"] = int(frozen is not None and number >= frozen)
            rows.append(row)
    return rows
