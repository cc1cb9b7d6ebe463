"""One function per command: read its options, call the library once, show what it returned."""

import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import deadpan
from deadpan.cli.benchmark_command import benchmark as benchmark
from deadpan.cli.data_commands import data_fetch as data_fetch
from deadpan.cli.data_commands import data_list as data_list
from deadpan.cli.failures import resumable, resume_command
from deadpan.cli.inspect_command import data_inspect as data_inspect
from deadpan.cli.parsers import add_data_options, file_to_write, parse, parser_of
from deadpan.cli.showing import note, show, show_json, write_table
from deadpan.files import home_path


def explain(arguments: Sequence[str]) -> None:
    """Write the figures, tables and page of a clip, and say where the page is."""
    parser = parser_of(
        "explain",
        "RUN [RUN ...] [--clip ID] [--against RUN] [--source M] [--target M] [--method METHOD] "
        "[--out FOLDER]",
        "What a finished run attends to in a clip, as figures for papers (PNG, SVG), tables (CSV, "
        "JSON) and one HTML page. Clips are of its test split if it was evaluated, else of the "
        "validation split.",
    )
    parser.add_argument(
        "runs", type=str, nargs="+", help="a finished run; further seeds of it, for their gates"
    )
    parser.add_argument(
        "--clip",
        type=str | None,
        help="an id; default the clip whose modalities disagree most among those predicted well",
    )
    parser.add_argument("--against", type=str | None, help="another run of the same data")
    parser.add_argument("--source", type=str | None, help="the modality attended to (vision)")
    parser.add_argument("--target", type=str | None, help="the modality that attends (text)")
    parser.add_argument(
        "--method",
        type=Literal["attention", "rollout", "gradient"],
        default="attention",
        help="how salience is read from attention",
    )
    parser.add_argument("--out", type=str | None, help="a folder; default RUN/explain")
    given = parse(parser, arguments)
    run, *seeds = given.pop("runs")
    print(deadpan.explain(run, seeds=seeds, **given))


def export(arguments: Sequence[str]) -> None:
    """Write a finished run's model as one file."""
    parser = parser_of(
        "export",
        "RUN [--int8] [--out FILE]",
        "A finished run's model, normalisation included, as one ONNX file for onnxruntime. It is "
        "checked against the model on random clips before it is kept.",
    )
    parser.add_argument("run", type=str, help="the directory of a finished run")
    parser.add_argument("--int8", action="store_true", help="keep large weights as int8")
    parser.add_argument("--out", type=str | None, help="the file to write; default: in RUN")
    given = parse(parser, arguments)
    made = deadpan.export(given["run"], int8=given["int8"], out=given["out"])
    print(f"{made.path}: {made.size / 1e6:,.2f} MB")
    told = f"on random clips it differs from the model by at most {made.deviation:.1e}"
    if given["int8"]:
        told += f", outputs having a standard deviation of {made.spread:.1e}"
    print(told)


def data_convert(arguments: Sequence[str]) -> None:
    """Write a data set as a store."""
    parser = parser_of(
        "data convert",
        "NAME_OR_PATH OUT [--data_options.OPTION VALUE ...]",
        "Write a data set as one file without padding, which opens in a moment and from which "
        "training is the same.",
    )
    parser.add_argument("name_or_path", type=str, help="a data set's name or a path")
    parser.add_argument("out", type=str, help="the file to write, usually NAME.safetensors")
    add_data_options(parser)
    given = parse(parser, arguments)
    dataset = deadpan.convert(given["name_or_path"], given["out"], **given["data_options"])
    size = home_path(given["out"]).stat().st_size
    clips = sum(len(split) for split in dataset.splits.values())
    print(f"{given['out']}: {clips:,} clips, {size / 1e6:,.1f} MB")


ROWS = 30
"""Predictions shown on the screen; files get all."""


