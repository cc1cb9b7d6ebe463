"""What the command line does, each in one call."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deadpan.analysis.attention import Method
from deadpan.analysis.explanation import explain_run
from deadpan.benchmark.grid import read_grid
from deadpan.benchmark.runner import GridWatch, Silent
from deadpan.benchmark.study import Study, run_grid
from deadpan.data import load as load
from deadpan.data.conversion import convert as convert
from deadpan.data.corpora import CORPORA, find_corpus
from deadpan.data.fetching.fetch import default_folder, fetch_corpus
from deadpan.data.health.inspection import inspect_dataset
from deadpan.errors import DataError, DeadpanError, RunError
from deadpan.exporting.run import Exported, export_run
from deadpan.files import home_path
from deadpan.models import MODELS
from deadpan.reports.clip import write_explanation
from deadpan.reports.run import write_report
from deadpan.training.loop import Watch
from deadpan.training.opened import RunDirectory
from deadpan.training.run import train_run
from deadpan.training.scoring import evaluate_run, predict_run
from deadpan.training.settings import Settings
from deadpan.types import AUDIO, TEXT, VISION

PRESETS: dict[str, dict[str, Any]] = {
    "MOSI": {"widths": {TEXT: 300, AUDIO: 5, VISION: 20}, "outputs": 1},
    "MOSEI": {"widths": {TEXT: 300, AUDIO: 74, VISION: 35}, "outputs": 1},
    "IEMOCAP": {"widths": {TEXT: 300, AUDIO: 74, VISION: 35}, "outputs": 8},
}
"""The three data sets of the HCT-MG paper: feature widths and outputs."""


def train(
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    watch: Watch | None = None,
    **settings: Any,
) -> RunDirectory:
    """Train a model and keep the run; the test split stays closed.

    Args:
        data: a data set's name or a path; with ``resume``, None = that of the run, as are then
            all settings not given.
        out: the run directory, which must not exist; None = ``runs/DATA-MODEL-SEED``.
        resume: go on with the run in ``out``, which ends as if it had never been interrupted.
        watch: is told of progress.
        **settings: see ``deadpan.training.settings.Settings``.

    Returns:
        The run; ``.path`` is its directory.
    """
    given = settings if data is None else {"data": str(data), **settings}
    if data is None and resume and out is not None:
        given = RunDirectory(home_path(out)).settings().to_dict() | given
    chosen = Settings.from_dict(given)
    return train_run(
        chosen, home_path(out) if out else default_run(chosen), resume=resume, watch=watch
    )


def default_run(settings: Settings) -> Path:
    """Where a run goes that was given no name."""
    return Path("runs") / f"{Path(settings.data).stem}-{settings.model}-{settings.seed}"


def evaluate(run: str | Path) -> dict[str, Any]:
    """Open the test split of a finished run, once: scores beside the majority and ridge rows."""
    return evaluate_run(RunDirectory(home_path(run)))


def predict(run: str | Path, data: str | Path, **options: Any) -> list[dict[str, Any]]:
    """Predictions of a finished run for every clip of another data set, one row each."""
    return predict_run(RunDirectory(home_path(run)), str(data), **options)


def report(run: str | Path) -> Path:
    """Write ``report.html`` into a finished run (scoring it first if need be); returns its path."""
    directory = RunDirectory(home_path(run))
    evaluate_run(directory)
    return write_report(directory.path)


def explain(
    run: str | Path,
    *,
    seeds: Sequence[str | Path] = (),
    clip: str | None = None,
    against: str | Path | None = None,
    source: str | None = None,
    target: str | None = None,
    method: Method = "attention",
    out: str | Path | None = None,
) -> Path:
    """Show what a finished run attends to in a clip: figures, tables and a page; its path.

    Args:
        run: with a model that attends. Clips are of its test split if it was evaluated.
        seeds: further runs, whose gates are drawn beside its own.
        clip: an id; None = one whose modalities disagree and that is predicted well.
        against: another run of the same data, to compare.
        source: who is attended to; None = vision where there is a choice.
        target: who attends; None = text where there is a choice.
        method: of salience; see ``deadpan.analysis.salience.salience``.
        out: the folder that is written; None = ``explain`` in the run.
    """
    folder = home_path(out) if out else home_path(run) / "explain"
    if folder.exists() and not folder.is_dir():
        raise DeadpanError(f"{folder}: is a file, wanted a folder; give another --out")
    explained = explain_run(
        home_path(run),
        seeds=[home_path(seed) for seed in seeds],
        clip=clip,
        against=home_path(against) if against else None,
        source=source,
        target=target,
        method=method,
    )
    return write_explanation(explained, folder)


def export(run: str | Path, *, int8: bool = False, out: str | Path | None = None) -> Exported:
    """Write a finished run's model as one ONNX file that predicts without torch.

    Args:
        run: the directory of a finished run.
        int8: keep large weights as int8.
        out: the file, which must not exist; None = in the run directory.
    """
    where = home_path(out) if out else None
    return export_run(RunDirectory(home_path(run)), int8=int8, out=where)


def list_models() -> list[dict[str, Any]]:
    """Every model: name, paper, and parameters on each of ``PRESETS`` as its paper set it there."""
    return [
        {
            "name": name,
            "paper": kind.paper,
            "parameters": {
                preset: kind.parameters_at(**sizes, **kind.presets.get(preset, {}))
                for preset, sizes in PRESETS.items()
            },
        }
        for name, kind in MODELS.items()
    ]


def inspect(data: str | Path, **options: Any) -> dict[str, Any]:
    """The health of a data set: clips, lengths, labels, repairs, warnings."""
    return inspect_dataset(load(data, **options))


def corpora() -> list[dict[str, Any]]:
    """The field's data sets: statistics, task, licence, citation, traps, sources."""
    return [dataclasses.asdict(corpus) for corpus in CORPORA.values()]


