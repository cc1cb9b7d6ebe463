"""Train the grid of ``options.yaml`` and show what each option does to HCT-MG.

    python studies/accuracy/options.py [--only mosi_mpnet,controlled] [--workers N]
    python studies/accuracy/options.py --config studies/accuracy/tuned.yaml --only mosi_mpnet

``python studies/accuracy/materials.py`` makes the encoders' states that it reads. Writes
options.json, the tables of the grid; options.csv, a row a run with its seed and commit; options.md;
and options.svg and .png; another grid's files bear its name, and its page tells what its search
chose. A grid that is there goes on; finished runs are skipped, and only they are shown. The data
sets of options.json and options.csv that were not asked for stay as they are. removed.csv, which is
only read, has the runs of options that are no longer in the code.
"""

import csv
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from grid_study import HERE, arguments_of, finished_runs, write_files

from deadpan.benchmarking.grid import Case
from deadpan.cli.output import run_script
from deadpan.files import write_atomically
from deadpan.show.drawing import INK, MUTED, picture
from deadpan.training.opened import RunDirectory

TITLES = {
    "options": "What each option does to HCT-MG, on the test split",
    "tuned": "Every system after the same search, on the test split",
}
P = (
    "p: two-sided sign-flip test against HCT-MG over the test clips, of errors that are means over "
    "seeds, corrected for the number of systems (Holm); it speaks of these trained networks, not "
    "of other seeds."
)
"""What the p of the tables is."""

Table = dict[str, Any]
"""One data set of the grid, as its tables.json has it."""


def rows_of(cases: Sequence[Case], runs: Path) -> list[dict[str, Any]]:
    """A row for each run: its scores on the test split, its seed, its commit."""
    rows = []
    for case in cases:
        run = RunDirectory(runs / case.directory)
        row = {
            "data": case.data,
            "system": case.system,
            "seed": case.settings.seed,
            "fold": case.fold or "",
            "commit": run.environment().commit_name,
        }
        rows.append(row | dict(run.scores().rows[-1].metrics))
    return rows


def paint(tables: Sequence[Table]) -> Callable[[Any], None]:
    """A panel for each data set: the first metric of every system, against that of HCT-MG."""

    def painted(figure: Any) -> None:
        heights = [len(table["rows"]) for table in tables]
        panels = figure.subplots(len(tables), 1, squeeze=False, height_ratios=heights)
        for table, axes in zip(tables, panels[:, 0], strict=True):
            column = table["columns"][0]
            key, scale = column["key"], 100 if column["percent"] else 1
            rows = [row for row in table["rows"] if row["parameters"] and row[key] is not None]
            for height, row in enumerate(rows):
                against = row["system"] == table["against"]
                deviation = scale * (row[f"{key}_sd"] or 0)
                axes.errorbar(
                    scale * row[key], height, xerr=deviation, fmt="D" if against else "o",
                    c=INK if against else "#0072B2", ms=4, elinewidth=1,
                )  # fmt: skip
                if against:
                    axes.axvline(scale * row[key], c=MUTED, ls=":", lw=1)
            axes.set_yticks(range(len(rows)), [row["system"] for row in rows])
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.grid(visible=False, axis="y")
            better = "higher is better" if column["higher_is_better"] else "lower is better"
            axes.set_title(table["data"], loc="left", fontsize=9, fontweight="bold")
            unit = "%" if column["percent"] else "label's unit"
            axes.set_xlabel(f"{column['title']} on the test split ({unit}; {better})")

    return painted


