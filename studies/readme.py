"""Write the tables of README and of other pages: ``python studies/readme.py``.

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
TWO_ENCODERS = {"mae": 0.60, "corr": 0.86}
"""The aim for MOSI's text by two frozen encoders, of which no pair is in the grid."""
NEAR = 0.02
"""How much more the recommended model may err than a plain attention pool on text, in MAE."""
AVOIDED = 0.2
"""The share of HCT-MG's and MulT's error on incongruent clips that is to be gone."""
COVERED = (0.88, 0.92)
"""The shares of test clips between which intervals of 90 % are to hold."""
PARTS = {"held": "", "held_weak": "weakest", "held_middle": "middle", "held_strong": "strongest"}
"""Columns of uncertainty.csv: all clips, and each third of |label|."""
FIRST_EDITION = ("c356427f2c3e",)
"""Commits of runs on the first edition of ``controlled``, where no table says which it is."""
SECONDS, ENCODING_SECONDS = 60, 100
"""What training the recommended model on text, and encoding MOSI, may take, in CPU-seconds."""
RECOMMENDED = "recommended (attention pooling)"
SURE = 0.05
"""Below this a p, corrected for all systems of its table, is no chance."""


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
        best = max(trained, key=lambda row: sign_of(column) * row[key])
        ours = systems[OURS]
        rows.append(
            [
                f"`{data}`: {ABOUT[data]}",
                column["title"],
                number(column, constant[key] if constant else None),
                number(column, systems["ridge"][key]),
                of_seeds(column, ours),
                f"{of_seeds(column, best)} ({best['system']})",
                str(ours["seeds"]),
            ]
        )
    head = ["data", "metric", "constant", "ridge", OURS, "best other system", "seeds"]
    return markdown(head, [*rows, todays_kernels()])


def todays_kernels() -> list[str]:
    """HCT-MG on ``controlled`` with the C kernels of today, ten seeds."""
    runs = rows_of("studies/accuracy/kernels.csv")
    corrs = [float(row["corr"]) for row in runs if row["kernels"] == "native"]
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


def comparison() -> str:
    """HCT-MG beside the best other system of each table of the comparison."""
    rows: list[list[str]] = []
    for table in read("studies/compare/tables.json"):
        column = next(x for x in table["columns"] if x["key"] == SHOWN[table["data"]])
        systems = {row["system"]: row for row in table["rows"] if row["seeds"]}
        ours = systems.pop(OURS)
        best = max(systems.values(), key=lambda row: sign_of(column) * row[column["key"]])
        # p is of errors, which the first metric measures.
        first = table["columns"][0]
        gains = {
            name: sign_of(first) * (row[first["key"]] - ours[first["key"]])
            for name, row in systems.items()
            if row["p"] is not None and row["p"] < SURE
        }
        ahead = [name for name, gain in gains.items() if gain > 0]
        rows.append(
            [
                table["data"],
                column["title"],
                of_seeds(column, ours),
                f"{of_seeds(column, best)} ({best['system']}, p {chance(best['p'])})",
                f"{len(gains) - len(ahead)} of {len(systems)}",
                ", ".join(ahead) or "none",
                commit_of(table),
            ]
        )
    head = ["data", "metric", OURS, "best other system", "surely behind", "surely ahead", "commit"]
    return markdown(head, rows)


def gate() -> str:
    """HCT-MG beside the best of the three that fix its primary modality, in the comparison."""
    rows: list[list[str]] = []
    for table in read("studies/compare/tables.json"):
        column = next(x for x in table["columns"] if x["key"] == SHOWN[table["data"]])
        systems = {row["system"]: row for row in table["rows"]}
        fixed = [systems[name] for name in ("HCT-T", "HCT-A", "HCT-V") if name in systems]
        if not fixed:
            continue
        best = max(fixed, key=lambda row: sign_of(column) * row[column["key"]])
        told = f"{of_seeds(column, best)} ({best['system']})"
        edition = ", first edition" if table["data"] == "controlled" else ""
        cells = [f"{table['data']}{edition}", column["title"], of_seeds(column, systems[OURS])]
        rows.append([*cells, told, chance(best["p"])])
    return markdown(["data", "metric", OURS, "best fixed primary", "p"], rows)


