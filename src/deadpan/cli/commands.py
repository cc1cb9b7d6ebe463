"""Every command: parse its arguments, call its function in the API, show what came back."""

import os
import shlex
import sys
import warnings
import webbrowser
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deadpan import api
from deadpan.cli import Command
from deadpan.cli.output import note, resumable, show, show_json, write_table
from deadpan.cli.parsers import Outputs, call, command_parser, outputs_of, parse
from deadpan.files import home_path

if TYPE_CHECKING:
    from deadpan.benchmarking.run import Benchmark
    from deadpan.data import Dataset
    from deadpan.data.fetching.fetch import FetchedFile
    from deadpan.exporting.run import Exported
    from deadpan.runs import Run

Options = Mapping[str, Any]

ROWS = 30
"""Predictions shown on the screen; files get all."""


def run_command(name: str, command: Command, arguments: Sequence[str]) -> None:
    """Run a command.

    Args:
        name: the command's name.
        command: the function behind it.
        arguments: what follows the name.
    """
    if name == "train":  # its options are also those of a model
        return _train(arguments)
    options = parse(command_parser(name, command), arguments)
    outputs = outputs_of(options)
    again = shlex.join(["deadpan", *name.split(), *arguments])
    with WATCHES[name](options, again) if name in WATCHES else nullcontext({}) as watch:
        result = call(command, options, **watch)
    if name == "predict" and not any(key.startswith("label_") for key in result[0]):
        note("the data have no labels, or others than the run: predictions stand without true ones")
    if outputs.json:
        one = name == "data list" and options["name"]
        return show_json(result[0] if one else result)
    return SHOWN[name](result, options | {"again": again}, outputs)


