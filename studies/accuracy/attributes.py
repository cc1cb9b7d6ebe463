"""Tabulate the error on MOSI's test clips by what is said in them and by how strong the label is.

    python studies/accuracy/attributes.py [--runs runs/options] [--only mosi_mpnet,mosi_glove]
        [--highlight SYSTEM ...]

Reads finished runs of a grid, and trains nothing. Writes attributes.csv, .md, .svg and .png, in
none of which is a transcript or a clip. For each attribute they have the error on the clips that
have it, and by how much it is larger than on all others.
"""

import argparse
import csv
import dataclasses
import shlex
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from grid_study import write_files

from deadpan.benchmarking.grid import Case, Grid, read_grid
from deadpan.benchmarking.runner import finished
from deadpan.data.formats.word_vectors import tokenize
from deadpan.metrics.intervals import CONFIDENCE
from deadpan.show.drawing import FAINT, MUTED, picture, series_looks
from deadpan.training.opened import RunDirectory
from deadpan.training.predictions import errors

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TRANSCRIPTS = ROOT.parent / "shared" / "data" / "mosi" / "label.csv"

# MOSI's transcripts have no apostrophes: DONT, DIDNT.
NEGATIONS = frozenset(
    (
        "no not never none nobody nothing nowhere neither nor without cannot aint arent cant "
        "couldnt didnt doesnt dont hadnt hasnt havent isnt mustnt neednt shouldnt wasnt werent "
        "wont wouldnt"
    ).split()
)
RESAMPLES = 1999
"""Bootstrap draws of the test clips."""
MOST_SYSTEMS = 7
"""As many can be told apart in the figure; of more, those to highlight are named."""

EVERY = "every clip"


def has_negation(words: Sequence[str]) -> bool:
    """Whether a word negates, contracted (don't) or not."""
    return any(word in NEGATIONS or word.endswith("n't") for word in words)


def attributes(
    transcripts: Sequence[str], labels: Sequence[float] | np.ndarray
) -> dict[str, np.ndarray]:
    """Which clips have each attribute, by its name; only of those that some clips have, not all.

    Lengths are split where they leave a third of the clips on each side, as far as ties allow.
    """
    words = [tokenize(transcript) for transcript in transcripts]
    lengths = np.array([len(each) for each in words])
    short, middle = np.quantile(lengths, (1 / 3, 2 / 3), method="lower")
    strength = np.abs(labels)
    masks = {
        "negation": np.array([has_negation(each) for each in words]),
        "“but”": np.array(["but" in each for each in words]),
        "question mark": np.array(["?" in transcript for transcript in transcripts]),
        f"up to {short} words": lengths <= short,
        f"{short + 1} to {middle} words": (lengths > short) & (lengths <= middle),
        f"over {middle} words": lengths > middle,
        "|label| up to 0.5": strength <= 0.5,
        "|label| 0.5 to 1.5": (strength > 0.5) & (strength <= 1.5),
        "|label| over 1.5": strength > 1.5,
    }
    return {name: mask for name, mask in masks.items() if mask.any() and not mask.all()}


def read_transcripts(path: Path) -> dict[str, str]:
    """The transcript of each clip, by its id as the library's readers make it."""
    with path.open(newline="", encoding="utf-8") as file:
        return {f"{row['video_id']}_{row['clip_id']}": row["text"] for row in csv.DictReader(file)}