def train(arguments: Sequence[str]) -> None:
    """Train a model and keep the run."""
    from deadpan.cli.progress import Lines, watching
    from deadpan.cli.tables import training_summary
    from deadpan.cli.training_options import training_options

    given = training_options(arguments)
    with resumable(given.out, resume_command(given.out)), watching(given.out) as watch:
        values = given.settings.to_dict()
        run = deadpan.train(**values, out=given.out, resume=given.resume, watch=watch)
    if isinstance(watch, Lines) and not watch.seen:
        note(f"{run.path}: had finished already; nothing was left to train")
    print("\n".join(training_summary(run.path)))


def evaluate(arguments: Sequence[str]) -> None:
    """Score a finished run on its test split."""
    parser = parser_of("evaluate", "RUN [--json]", "Score a finished run on its test split.")
    parser.add_argument("run", type=str, help="the directory of a finished run")
    parser.add_argument("--json", action="store_true", help="print what scores.json holds")
    given = parse(parser, arguments)
    scores = deadpan.evaluate(given["run"])
    if given["json"]:
        show_json(scores)
    else:
        _show_scores(Path(given["run"]))


def predict(arguments: Sequence[str]) -> None:
    """Say what a finished run makes of other clips."""
    parser = parser_of(
        "predict",
        "RUN --data NAME_OR_PATH [--json | --csv FILE]",
        "What a finished run says of every clip of other data.",
    )
    parser.add_argument("run", type=str, help="the directory of a finished run")
    parser.add_argument("--data", type=str, required=True, help="a data set's name or a path")
    add_data_options(parser)
    parser.add_argument("--json", action="store_true", help="print a list, one entry per clip")
    parser.add_argument("--csv", type=str | None, help="write a table; replaces one that is there")
    given = parse(parser, arguments)
    file = file_to_write(given, "csv")
    rows = deadpan.predict(given["run"], given["data"], **given["data_options"])
    if not any(key.startswith("label_") for key in rows[0]):
        note("the data's labels are others than the run's: predictions stand without truths")
    if file:
        write_table(file, rows, "clips")
    elif given["json"]:
        show_json(rows)
    else:
        from deadpan.cli.tables import predictions_table

        show(predictions_table(rows[:ROWS]))
        if len(rows) > ROWS:
            note(f"{len(rows) - ROWS:,} more clips; --csv FILE or --json gives all")


def report(arguments: Sequence[str]) -> None:
    """Write the page that shows a finished run."""
    parser = parser_of("report", "RUN", "Write one HTML page that shows a finished run.")
    parser.add_argument("run", type=str, help="the directory of a finished run")
    print(deadpan.report(parse(parser, arguments)["run"]))


def models(arguments: Sequence[str]) -> None:
    """List every model."""
    parser = parser_of("models", "[--json]", "Every model, its parameters and its paper.")
    parser.add_argument("--json", action="store_true", help="print a list")
    as_json = parse(parser, arguments)["json"]
    listed = deadpan.list_models()
    if as_json:
        show_json(listed)
    else:
        from deadpan.cli.tables import models_table

        show(models_table(listed))


def demo(arguments: Sequence[str]) -> None:
    """Train HCT-MG on generated clips, score it, and show where its report is."""
    from deadpan.cli.progress import watching

    parser = parser_of(
        "demo",
        "[--out RUN]",
        "Train HCT-MG on generated clips, score it beside its baselines, write its report. "
        "A finished demo is shown again.",
    )
    parser.add_argument("--out", type=str, default="runs/demo", help="the run directory")
    out = home_path(parse(parser, arguments)["out"])
    if (out / "report.html").is_file():
        note(f"{out}: the demo that was trained before; for another, give a new --out")
    with resumable(out, f"deadpan demo --out {out}"), watching(out) as watch:
        run = deadpan.demo(out, watch=watch)
    _show_scores(run.path)
    page = (run.path / "report.html").resolve()
    print(f"\nreport: {page}")
    if on_a_desktop():
        webbrowser.open(page.as_uri())


def on_a_desktop() -> bool:
    """Whether somebody sits before this command who could look at a page."""
    screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return screen and sys.stdout.isatty() and not os.environ.get("CI")


def _show_scores(run: Path) -> None:
    from deadpan.cli.tables import score_notes, score_table
    from deadpan.training.opened import RunDirectory

    scores = RunDirectory(run).scores()
    show(score_table(scores))
    for line in score_notes(scores):
        show(line)