def _note_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Show a warning, of a logger that fails, as any other note."""
    note(str(message))


def _train(arguments: Sequence[str]) -> None:
    from deadpan.cli.training_options import training_options

    training = training_options(arguments)
    # With these comes torch, for which help and mistyped options need not wait.
    from deadpan.cli.progress import watching_training
    from deadpan.cli.run_tables import training_summary
    from deadpan.training.opened import CONFIG_FILE

    out = training.out
    again = f"deadpan train --resume --out {shlex.quote(str(out))}"
    again += f" --log {shlex.quote(training.log)}" if training.log else ""
    warnings.showwarning = _note_warning
    with resumable(again, out / CONFIG_FILE), watching_training(out) as watch:
        values = training.settings.to_dict()
        run = api.train(**values, out=out, resume=training.resume, log=training.log, watch=watch)
        if not watch.started:
            note(f"{run.path}: had finished already; nothing was left to train")
        print("\n".join(training_summary(run.path)), flush=True)


def _show_scores(run: Path) -> None:
    from deadpan.cli.run_tables import score_remarks, score_table
    from deadpan.training.opened import RunDirectory

    scores = RunDirectory(run).scores()
    show(score_table(scores))
    for line in score_remarks(scores):
        show(line)


def _predict(rows: Sequence[Mapping[str, Any]], options: Options, outputs: Outputs) -> None:
    from deadpan.cli.run_tables import predictions_table
    from deadpan.training.opened import RunDirectory

    if outputs.csv:
        write_table(outputs.csv, rows, "clips")
    else:
        show(predictions_table(rows[:ROWS]))
        if len(rows) > ROWS:
            note(f"{len(rows) - ROWS:,} more clips; --csv FILE or --json gives all")
    uncertainty = RunDirectory(home_path(options["run"])).uncertainty()
    if uncertainty and uncertainty.note:
        note(uncertainty.note)
    lacking = [row["missing"] for row in rows if row.get("missing")]
    if uncertainty and uncertainty.intervals and lacking:
        names = ", ".join(dict.fromkeys(" ".join(lacking).split()))
        note(
            f"{len(lacking):,} of {len(rows):,} clips lack modalities of the run ({names}); their "
            f"intervals were fitted on all validation clips alike, and may hold fewer labels than "
            f"{100 * uncertainty.level:.0f} %"
        )


def _path(page: Path, options: Options, outputs: Outputs) -> None:
    print(page)


def _paths(pages: Sequence[Path], options: Options, outputs: Outputs) -> None:
    print(*pages, sep="\n")


def _export(exported: "Exported", options: Options, outputs: Outputs) -> None:
    from deadpan.training.opened import RunDirectory

    print(f"{exported.path}: {exported.size / 1e6:,.2f} MB")
    line = f"on random clips it differs from the model by at most {exported.deviation:.1e}"
    if options["int8"]:
        line += f", outputs having a standard deviation of {exported.spread:.1e}"
    print(line)
    if options["int8"] and RunDirectory(home_path(options["run"])).uncertainty():
        note("intervals and probabilities of signs are those fitted for the model before int8")


def _benchmark(study: "Benchmark", options: Options, outputs: Outputs) -> None:
    from deadpan.benchmarking.run import runs_without_result
    from deadpan.cli.run_tables import grid_table

    out = _grid_folder(options)
    for table in study.tables:
        show(grid_table(table))
    if study.tables:
        note(f"{out}/tables.html, tables.json and, for each data set, .md .csv .tex")
    if study.failures:
        again = _resuming(options["again"])
        raise runs_without_result(study.failures, out / "failures.json", again)


def _list_models(models: Sequence[Mapping[str, Any]], options: Options, outputs: Outputs) -> None:
    from deadpan.cli.model_table import models_table

    show(models_table(models))


def _inspect(figures: Mapping[str, Any], options: Options, outputs: Outputs) -> None:
    if outputs.html:
        from deadpan.reports.data import write_data_report

        print(write_data_report(figures, outputs.html))
    else:
        from deadpan.cli.data_tables import COLUMNS, health_table

        show(health_table(figures), width=COLUMNS)


def _convert(dataset: "Dataset", options: Options, outputs: Outputs) -> None:
    size = home_path(options["out"]).stat().st_size
    clips = sum(len(split) for split in dataset.splits.values())
    print(f"{options['out']}: {clips:,} clips, {size / 1e6:,.1f} MB")


def _encode(dataset: "Dataset", options: Options, outputs: Outputs) -> None:
    name = options["modality"]
    _convert(dataset, options, outputs)
    print(f"{name}: {dataset.widths[name]:,} features per step, {dataset.recipes[name]}")
    for warning in dataset.warnings:
        if warning.startswith(f"{name}: "):
            note(f"warning: {warning}")


def _extract(dataset: "Dataset", options: Options, outputs: Outputs) -> None:
    from deadpan.recordings.run import failures_file

    _convert(dataset, options, outputs)
    for name, recipe in dataset.recipes.items():
        print(f"{name}: {dataset.widths[name]:,} features per step, {recipe}")
    for kind, count in dataset.repairs.items():
        note(f"warning: repaired {count} times: {kind}")
    for warning in dataset.warnings:
        note(f"warning: {warning}")
    failures = failures_file(home_path(options["out"]))
    if failures.is_file():
        note(f"{failures}: what is wrong with recordings")


def _corpora(rows: Sequence[Mapping[str, Any]], options: Options, outputs: Outputs) -> None:
    from deadpan.cli.data_tables import corpora_table, corpus_row, corpus_table
    from deadpan.data.corpora import CORPORA
    from deadpan.data.fetching.fetch import default_folder

    corpora = [CORPORA[row["name"]] for row in rows]
    if outputs.csv:
        write_table(outputs.csv, [corpus_row(corpus) for corpus in corpora], "data sets")
    elif options["name"]:
        show(corpus_table(corpora[0], default_folder(corpora[0])))
    else:
        show(corpora_table(corpora))


def _fetch(files: "Sequence[FetchedFile]", options: Options, outputs: Outputs) -> None:
    from deadpan.cli.data_tables import files_table

    show(files_table(files))
    folders = {file.path.parent for file in files if not file.verified and not file.was_there}
    for folder in folders:
        note(f"what is in them, and is it whole? deadpan data inspect {shlex.quote(str(folder))}")


def _components(rows: Sequence[Mapping[str, Any]], options: Options, outputs: Outputs) -> None:
    from deadpan.cli.data_tables import components_table

    if outputs.csv:
        flat = [{name: x for name, x in row.items() if name != "files"} for row in rows]
        write_table(outputs.csv, flat, "components")
    else:
        show(components_table(rows))


def _component_files(files: "Sequence[FetchedFile]", options: Options, outputs: Outputs) -> None:
    from deadpan.cli.data_tables import files_table

    show(files_table(files))


def _demo(run: "Run", options: Options, outputs: Outputs) -> None:
    _show_scores(run.path)
    page = run.files.report_file.resolve()
    print(f"\nreport: {page}")
    if on_a_desktop():
        webbrowser.open(page.as_uri())


def _env(facts: Mapping[str, Any], options: Options, outputs: Outputs) -> None:
    from deadpan.cli.run_tables import installation_table

    show(installation_table(facts))


def on_a_desktop() -> bool:
    """Whether this command runs where a page can be shown to somebody."""
    screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return screen and sys.stdout.isatty() and not os.environ.get("CI")


SHOWN: Mapping[str, Callable[[Any, Options, Outputs], None]] = {
    "evaluate": lambda scores, options, outputs: _show_scores(home_path(options["run"])),
    "predict": _predict,
    "explain": _path,
    "report": _path,
    "export": _export,
    "push": lambda address, options, outputs: print(address),
    "benchmark": _benchmark,
    "models": _list_models,
    "encode": _encode,
    "analyze": _paths,
    "extract": _extract,
    "studio": lambda nothing, options, outputs: None,
    "data inspect": _inspect,
    "data convert": _convert,
    "data list": _corpora,
    "data fetch": _fetch,
    "components list": _components,
    "components fetch": _component_files,
    "components verify": _component_files,
    "demo": _demo,
    "env": _env,
}
"""What shows the result of each command."""


@contextmanager
def _watch_grid(options: Options, again: str) -> Generator[dict[str, Any], None, None]:
    from deadpan.cli.progress import watching_grid

    proof = _grid_folder(options) / "grid.yaml"
    with resumable(_resuming(again), proof), watching_grid() as watch:
        yield {"watch": watch}


@contextmanager
def _watch_download(options: Options, again: str) -> Generator[dict[str, Any], None, None]:
    from deadpan.cli.data_tables import by_hand_table
    from deadpan.cli.progress import watching_download
    from deadpan.data.corpora import find_corpus
    from deadpan.data.fetching.fetch import IncompleteCorpus, default_folder

    try:
        with resumable(again), watching_download() as watch:
            yield {"watch": watch}
    except IncompleteCorpus as error:
        corpus = find_corpus(options["name"])
        folder = home_path(options["out"]) if options["out"] else default_folder(corpus)
        for part in by_hand_table(corpus, folder, error.missing):
            show(part)
        raise


@contextmanager
def _watch_components(options: Options, again: str) -> Generator[dict[str, Any], None, None]:
    from deadpan.cli.progress import watching_download

    with resumable(again), watching_download() as watch:
        yield {"watch": watch}


@contextmanager
def _watch_encoding(options: Options, again: str) -> Generator[dict[str, Any], None, None]:
    from deadpan.cli.progress import watching_amount
    from deadpan.encoding.run import part_file

    part = part_file(home_path(options["out"]))
    with resumable(again, part), watching_amount("tokens", "encoded") as watch:
        yield {"watch": watch}


@contextmanager
def _watch_recordings(options: Options, again: str) -> Generator[dict[str, Any], None, None]:
    from deadpan.cli.progress import watching_amount

    with watching_amount("seconds", "read") as watch:
        yield {"watch": watch}


@contextmanager
def _watch_extraction(options: Options, again: str) -> Generator[dict[str, Any], None, None]:
    from deadpan.cli.progress import watching_amount
    from deadpan.extraction.feature_cache import TAG
    from deadpan.recordings.run import cache_folder

    out, cache = (options[name] and home_path(options[name]) for name in ("out", "cache"))
    proof = (cache or cache_folder(out)) / TAG
    with resumable(again, proof), watching_amount("recordings", "measured") as watch:
        yield {"watch": watch}


class _StudioLine:
    """Prints the studio's address, and opens it where there is a screen."""

    def serving(self, address: str) -> None:
        print(f"studio: {address}", flush=True)
        note("Ctrl-C ends it")
        if on_a_desktop():
            webbrowser.open(address)