def sign_of(column: dict[str, Any]) -> int:
    return 1 if column["higher_is_better"] else -1


def of_seeds(column: dict[str, Any], row: dict[str, Any]) -> str:
    return number(column, row[column["key"]], row[f"{column['key']}_sd"])


def chance(p: float) -> str:
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def commit_of(table: dict[str, Any]) -> str:
    """The commits that a table's notes name."""
    notes = [note for note in table["notes"] if note.startswith("commit")]
    return ", ".join(note.split(maxsplit=1)[1] for note in notes)


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
            sign = sign_of(column)
            systems = {
                f"{row['system']}{after}": row
                for tables, after in ((options, ""), (tuned, ", after the search"))
                if data in tables
                for row in tables[data]["rows"]
                if row["parameters"]
            }
            name, best = max(systems.items(), key=lambda item: sign * item[1][key])
            searched = systems.get(f"{RECOMMENDED}, after the search")
            shown = [systems.get(RECOMMENDED), searched, best]
            cells = [number(column, x[key], x[f"{key}_sd"]) if x else "" for x in shown]
            what = f"{data}, {column['title']}"
            reached = outcome(column, sign * (aim - best[key]))
            rows.append([what, number(column, aim), *cells[:2], f"{cells[2]} ({name})", reached])
    head = ["data, metric", "aim", "recommended", "after the search", "best on test", "reached"]
    return markdown(head, rows)


def further_goals() -> str:
    """What else was aimed at beside what was reached."""
    options = {table["data"]: table for table in read("studies/accuracy/options.json")}
    rows = [*two_encoders(options), *beside_pool(options), no_mean_worse(options["mosi229"])]
    rows += [avoided(against) for against in (OURS, "MulT, GRU")]
    rows += [*coverage(), *costs(options)]
    return markdown(["what", "aim", "figure", "reached"], rows)


def two_encoders(options: dict[str, Any]) -> Iterator[list[str]]:
    for key, aim in TWO_ENCODERS.items():
        column = next(x for x in options["mosi_mpnet"]["columns"] if x["key"] == key)
        what = f"MOSI's text by two encoders, {column['title']}"
        said = "tried on validation alone, not in the grid: see *two encoders* below"
        yield [what, number(column, aim), "", said]


def beside_pool(options: dict[str, Any]) -> Iterator[list[str]]:
    """The recommended model's MAE beside that of a plain attention pool, on text."""
    for data in ("mosi_mpnet", "mosi_glove"):
        column = next(x for x in options[data]["columns"] if x["key"] == "mae")
        errors = {row["system"]: row["mae"] for row in options[data]["rows"]}
        more = errors[RECOMMENDED] - errors["AttentionPool"]
        yield [
            f"{data}, MAE of recommended above AttentionPool's",
            f"{number(column, NEAR)} at most",
            number(column, more),
            outcome(column, more - NEAR),
        ]


def no_mean_worse(table: dict[str, Any]) -> list[str]:
    """Whether the recommended model is as good as HCT-MG in every mean, and better in most."""
    systems = {row["system"]: row for row in table["rows"]}
    gains = [
        (x, sign_of(x) * (systems[RECOMMENDED][x["key"]] - systems[OURS][x["key"]]))
        for x in table["columns"]
    ]
    better = sum(gain > 0 for _, gain in gains)
    worse = [f"{column['title']} {outcome(column, -gain)}" for column, gain in gains if gain < 0]
    return [
        f"{table['data']}, means of recommended beside {OURS}'s",
        "as good in all, better in most",
        f"better in {better} of {len(gains)}",
        "; ".join(worse) or ("yes" if 2 * better > len(gains) else "not better in most"),
    ]