@dataclasses.dataclass(frozen=True)
class SystemErrors:
    """Absolute errors of the finished runs of a system on one data set.

    Attributes:
        ids: of the test clips.
        labels: of the test clips.
        errors: [seed, clip].
        seeds: of the runs.
        commits: of the runs, each once.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    errors: np.ndarray
    seeds: tuple[int, ...]
    commits: tuple[str, ...]


def read_errors(grid: Grid, runs: Path) -> dict[str, dict[str, SystemErrors]]:
    """Errors by data set and system, of those that have finished runs."""
    cases: dict[tuple[str, str], list[Case]] = {}
    for case in grid.cases({name: grid.folds_of(name) for name in grid.data}, {}):
        if finished(case, runs):
            cases.setdefault((case.data, case.system), []).append(case)
    by_data: dict[str, dict[str, SystemErrors]] = {}
    for (data, system), own in cases.items():
        print(f"reading {data}, {system}: {len(own)} runs", flush=True)
        directories = [RunDirectory(runs / case.directory) for case in own]
        predictions = [run.predictions() for run in directories]
        if len({each.ids for each in predictions}) > 1:
            raise SystemExit(f"{runs}: runs of {system} on {data} differ in their test clips")
        by_data.setdefault(data, {})[system] = SystemErrors(
            predictions[0].ids,
            predictions[0].truth[:, 0],
            np.stack([errors(each)[:, 0] for each in predictions]),
            tuple(case.settings.seed for case in own),
            tuple(sorted({run.environment().commit_name for run in directories})),
        )
    return by_data


def bootstrap(clips: int) -> np.ndarray:
    """How often each clip is drawn, [draw, clip]; the same draws for every system."""
    random = np.random.default_rng(0)
    return random.multinomial(clips, np.full(clips, 1 / clips), size=RESAMPLES).astype(np.float64)


def difference(
    error: np.ndarray, mask: np.ndarray, draws: np.ndarray
) -> tuple[float, float, float]:
    """Mean error on the clips of a mask minus that on the others, with its bootstrap interval.

    Args:
        error: of each clip, mean over the seeds.
        mask: which clips have the attribute; some, not all.
        draws: of :func:`bootstrap`. A draw without clips of either kind is left out.
    """

    def means(which: np.ndarray) -> np.ndarray:
        counts = draws @ which
        sums = draws @ (error * which)
        return np.divide(sums, counts, out=np.full(len(draws), np.nan), where=counts > 0)

    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(means(mask) - means(~mask), (tail, 1 - tail))
    return float(error[mask].mean() - error[~mask].mean()), float(low), float(high)


def rows_of(
    by_data: Mapping[str, Mapping[str, SystemErrors]], transcripts: Mapping[str, str]
) -> list[dict[str, Any]]:
    """A row for each data set, system and attribute."""
    rows: list[dict[str, Any]] = []
    for data, systems in by_data.items():
        for system, own in systems.items():
            if absent := [name for name in own.ids if name not in transcripts]:
                raise SystemExit(
                    f"{data}: {len(absent)} test clips have no transcript, {absent[0]}"
                )
            masks = attributes([transcripts[name] for name in own.ids], own.labels)
            draws = bootstrap(len(own.ids))
            everything = np.full(len(own.ids), True)
            for name, mask in {EVERY: everything, **masks}.items():
                maes = own.errors[:, mask].mean(axis=1).tolist()
                row = {
                    "data": data,
                    "system": system,
                    "attribute": name,
                    "clips": int(mask.sum()),
                    "mae": statistics.mean(maes),
                    "deviation": statistics.stdev(maes) if len(maes) > 1 else 0.0,
                }
                if name != EVERY:
                    of_clips = difference(own.errors.mean(axis=0), mask, draws)
                    row |= dict(zip(("difference", "low", "high"), of_clips, strict=True))
                seeds, commits = " ".join(map(str, own.seeds)), " ".join(own.commits)
                rows.append(row | {"seeds": seeds, "commit": commits})
    return rows


Rows = list[dict[str, Any]]


def error_text(row: Mapping[str, Any]) -> str:
    """Mean ± deviation over the seeds; of a single seed the mean alone."""
    spread = f" ± {row['deviation']:.3f}" if " " in row["seeds"] else ""
    return f"{row['mae']:.3f}{spread}"


def tables(data: str, rows: Rows) -> str:
    """Both tables of a data set as Markdown: errors, and differences with their intervals."""
    clips = {row["attribute"]: row["clips"] for row in rows}
    systems = dict.fromkeys(row["system"] for row in rows)
    cell = {(row["system"], row["attribute"]): row for row in rows}
    lines = [f"## {data}"]

    def table(title: str, names: Sequence[str], text: Callable[[dict[str, Any]], str]) -> None:
        heads = (f"{name.replace('|', chr(92) + '|')} ({clips[name]})" for name in names)
        lines.extend(["", f"{title}:", "", f"| System | Seeds | {' | '.join(heads)} |"])
        lines.append(f"| --- | ---: |{' ---: |' * len(names)}")
        for system in systems:
            seeds = len(cell[system, EVERY]["seeds"].split())
            texts = (text(cell[system, name]) for name in names)
            lines.append(f"| {system} | {seeds} | {' | '.join(texts)} |")

    names = [*clips]
    table("MAE", names, error_text)
    names.remove(EVERY)
    table(
        "MAE minus that of the clips without the attribute",
        names,
        lambda row: f"{row['difference']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]".replace(
            "-", "−"
        ),
    )
    return "\n".join(lines) + "\n"


def paint(by_data: Mapping[str, Rows], highlight: Sequence[str]) -> Callable[[Any], None]:
    """Dots by attribute, two panels for each data set; systems not highlighted are grey."""

    def painted(figure: Any) -> None:
        panels = figure.subplots(len(by_data), 2, squeeze=False)
        looks = series_looks(highlight)
        for (data, rows), (left, right) in zip(by_data.items(), panels, strict=True):
            heights = {
                name: i for i, name in enumerate(dict.fromkeys(r["attribute"] for r in rows))
            }
            clips = {row["attribute"]: row["clips"] for row in rows}
            step = 0.7 / max(len(highlight), 1)
            for row in rows:
                height, system = heights[row["attribute"]], row["system"]
                if system in looks:
                    look = looks[system]
                    height += (highlight.index(system) - (len(highlight) - 1) / 2) * step
                    style = {"fmt": look.marker, "c": look.colour, "ms": 3.2, "elinewidth": 1}
                else:
                    style = {"fmt": "o", "c": FAINT, "ms": 2.2, "elinewidth": 0, "zorder": 1}
                left.errorbar(row["mae"], height, xerr=row["deviation"], **style)
                if "difference" in row:
                    value = row["difference"]
                    wide = [[value - row["low"]], [row["high"] - value]]
                    right.errorbar(value, height, xerr=wide, **style)
            left.set_title(data, loc="left", fontsize=9, fontweight="bold")
            left.set_yticks(range(len(heights)), [f"{name} ({clips[name]})" for name in heights])
            right.set_yticks(range(len(heights)), [])
            for axes in (left, right):
                axes.set_ylim(len(heights) - 0.5, -0.5)
                axes.grid(visible=False, axis="y")
                for height in range(1, len(heights)):
                    axes.axhline(height - 0.5, c="#e9ecef", lw=0.7)
            right.axvline(0, c=MUTED, lw=0.8)
            left.set_ylabel("test clips (number)")
            left.set_xlabel("MAE (label's unit)")
            right.set_xlabel("difference from other clips (label's unit)")
        shown = panels[0, 0]
        for system, look in looks.items():
            shown.plot([], [], look.marker, c=look.colour, ms=4, label=system)
        if any(row["system"] not in looks for rows in by_data.values() for row in rows):
            shown.plot([], [], "o", c=FAINT, ms=3, label="other systems")
        figure.legend(loc="outside upper center", ncols=2, handlelength=1)

    return painted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "options", help="of a grid")
    parser.add_argument("--only", default="mosi_mpnet,mosi_glove", help="data sets of the grid")
    parser.add_argument(
        "--highlight", nargs="+", default=[], metavar="SYSTEM", help="coloured in the figure"
    )
    parser.add_argument("--transcripts", type=Path, default=TRANSCRIPTS)
    parser.add_argument("--out", type=Path, default=HERE, help="where the tables are written")
    arguments = parser.parse_args()
    grid = read_grid(arguments.runs / "grid.yaml", only=arguments.only.split(","))
    by_system = read_errors(grid, arguments.runs / "runs")
    if not by_system:
        raise SystemExit(f"{arguments.runs}: no run of {arguments.only} has finished")
    rows = rows_of(by_system, read_transcripts(arguments.transcripts))
    by_data = {data: [row for row in rows if row["data"] == data] for data in by_system}
    systems = [*dict.fromkeys(row["system"] for row in rows)]
    if unknown := set(arguments.highlight) - set(systems):
        raise SystemExit(f"no finished run of {', '.join(unknown)}; have {', '.join(systems)}")
    few = systems if len(systems) <= MOST_SYSTEMS else [grid.against]
    highlight = arguments.highlight or few
    counted = max(len({row["attribute"] for row in own}) for own in by_data.values())
    height = 0.7 + len(by_data) * (0.7 + 0.3 * counted)
    drawn = picture("attributes", paint(by_data, highlight), (7.2, height))
    commits = sorted({commit for row in rows for commit in row["commit"].split()})
    text = (
        "# Error by what is said and by how strong the label is\n\n"
        f"`{shlex.join(['python', 'studies/accuracy/attributes.py', *sys.argv[1:]])}`, from runs "
        f"of commit {', '.join(commits)}; their seeds are in attributes.csv. "
        "Number of test clips in parentheses. MAE: mean ± standard deviation over seeds. "
        "Differences have 95 % intervals of a bootstrap over clips, errors averaged over seeds "
        "first; clips of one video count as independent, which makes intervals too narrow. "
        "Clips of long, negated or strongly labelled speech are partly the same. Words that "
        f"negate: {', '.join(sorted(NEGATIONS))}, and all in n't.\n\n"
        "![MAE by attribute, and its difference from that of all other clips](attributes.svg)\n\n"
        + "\n".join(tables(data, own) for data, own in by_data.items())
    )
    write_files(arguments.out, "attributes", rows, text, drawn)


if __name__ == "__main__":
    main()
