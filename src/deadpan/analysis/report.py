"""``deadpan report``: a run directory as one self-contained HTML page."""

import os
from pathlib import Path

from deadpan.analysis.drawing import kind_looks
from deadpan.analysis.epochs import epoch_history
from deadpan.analysis.fields import read_json, read_yaml
from deadpan.analysis.gate import gate_history
from deadpan.analysis.panels import gate_panels, loss_panel
from deadpan.analysis.predictions import hardest, read_predictions
from deadpan.analysis.run_files import RETRAIN
from deadpan.analysis.scores import read_scores
from deadpan.analysis.summary import facts, flat, score_notes, verdict
from deadpan.analysis.task_views import VIEWS
from deadpan.errors import RunError, unknown_name


def write_report(run: Path) -> Path:
    """Write ``report.html`` into a run directory that was trained and evaluated.

    The page needs no other file and no network; its links lead to the run's own CSV and JSON
    files. An earlier page is replaced whole or, on any error, left as it was.

    Returns:
        The page's path.

    Raises:
        RunError: a file of the run is missing or broken, or the page cannot be written.
    """
    if not run.is_dir():
        raise RunError(f"{run} is not a run directory; {RETRAIN}")
    page = report_page(run)
    target = run / "report.html"
    partial = run / f".report.{os.getpid()}.html"
    try:
        with partial.open("wb") as file:
            file.write(page.encode("utf-8", "replace"))
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        raise RunError(
            f"{target} cannot be written ({error.strerror}); make room or give yourself permission"
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return target


def report_page(run: Path) -> str:
    """The page as HTML; every text of the data is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = read_json(run / "environment.json", RETRAIN)
    config = read_yaml(run / "config.yaml", RETRAIN)
    history = epoch_history(run)
    gate = gate_history(run) if (run / "gate.csv").exists() else None
    scores = read_scores(run)
    predictions = read_predictions(run, environment.strings("labels"))
    task, dataset = environment.text("task"), environment.fields("dataset")
    if task not in VIEWS:
        path = run / "environment.json"
        raise RunError(f"{path} holds an {unknown_name('task', task, VIEWS)}; {RETRAIN}")
    view = VIEWS[task]
    panels = gate_panels(gate) if gate else []
    panels += [loss_panel(history, view.loss_unit), view.panel(predictions)]
    templates = Environment(
        loader=PackageLoader("deadpan.analysis"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("report.html.j2").render(
        title=f"{config.text('model')} on {dataset.text('name')}",
        verdict=verdict(scores, config.text("model")),
        model=config.text("model"),
        facts=facts(environment, config, history, gate),
        warnings=dataset.strings("warnings"),
        repairs=dataset.fields("repairs").values,
        scores=scores,
        score_notes=score_notes(scores, view.score_note),
        panels=panels,
        view=view,
        hardest=hardest(predictions, view.faults(predictions)),
        kinds=kind_looks(predictions.kinds) if any(predictions.kinds) else {},
        config=list(flat(config.values)),
        environment=list(flat(environment.values)),
        command=environment.values.get("command", ""),
    )
