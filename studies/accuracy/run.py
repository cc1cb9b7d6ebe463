"""Train HCT-MG on what can be had, score it beside its baselines, and write the tables.

    python studies/accuracy/run.py {mosi_text,ravdess,mosi229,controlled,gate} ...

Each row of NAME.csv is one run with its command, seed, commit and configuration hash; NAME.md holds
means over seeds. Two runs go at a time, one thread each. Finished runs are skipped and interrupted
ones go on, so the script can be stopped and started at will. Runs are kept in runs/accuracy/.
"""

import argparse
import csv
import hashlib
import json
import os
import shlex
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RUNS = ROOT / "runs" / "accuracy"
WORKERS = 2

MOSI = ("--data", "../shared/data/mosi/label.csv", "--data_options.vectors",
        "../shared/data/mosi/glove.840B.300d.mosi-vocabulary.txt")  # fmt: skip
MOSI229 = ("--data", "../shared/data/mosi/mosi229_aligned.pkl")
RAVDESS = ("--data", "../shared/data/ravdess/ravdess4.pkl")
SMALL = ("--config", "configs/small.yaml")
UNTIL = ("--epochs", "80", "--patience", "12")
"""Or until validation no longer gets better: HCT-MG's stands still for up to eight epochs and falls
again."""
MODALITIES = ("text", "audio", "vision")
ALONE = {name: ("--modalities", json.dumps([name])) for name in MODALITIES}

Case = tuple[str, int, tuple[str, ...]]
"""System, seed, options of ``deadpan train``."""


def mosi_text() -> Iterator[Case]:
    """MOSI's official split, text only."""
    for seed in range(1, 6):
        yield "HCTMG", seed, MOSI


def ravdess() -> Iterator[Case]:
    """RAVDESS, four emotions, split by actor."""
    for seed in range(1, 6):
        yield "HCTMG", seed, (*RAVDESS, *SMALL)


def mosi229() -> Iterator[Case]:
    """MOSI's validation fold, leave-one-video-out."""
    from deadpan.data import load
    from deadpan.data.folds import groups_of

    for seed in range(1, 4):
        for group in groups_of(load(ROOT / MOSI229[1])):
            yield "HCTMG", seed, (*MOSI229, "--data_options.leave_out", group, *SMALL)


def controlled() -> Iterator[Case]:
    """The controlled corpus: HCT-MG beside each modality alone."""
    for seed in range(1, 4):
        yield "HCTMG", seed, ("--data", "controlled", *UNTIL)
        for name in MODALITIES:
            yield (
                f"HCTMG, {name} alone",
                seed,
                ("--data", "controlled", *UNTIL, *ALONE[name]),
            )


def gate() -> Iterator[Case]:
    """Where the gate ends, by the modality that carries; each seed has a corpus of its own."""
    for gate, seed in product(("pre", "post"), range(1, 11)):
        for carrier in MODALITIES:
            corpus = {"carrier": carrier, "seed": seed, "clips": 1500}
            options = [f"--data_options.{name}={value}" for name, value in corpus.items()]
            how = ("--model.gate", gate, "--epochs", "20")  # gates settle long before
            yield f"{carrier} carries, {gate}", seed, ("--data", "controlled", *options, *how)


STUDIES = {study.__name__: study for study in (mosi_text, ravdess, mosi229, controlled, gate)}


