"""Write the tables of README and of two pages: ``python studies/readme.py``.

They come from the files of the studies and benchmarks. A table stands between
``<!-- table: NAME -->`` and ``<!-- end -->``; nothing else is touched.
``tests/studies/test_readme.py`` holds the documents to what this script would write.
"""

import csv
import json
import re
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OURS = "HCT-MG"

SHOWN = {
    "controlled": "corr",
    "mosi_text": "corr",
    "ravdess4": "exclusive_accuracy",
    "mosi229": "corr",
}
"""Data sets of the comparison, and the metric that README shows of each."""

ABOUT = {
    "controlled": "generated clips of the first edition",
    "mosi_text": "CMU-MOSI, official split, text only (GloVe)",
    "ravdess4": "RAVDESS, four emotions, split by actor",
    "mosi229": "229 clips of CMU-MOSI, one video left out at a time",
}

GOALS = {
    "mosi_glove": {"mae": 0.92, "corr": 0.67, "acc2_non0": 0.79},
    "mosi_mpnet": {"mae": 0.64, "corr": 0.84, "acc2_non0": 0.88, "acc7": 0.48},
    "meld_emotion": {"weighted_f1": 0.62},
    "meld_sentiment": {"weighted_f1": 0.70},
    "ravdess4": {"mean_f1": 0.94, "exclusive_accuracy": 0.88},
}
"""What was set as the aim of the study of options before it was run."""


def read(path: str) -> Any:
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(column: dict[str, Any], value: float | None, deviation: float | None = None) -> str:
    """A metric as tables show it: shares in percent, other numbers with three digits."""
    if value is None:
        return ""
    scale, digits = (100, 1) if column["percent"] else (1, 3)
    text = f"{scale * value:.{digits}f}"
    return text if deviation is None else f"{text} ± {scale * deviation:.{digits}f}"


def demo() -> str:
    """Scores of ``make demo`` on its test split."""
    scores = read("studies/demo/scores.json")
    columns = scores["columns"]
    arrows = {True: "↑", False: "↓"}
    head = [
        f"`make demo`, {scores['clips']} test clips",
        *(f"{column['title']} {arrows[column['higher_is_better']]}" for column in columns),
    ]
    names = {"HCTMG": OURS}
    rows = [
        [
            names.get(row["system"], row["system"])
            + (f", {row['parameters']:,} parameters" if row["parameters"] else ""),
            *(number(column, row["metrics"][column["key"]]) for column in columns),
        ]
        for row in scores["rows"]
    ]
    return markdown(head, rows)


def accuracy() -> str:
    """HCT-MG on each data set of the comparison, beside the baselines and the best other system."""
    tables = {table["data"]: table for table in read("studies/compare/tables.json")}
    rows: list[list[str]] = []
    for data, key in SHOWN.items():
        table = tables[data]
        column = next(column for column in table["columns"] if column["key"] == key)
        systems = {row["system"]: row for row in table["rows"] if row[key] is not None}
        constant = systems.get("train mean", systems.get("majority"))
        trained = [row for row in systems.values() if row["seeds"] and row["system"] != OURS]
        best = max(trained, key=lambda row: row[key] * (1 if column["higher_is_better"] else -1))
        ours = systems[OURS]
        rows.append(
            [
                f"`{data}`: {ABOUT[data]}",
                column["title"],
                number(column, constant[key] if constant else None),
                number(column, systems["ridge"][key]),
                number(column, ours[key], ours[f"{key}_sd"]),
                f"{number(column, best[key], best[f'{key}_sd'])} ({best['system']})",
                str(ours["seeds"]),
            ]
        )
    head = ["data", "metric", "constant", "ridge", OURS, "best other system", "seeds"]
    return markdown(head, [*rows, todays_kernels()])


def todays_kernels() -> list[str]:
    """HCT-MG on ``controlled`` with the C kernels of today, ten seeds."""
    with (ROOT / "studies/accuracy/kernels.csv").open(newline="", encoding="utf-8") as file:
        corrs = [float(row["corr"]) for row in csv.DictReader(file) if row["kernels"] == "native"]
    mean, deviation = statistics.mean(corrs), statistics.stdev(corrs)
    ours = f"{mean:.3f} ± {deviation:.3f}"
    return [
        "`controlled`, first edition, on the C kernels of today",
        "Corr",
        "",
        "",
        ours,
        "",
        str(len(corrs)),
    ]


