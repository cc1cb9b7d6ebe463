"""``deadpan report``: a run directory as one self-contained HTML page."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from deadpan.errors import RunError, count_of, unknown_name
from deadpan.files import write_atomically
from deadpan.locks import alone
from deadpan.models import display_name
from deadpan.reports.gate import gate_figure, gate_height, gate_panels
from deadpan.reports.predictions import VIEWS
from deadpan.reports.uncertainty import coverage_rows, uncertainty_panels
from deadpan.show.drawing import (
    FAINT,
    INK,
    MUTED,
    figure_to_show,
    kind_looks,
    modality_looks,
    to_svg,
    whole_ticks,
)
from deadpan.show.page import Fact, Panel, render
from deadpan.training.environment import Environment
from deadpan.training.history import RETRAIN, EpochHistory, GateHistory, GateSeeds
from deadpan.training.opened import EPOCHS_FILE, GATE_FILE, RunDirectory
from deadpan.training.predictions import hardest
from deadpan.training.scores import RunScores
from deadpan.training.settings import Settings

if TYPE_CHECKING:
    import matplotlib.figure


def run_facts(
    environment: Environment, settings: Settings, history: EpochHistory, gate: GateHistory | None
) -> list[Fact]:
    """Data set, model, primary modality and training of a run."""
    dataset = environment.dataset
    clips = [f"{split} {count}" for split, count in dataset.splits.items()]
    seconds = float(np.nansum(history.seconds))
    took = f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"
    best = history.best_epoch
    return [
        Fact(term="Data", value=dataset.name, note=f"clips: {', '.join(clips)}"),
        Fact(
            term="Model",
            value=display_name(settings.model),
            note=f"{environment.parameters:,} parameters, seed {settings.seed}",
        ),
        _primary(environment, history, gate),
        Fact(
            term="Training",
            value="1 epoch" if len(history.epochs) == 1 else f"{len(history.epochs)} epochs",
            note=f"{f'best: epoch {best}' if best else 'none improved'}, {took}",
        ),
    ]


def _primary(environment: Environment, history: EpochHistory, gate: GateHistory | None) -> Fact:
    term = "Primary modality"
    if gate is None:
        return Fact(term=term, value="no gate", note=f"uses {', '.join(environment.modalities)}")
    # The weights that are scored are the best epoch's: its choice is the one that counts.
    scored = history.best_epoch or int(gate.epochs[-1])
    chosen = gate.primary_in(scored)
    if gate.per_clip:
        return Fact(term=term, value="mixed per clip", note=f"largest mean weight: {chosen}")
    notes = [f"frozen at epoch {gate.frozen_epoch}" if gate.frozen_epoch else "gate never frozen"]
    if chosen != gate.primary:
        notes = [f"in epoch {scored}, the one scored; {gate.primary} at the end", *notes]
    colour = modality_looks(gate.modalities)[chosen].colour
    return Fact(term=term, value=chosen, note=", ".join(notes), colour=colour)


def scores_verdict(scores: RunScores, model: str) -> str:
    """How often the model is best among the rows of the table, in one sentence."""
    clips = f"{scores.clips:,} {scores.split} clip{'s' if scores.clips != 1 else ''}"
    others = [row.system for row in scores.rows if row.system != model]
    compared = [column for column in scores.columns if scores.best(column)]
    if not others or not compared or len(others) == len(scores.rows):
        return f"Scored on {clips}."
    won = sum(model in scores.best(column) for column in compared)
    return (
        f"On {clips}, {display_name(model)} is best in {won} of {len(compared)} columns, "
        f"beside {' and '.join([', '.join(others[:-1]), others[-1]] if others[1:] else others)}."
    )


def _score_notes(scores: RunScores, note: str) -> list[str]:
    """Notes for reading the table: ``note``, and what its columns call for."""
    notes = [note] if note else []
    if any(column.key == "acc2_non0" for column in scores.columns):
        notes.append(
            "Acc-2 and F1 come in two conventions that must not be mixed: non0 drops clips "
            "labelled 0 and compares positive with negative; has0 keeps all and compares ≥ 0 "
            "with < 0."
        )
    return notes


TRAINING_UNITS = {"smooth_l1": "smooth L1", "distribution": "cross-entropy and smooth L1"}
"""What the training loss of numbers is, where it is not what the validation loss is."""


def _loss_units(task: str, settings: Settings) -> tuple[str, str]:
    """What the validation loss and the training loss are, for their axes."""
    unit = VIEWS[task].loss_unit
    numbers = task in ("regression", "scores")
    return unit, TRAINING_UNITS.get(settings.loss or "", unit) if numbers else unit


def draw_curves(run: RunDirectory) -> "matplotlib.figure.Figure":
    """The losses of each epoch and, where there is a gate, its weights, as one figure."""
    history, gate = run.epochs(), run.gate()
    units = _loss_units(run.environment().task, run.settings())
    seeds = GateSeeds(names=(run.path.resolve().name,), gates=(gate,)) if gate else None
    heights = [3.2, *([gate_height(seeds)] if seeds else [])]

    def paint(figure: "matplotlib.figure.Figure") -> None:
        parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        loss_curves(parts[0], history, *units)
        if seeds:
            gate_figure(parts[1], seeds, "epoch")

    return figure_to_show(paint, height=sum(heights))


def run_card(run: RunDirectory) -> str:
    """Facts, scores if the test split was opened, and losses of a run, as HTML for a notebook."""
    environment, settings = run.environment(), run.settings()
    title = f"{display_name(settings.model)} on {environment.dataset.name}"
    history = run.epochs() if run.epochs_file.is_file() else None
    units = _loss_units(environment.task, settings)
    return render(
        "card.html.j2",
        title=title,
        finished=run.finished,
        path=run.path,
        facts=run_facts(environment, settings, history, run.gate()) if history else [],
        scores=run.scores() if run.evaluated else None,
        display_name=display_name,
        panel=loss_panel(history, *units) if history else None,
    )


def loss_panel(history: EpochHistory, unit: str, training_unit: str) -> Panel:
    """Losses by epoch; the units are what the losses are, for their axes."""
    best = history.best_epoch
    finding = f"No epoch of {len(history.epochs)} improved the validation loss."
    if best is not None:
        later = len(history.epochs) - best
        tail = f"; {count_of(later, 'later epoch')} did not improve it" if later else ""
        finding = (
            f"Validation loss was lowest, {history.valid_loss[best - 1]:.3f}, at epoch {best}, "
            f"whose weights are the ones scored{tail}."
        )
    return Panel(
        title="Loss",
        finding=finding,
        svg=to_svg(
            "loss", lambda figure: loss_curves(figure, history, unit, training_unit), height=4.0
        ),
        sources=(EPOCHS_FILE,),
    )


def loss_curves(
    figure: "matplotlib.figure.Figure", history: EpochHistory, unit: str, training_unit: str
) -> None:
    """Training and validation loss by epoch, the best epoch marked.

    Args:
        figure: empty.
        history: the losses.
        unit: what the validation loss is, for its axis.
        training_unit: what the training loss is; one unlike the other has an axis of its own.
    """
    axes, training = figure.subplots(), None
    if training_unit != unit:
        training = axes.twinx()
        training.set_ylabel(f"training loss ({training_unit})", color=MUTED)
    marker = "o" if len(history.epochs) < 4 else ""  # a line of one point would not be seen
    (training or axes).plot(
        history.epochs, history.train_loss, ls="--", c=MUTED, marker=marker, label="train"
    )
    axes.plot(history.epochs, history.valid_loss, c=INK, marker=marker, label="valid")
    if history.best_epoch is not None:
        loss = float(history.valid_loss[history.best_epoch - 1])
        axes.axvline(history.best_epoch, color=FAINT, lw=1, zorder=0)
        label = f"best: epoch {history.best_epoch}, {loss:.3f}"
        axes.plot(
            [history.best_epoch], [loss], "*", c="#D55E00", ms=11, mec="white", mew=0.6, label=label
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{'validation ' if training else ''}loss ({unit})")
    whole_ticks(axes)
    axes.set_xlim(float(history.epochs[0]) - 0.5, float(history.epochs[-1]) + 0.5)
    figure.legend(loc="outside upper center", ncols=3)


def setting_rows(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as rows: ``model_options.layers``, ``2``."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            nested = cast(Mapping[object, object], value)
            yield from setting_rows({str(k): v for k, v in nested.items()}, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", ", ".join(str(v) for v in cast(list[object], value)) or "none"
        else:
            yield f"{prefix}{key}", "none" if value is None or value == {} else str(value)


def write_report(run: Path) -> Path:
    """Write ``report.html`` into a run directory that was trained and evaluated.

    The page needs no other file and no network; its links lead to the run's own CSV and JSON
    files. An earlier page is replaced whole or, on any error, left as it was.

    Returns:
        The page's path.

    Raises:
        RunError: a file of the run is missing or broken, or the page cannot be written.
        DeadpanError: another process works in the run.
    """
    files = RunDirectory(run)
    try:
        with alone(files.lock_file):
            page = report_page(files)
            write_atomically(files.report_file, page.encode("utf-8", "replace"))
    except OSError as error:
        raise RunError(
            f"{files.report_file} cannot be written ({error.strerror}); make room or give yourself "
            f"permission"
        ) from None
    return files.report_file


def report_page(run: RunDirectory) -> str:
    """The page as HTML; every text of the data is escaped."""
    environment, settings = run.environment(), run.settings()
    history, gate, scores, predictions = run.epochs(), run.gate(), run.scores(), run.predictions()
    task, dataset = environment.task, environment.dataset
    if task not in VIEWS:
        raise RunError(
            f"{run.environment_file} holds an {unknown_name('task', task, VIEWS)}; {RETRAIN}"
        )
    view = VIEWS[task]
    panels: list[Panel] = []
    if gate:
        seeds = GateSeeds(names=(run.path.name,), gates=(gate,))
        panels += gate_panels(seeds, [GATE_FILE, GATE_FILE, EPOCHS_FILE])
    panels += [loss_panel(history, *_loss_units(task, settings)), view.panel(predictions)]
    uncertainty = scores.uncertainty
    if uncertainty:
        panels += uncertainty_panels(uncertainty, task)
    return render(
        "run.html.j2",
        files=run,
        title=f"{display_name(settings.model)} on {dataset.name}",
        verdict=scores_verdict(scores, settings.model),
        model=settings.model,
        display_name=display_name,
        facts=run_facts(environment, settings, history, gate),
        warnings=dataset.warnings,
        repairs=dataset.repairs,
        scores=scores,
        score_notes=_score_notes(scores, view.score_note),
        uncertainty=uncertainty,
        coverage=coverage_rows(uncertainty) if uncertainty else [],
        panels=panels,
        view=view,
        hardest=hardest(predictions, view.faults(predictions)),
        kinds=kind_looks(predictions.kinds) if any(predictions.kinds) else {},
        config=list(setting_rows(settings.to_dict())),
        environment=list(setting_rows(dataclasses.asdict(environment))),
        command=environment.command,
    )