def fetch(name: str, folder: str | Path | None = None, **options: Any) -> list[Path]:
    """Download a data set of :func:`corpora` into ``folder`` (``data/NAME``); the files' paths.

    Raises:
        DataError: an unknown name, or files that no source gave, with what to do by hand.
    """
    corpus = find_corpus(name)
    where = home_path(folder) if folder else default_folder(corpus)
    return [got.path for got in fetch_corpus(corpus, where, **options)]


def compare(
    config: str | Path,
    *,
    out: str | Path | None = None,
    workers: int = 1,
    only: Sequence[str] = (),
    full: bool = False,
    resume: bool = False,
    watch: GridWatch | None = None,
) -> Study:
    """Run a grid of systems, data sets and seeds, and write its tables.

    Args:
        config: a YAML file; ``studies/compare/compare.yaml`` is an example of every key.
        out: a directory, which must not exist; None = ``runs/CONFIG``.
        workers: runs at once, a process and a thread each.
        only: data sets of the grid; none = all.
        full: the sizes for a bigger machine, which stand under ``full`` in the file.
        resume: go on with the grid in ``out``; finished runs are skipped.
        watch: is told of progress.
    """
    if workers < 1:
        raise DeadpanError(f"workers must be 1 or more; got {workers}")
    grid = read_grid(home_path(config), only=only, full=full)
    folder = home_path(out) if out else Path("runs") / Path(config).stem
    return run_grid(grid, folder, workers=workers, resume=resume, watch=watch or Silent())


def demo(
    out: str | Path = "runs/demo", *, watch: Watch | None = None, **settings: Any
) -> RunDirectory:
    """Train HCT-MG on ``controlled``, score it beside its baselines, write the report.

    A finished demo is shown again rather than repeated; an interrupted one goes on.
    """
    chosen = Settings.from_dict({"data": "controlled", **DEMO, **settings})
    place = home_path(out)
    try:
        run = train_run(chosen, place, resume=place.exists(), watch=watch)
    except (RunError, DataError) as error:
        if not place.exists():
            raise
        raise RunError(f"{error}; or remove {out}, or give another --out") from error
    evaluate_run(run)
    write_report(run.path)
    return run


DEMO: Mapping[str, Any] = {"epochs": 12}
"""What a stranger waits for: under five minutes on two cores."""