def speed() -> str:
    """Seconds of a training epoch on two threads, and milliseconds of one clip."""
    epochs, one = read("benchmarks/results/speed.json"), read("benchmarks/results/inference.json")
    seconds = {
        (row["system"], row["data"]): row
        for row in epochs["rows"]
        if row["threads"] == 2 and row["system"] in (OURS, "MulT d40 L2", "LF-LSTM", "LMF")
    }
    rows = [
        [
            f"epoch of {system}, {row['parameters']:,} parameters",
            f"{row['epoch_s']:.2f} s",
            f"{seconds[system, 'padded']['epoch_s']:.1f} s",
        ]
        for (system, data), row in seconds.items()
        if data == "speech"
    ]
    short, full = one["one clip"]["12/53/63"], one["one clip"]["50/375/500"]
    for what, key in (("torch", "torch, 1 thread"), ("onnxruntime", "session, fp32, 1 thread")):
        rows.append([f"one clip, {OURS}, {what}", f"{short[key]:.1f} ms", f"{full[key]:.1f} ms"])
    head = [
        f"{epochs['clips']:,} clips of MOSI's widths; {epochs['machine']}",
        "speech-like lengths",
    ]
    return markdown([*head, "padded to 50/375/500 steps"], rows)


def outcome(column: dict[str, Any], lacking: float) -> str:
    """Whether an aim was reached, given how much is lacking; below zero there is more than that."""
    if lacking <= 0:
        return "yes"
    rounded = number(column, lacking)
    return f"missed by {rounded}" if float(rounded) else "missed by a rounding"


def goals() -> str:
    """What was aimed at beside what the recommended and the best of all systems reached."""
    options, tuned = (
        {table["data"]: table for table in read(f"studies/accuracy/{name}.json")}
        for name in ("options", "tuned")
    )
    rows: list[list[str]] = []
    for data, aims in GOALS.items():
        for key, aim in aims.items():
            column = next(column for column in options[data]["columns"] if column["key"] == key)
            sign = 1 if column["higher_is_better"] else -1
            systems = {
                f"{row['system']}{after}": row
                for tables, after in ((options, ""), (tuned, ", after the search"))
                if data in tables
                for row in tables[data]["rows"]
                if row["parameters"]
            }
            name, best = max(systems.items(), key=lambda item: sign * item[1][key])
            preset = "recommended (attention pooling)"
            shown = [systems.get(preset), systems.get(f"{preset}, after the search"), best]
            cells = [number(column, x[key], x[f"{key}_sd"]) if x else "" for x in shown]
            what = f"{data}, {column['title']}"
            reached = outcome(column, sign * (aim - best[key]))
            rows.append([what, number(column, aim), *cells[:2], f"{cells[2]} ({name})", reached])
    head = ["data, metric", "aim", "recommended", "after the search", "best on test", "reached"]
    return markdown(head, rows)


TABLES: dict[str, Callable[[], str]] = {
    "demo": demo,
    "accuracy": accuracy,
    "speed": speed,
    "goals": goals,
}
DOCUMENTS = (
    "README.md",
    "docs/tutorials/first_run.md",
    "benchmarks/README.md",
    "studies/README.md",
)


def filled(text: str) -> str:
    """A document with every table as it is today."""

    def table(match: re.Match[str]) -> str:
        return f"<!-- table: {match[1]} -->\n{TABLES[match[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- table: (\w+) -->\n.*?<!-- end -->", table, text, flags=re.DOTALL)


def marked(text: str) -> Iterator[str]:
    """The names of the tables that a text has room for."""
    yield from re.findall(r"<!-- table: (\w+) -->", text)


if __name__ == "__main__":
    for name in DOCUMENTS:
        document = ROOT / name
        document.write_text(filled(document.read_text(encoding="utf-8")), encoding="utf-8")