@contextmanager
def _watch_studio(options: Options, again: str) -> Generator[dict[str, Any], None, None]:
    yield {"watch": _StudioLine()}


@contextmanager
def _watch_demo(options: Options, again: str) -> Generator[dict[str, Any], None, None]:
    from deadpan.cli.progress import watching_training
    from deadpan.training.opened import CONFIG_FILE, REPORT_FILE

    out = home_path(options["out"])
    if (out / REPORT_FILE).is_file():
        note(f"{out}: the demo that was trained before; for another, give a new --out")
    with resumable(again, out / CONFIG_FILE), watching_training(out) as watch:
        yield {"watch": watch}


WATCHES: Mapping[str, Callable[[Options, str], AbstractContextManager[dict[str, Any]]]] = {
    "analyze": _watch_recordings,
    "benchmark": _watch_grid,
    "components fetch": _watch_components,
    "data fetch": _watch_download,
    "demo": _watch_demo,
    "encode": _watch_encoding,
    "extract": _watch_extraction,
    "studio": _watch_studio,
}
"""What shows the progress of a command, and says how to continue an interrupted one."""


def _grid_folder(options: Options) -> Path:
    return home_path(options["out"]) if options["out"] else api.default_grid(options["config"])


def _resuming(command: str) -> str:
    return command if " --resume" in command else f"{command} --resume"