def avoided(against: str) -> list[str]:
    """How much of a system's error on incongruent clips others avoid, paired by seed."""
    errors: dict[str, dict[str, float]] = {}
    for row in rows_of("studies/accuracy/kinds.csv"):
        if row["data"] == "controlled" and row["kind"] == "incongruent" and row["seed"]:
            errors.setdefault(row["system"], {})[row["seed"]] = float(row["mae"])
    shares = {
        system: statistics.mean(1 - own[seed] / errors[against][seed] for seed in own)
        for system, own in errors.items()
        if own.keys() <= errors[against].keys()
    }
    best = max(shares, key=lambda system: shares[system])
    percent = {"percent": True}
    own, most = (number(percent, shares[system]) for system in (RECOMMENDED, best))
    return [
        f"controlled, error on incongruent clips below {against}'s",
        f"{number(percent, AVOIDED)} %",
        f"recommended {own} %, best {most} % ({best})",
        outcome(percent, AVOIDED - shares[best]),
    ]


def coverage() -> Iterator[list[str]]:
    """The share of test clips in their interval of 90 %, of each system that has one."""
    runs: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows_of("studies/accuracy/uncertainty.csv"):
        if all(row[part] for part in PARTS):
            runs.setdefault((row["data"], row["system"]), []).append(row)
    percent = {"percent": True}
    low, high = (number(percent, share) for share in COVERED)
    for (data, system), seeds in runs.items():
        shares = {part: statistics.mean(float(row[part]) for row in seeds) for part in PARTS}
        lacking = max(max(COVERED[0] - share, share - COVERED[1]) for share in shares.values())
        is_first = data == "controlled" and seeds[0]["commit"] in FIRST_EDITION
        edition = ", first edition" if is_first else ""
        figures = [
            f"{name} {number(percent, shares[part])}".strip() for part, name in PARTS.items()
        ]
        yield [
            f"{data}{edition}, {system}: clips in their 90 % interval",
            f"{low} to {high} %, overall and by thirds of \\|label\\|",
            f"{figures[0]} %; {', '.join(figures[1:])}",
            outcome(percent, lacking),
        ]


def costs(options: dict[str, Any]) -> Iterator[list[str]]:
    spent = read("benchmarks/results/encoding.json")
    row = next(row for row in options["mosi_glove"]["rows"] if row["system"] == RECOMMENDED)
    for what, aim, seconds, of in (
        (
            f"encoding MOSI's {spent['clips']:,} clips by {spent['encoder']}",
            ENCODING_SECONDS,
            spent["encode"]["cpu_s"],
            "a processor, with the start",
        ),
        (
            "mosi_mpnet, training of recommended",
            SECONDS,
            spent["train"]["cpu_s"],
            "a processor, with the start",
        ),
        ("mosi_glove, training of recommended", SECONDS, row["seconds"], "wall time, one thread"),
    ):
        yield [
            what,
            f"under {aim} CPU-seconds",
            f"{seconds:.0f} s of {of}",
            "yes" if seconds < aim else f"missed by {seconds - aim:.0f} s",
        ]
    commit = read("benchmarks/results/speed.json")["commit"]
    figure = f"[speed](../benchmarks/results/speed.md) is of one commit, {commit[:7]}"
    yield ["default paths", "as fast as before", figure, "not measured"]


def rows_of(path: str) -> list[dict[str, str]]:
    """The rows of a CSV, by column."""
    with (ROOT / path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


TABLES: dict[str, Callable[[], str]] = {
    "demo": demo,
    "accuracy": accuracy,
    "comparison": comparison,
    "gate": gate,
    "speed": speed,
    "goals": goals,
    "further_goals": further_goals,
}
DOCUMENTS = (
    "README.md",
    "docs/tutorials/first_run.md",
    "docs/hct_mg.md",
    "studies/compare/README.md",
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