def merged(old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is new, after what is old of other data sets."""
    names = {each["data"] for each in new}
    return [each for each in old if each["data"] not in names] + [*new]


def choices_of(table: Table, searched: Mapping[str, Mapping[str, Any]]) -> str:
    """What the search chose for each system of a data set, as Markdown."""
    lines = [
        "| system | chosen trial | settings | validation loss | as it was, trial 0 |",
        "| --- | ---: | --- | ---: | ---: |",
    ]
    for row in table["rows"]:
        if found := searched.get(f"{table['data']} | {row['system']}"):
            best, first = found["trials"][found["chosen"]], found["trials"][0]
            settings = ", ".join(
                f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
                for name, value in best["settings"].items()
            )
            losses = f"{best['valid_loss']:.3f} | {first['valid_loss']:.3f}"
            lines.append(f"| {row['system']} | {found['chosen']} | {settings} | {losses} |")
    return "\n".join(lines) + "\n"


def taken_out(tables: Sequence[Table]) -> str:
    """The runs of options that are no longer in the code, beside HCT-MG's of then, as Markdown.

    removed.csv has a row a run: the columns of options.csv, the edition of generated data, and the
    commit in whose options.csv the row stood.
    """
    with (HERE / "removed.csv").open(newline="", encoding="utf-8") as file:
        runs = list(csv.DictReader(file))
    text = "\n## Taken out of the code again\n\n"
    text += "These options did not pay on validation. Their rows are those of removed.csv.\n"
    for table in tables:
        own = [run for run in runs if run["data"] == table["data"]]
        if not own:
            continue
        edition = f", {own[0]['edition']} edition" if own[0]["edition"] else ""
        columns = [column for column in table["columns"] if own[0].get(column["key"])]
        arrows = {True: "↑", False: "↓"}
        titles = [f"{x['title']} {arrows[x['higher_is_better']]}" for x in columns]
        text += f"\n### {table['data']}{edition}\n\n| system | seeds | {' | '.join(titles)} |\n"
        text += "| --- " + "| ---: " * (1 + len(columns)) + "|\n"
        for system in dict.fromkeys(run["system"] for run in own):
            seeds = [run for run in own if run["system"] == system]
            cells = [of_seeds([float(run[x["key"]]) for run in seeds], x) for x in columns]
            text += f"| {system} | {len(seeds)} | {' | '.join(cells)} |\n"
        commits = ", ".join(sorted({run["commit"] for run in own}))
        source = ", ".join(sorted({run["table"] for run in own}))
        text += f"\n- runs of the commits {commits}, in options.csv at {source}\n"
    return text


def of_seeds(values: Sequence[float], column: Mapping[str, Any]) -> str:
    """Mean ± standard deviation of a metric, as the other tables show it."""
    scale, digits = (100, 1) if column["percent"] else (1, 3)
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    return f"{scale * mean:.{digits}f} ± {scale * deviation:.{digits}f}"


def main() -> None:
    arguments = arguments_of(__doc__.splitlines()[0], "options")
    name = arguments.config.stem
    runs, rows = finished_runs(arguments), list[dict[str, Any]]()
    rows += rows_of(runs.cases, runs.places)
    tables = json.loads((arguments.runs / "tables.json").read_text(encoding="utf-8"))
    for table in tables:
        markdown = (arguments.runs / f"{table['data']}.md").read_text(encoding="utf-8")
        table["markdown"] = markdown.replace("# ", "## ", 1)
        if (record := arguments.runs / "search.json").exists():
            searched = json.loads(record.read_text(encoding="utf-8"))
            table["markdown"] += "\n" + choices_of(table, searched)
    if (before := arguments.out / f"{name}.json").exists():
        tables = merged(json.loads(before.read_text(encoding="utf-8")), tables)
        with (arguments.out / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            rows = merged([*csv.DictReader(file)], rows)
    only = ",".join(table["data"] for table in tables)
    config = "" if name == "options" else f"--config studies/accuracy/{name}.yaml "
    text = (
        f"# {TITLES.get(name, name)}\n\n"
        f"`python studies/accuracy/options.py {config}--only {only}`; each "
        f"run's seed and commit are in {name}.csv. Mean ± standard deviation over seeds; the best "
        f"epoch is that of the lowest validation loss. {P}\n\n"
        f"![First metric of each system]({name}.svg)\n\n"
    )
    text += "\n".join(table["markdown"] for table in tables)
    text += taken_out(tables) if name == "options" else ""
    systems = sum(len(table["rows"]) for table in tables)
    drawn = picture(name, paint(tables), (7.2, 0.6 * len(tables) + 0.24 * systems))
    write_files(arguments.out, name, rows, text, drawn)
    write_atomically(arguments.out / f"{name}.json", json.dumps(tables, indent=1).encode())
    runs.refuse_failures()


if __name__ == "__main__":
    run_script("studies/accuracy/options.py", main)