def run(case: Case) -> dict[str, object]:
    """Train and evaluate one case; its row."""
    _, seed, options = case
    name = hashlib.sha256(json.dumps([seed, options]).encode()).hexdigest()[:12]
    out = RUNS / name
    command = ["deadpan", "train", *options, "--seed", str(seed)]
    full = [str(Path(sys.executable).with_name("deadpan")), *command[1:], "--out", str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for step in (full + ["--resume"] * out.exists(), [full[0], "evaluate", str(out), "--json"]):
        done = subprocess.run(step, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{shlex.join(step)}\n{done.stderr}")
    scores = json.loads((out / "scores.json").read_text())
    facts = json.loads((out / "environment.json").read_text())
    gate_file = out / "gate.csv"
    lines = gate_file.read_text().splitlines() if gate_file.exists() else []
    weights = list(csv.DictReader(lines))[-1] if lines else {}
    weights = {k: float(v) for k, v in weights.items() if k not in ("step", "epoch")}
    return {
        "system": case[0],
        "seed": seed,
        "primary": max(weights, key=weights.get) if weights else "",
        **{f"weight_{name}": round(weight, 4) for name, weight in weights.items()},
        "command": shlex.join(command),
        "config": hashlib.sha256((out / "config.yaml").read_bytes()).hexdigest()[:12],
        "commit": facts["commit"] + ("+" if facts["dirty"] else ""),
        "out": str(out),
        "scores": scores,
    }


def score_rows(row: dict) -> Iterator[dict[str, object]]:
    """The run's own scores, and under it those of its baselines."""
    for scored in row["scores"]["rows"]:
        own = scored["parameters"] > 0
        kept = {k: v for k, v in row.items() if k not in ("out", "scores")}
        if not own:
            kept |= {k: "" for k in kept if k == "primary" or k.startswith("weight_")}
        metrics = {k: None if v is None else round(v, 5) for k, v in scored["metrics"].items()}
        # A baseline belongs to the modalities or the corpus of its run.
        name = str(row["system"])
        other = scored["system"]
        baseline = name.replace("HCTMG", other) if "HCTMG" in name else f"{name}: {other}"
        yield kept | {"system": name if own else baseline} | metrics


def pooled(rows: list[dict]) -> list[dict[str, object]]:
    """Rows of leave-one-out runs: the predictions of all folds of a seed, scored together.

    Those of the baselines are scored in the same way.
    """
    import numpy as np

    from deadpan.tasks import make_task
    from deadpan.training.baselines import constant_outputs, ridge_outputs
    from deadpan.training.evaluation import labels_of
    from deadpan.training.opened import open_run

    task, table = make_task("regression", ("sentiment",)), []
    for seed in sorted({row["seed"] for row in rows}):
        folds = [row for row in rows if row["seed"] == seed]
        parts: dict[str, list] = {"train mean": [], "ridge": [], "HCTMG": [], "truth": []}
        for row in folds:
            run = open_run(Path(row["out"]))
            data = run.data
            parts["HCTMG"].append(run.files.predictions().predicted)
            parts["truth"].append(labels_of(data["test"]))
            parts["train mean"].append(constant_outputs(task, data["train"], len(data["test"])))
            parts["ridge"].append(ridge_outputs(task, data, "test"))
        joined = {name: np.concatenate(part) for name, part in parts.items()}
        primaries = sorted({str(row["primary"]) for row in folds})
        for name in ("train mean", "ridge", "HCTMG"):
            table.append(
                {
                    "system": name,
                    "seed": seed,
                    "primary": " ".join(primaries) if name == "HCTMG" else "",
                    "command": folds[0]["command"].replace(_group(folds[0]), "VIDEO"),
                    "config": "",
                    "commit": folds[0]["commit"],
                    **{
                        k: round(v, 5)
                        for k, v in task.metrics(joined[name], joined["truth"]).items()
                    },
                }
            )
    return table


def _group(row: dict) -> str:
    words = shlex.split(row["command"])
    return words[words.index("--data_options.leave_out") + 1]


def summary(study: str, table: list[dict], columns: list[dict]) -> str:
    """Mean and deviation over seeds, and where the gate ended how often, as Markdown."""
    systems = list(dict.fromkeys(str(row["system"]) for row in table))
    titles = [f"{c['title']} {'↑' if c['higher_is_better'] else '↓'}" for c in columns]
    lines = [
        f"# {study}: {STUDIES[study].__doc__}",
        "",
        "| system | seeds | primary | " + " | ".join(titles) + " |",
        "|" + "---|" * (3 + len(columns)),
    ]
    for system in systems:
        rows = [row for row in table if row["system"] == system]
        ended = Counter(p for row in rows for p in str(row["primary"]).split())
        primary = ", ".join(f"{name} {count}" for name, count in ended.most_common())
        cells = []
        for column in columns:
            scale, digits = (100, 1) if column["percent"] else (1, 3)
            values = [scale * row[column["key"]] for row in rows if row[column["key"]] is not None]
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            cells.append(
                f"{statistics.mean(values):.{digits}f} ± {deviation:.{digits}f}" if values else "-"
            )
        seeds = len({row["seed"] for row in rows})
        lines.append(f"| {system} | {seeds} | {primary} | " + " | ".join(cells) + " |")
    commits = ", ".join(sorted({str(row["commit"]) for row in table}))
    first = next(str(r["command"]) for r in table)
    lines += [
        "",
        "Mean ± standard deviation over seeds; shares in percent; best epoch by validation loss;",
        "the test split opened once. non0: clips of label 0 dropped, > 0 against the rest;",
        "has0: all clips, >= 0 against the rest.",
        "",
        f"Made by `python studies/accuracy/run.py {study}` from runs such as",
        f"`{first}`; commit {commits}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the studies named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="+", choices=STUDIES)
    for study in parser.parse_args().studies:
        cases = list(STUDIES[study]())
        rows = []
        with ThreadPoolExecutor(WORKERS) as pool:
            for done, row in enumerate(pool.map(run, cases), start=1):
                rows.append(row)
                print(
                    f"{study} {done}/{len(cases)}: {row['system']} seed {row['seed']}", flush=True
                )
        columns = rows[0]["scores"]["columns"]
        table = pooled(rows) if study == "mosi229" else [s for row in rows for s in score_rows(row)]
        with (HERE / f"{study}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(table)
        (HERE / f"{study}.md").write_text(summary(study, table, columns))


if __name__ == "__main__":
    main()
