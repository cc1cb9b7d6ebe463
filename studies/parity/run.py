"""Compare our models and metrics with their official code: same weights, same input.

``python studies/parity/run.py --mult FOLDER --mmsa FOLDER --raven FOLDER ...``: each folder is a
clone of a repository, made by whoever runs this; nothing of it is kept here. Writes parity.md,
parity.csv and parity.json. What was not given says so, with the command that fetches it. Exit
status 1: something differs without an explanation; 2: a folder is not what its option names.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from comparer import Case, Comparison, compare
from metric_cases import EVALUATIONS, UNEXPLAINED, compare_metrics
from model_cases import CASES, DIFFERENT, NO_CODE, initial_deviations, parameters
from repositories import REPOSITORIES, check, commit, obstacle

from deadpan.errors import DeadpanError
from deadpan.files import csv_text, json_text, write_atomically
from deadpan.training.environment import commit as our_commit
from deadpan.training.environment import commit_name

HERE = Path(__file__).parent
SAME = {"float32": 1e-5, "float64": 1e-6}
"""Largest difference, relative to the largest number, of what is called the same. MulT's own code
computes a softmax in float32 in any type, and so is in float64 no closer than that."""
SCALES = ("outputs", "gradients")


def model_rows(option: str, folder: Path) -> list[dict[str, Any]]:
    """A row for each case of a repository, and for each model that is not compared."""
    repository = REPOSITORIES[option]
    source = {"repository": repository.name, "commit": commit(folder, list(repository.files))}
    if option not in CASES:
        why = obstacle(folder) or "no comparison is written"
        return [
            {"model": name, "part": "", **source, "result": f"not compared: {why}"}
            for name in repository.models
        ]
    torch.manual_seed(0)
    try:
        cases = CASES[option](folder)
        compared = [(case, compare(case)) for case in cases]
    except (ImportError, AttributeError, TypeError, RuntimeError, SyntaxError) as error:
        raise DeadpanError(
            f"--{option}: the code of {folder} does not run here ({type(error).__name__}: "
            f"{str(error).splitlines()[0]:.200}); give {repository.name} at the commit of parity.md"
        ) from error
    rows = [
        {
            "model": case.name,
            "part": case.part,
            **source,
            "parameters": parameters(case.ours),
            "their parameters": parameters(case.theirs),
            **_numbers(comparisons),
            "result": _result(case, comparisons),
            "note": case.note,
        }
        for case, comparisons in compared
    ]
    return rows + [
        {"model": name, "part": "", **source, "result": f"not compared: {why}"}
        for name, why in DIFFERENT.get(option, {}).items()
    ]


def _result(case: Case, comparisons: list[Comparison]) -> str:
    same = all(map(_is_same, comparisons))
    if same == bool(case.departs):
        return f"{UNEXPLAINED}: {'the same' if same else 'differs'}"
    return "same" if same else f"differs: {case.departs}"


def _numbers(comparisons: list[Comparison]) -> dict[str, float]:
    return {
        f"{part} {x.dtype}{end}": value
        for x in comparisons
        for part in SCALES
        for end, value in (
            ("", getattr(x, part).largest),
            (" largest number", getattr(x, part).scale),
        )
    }


def _is_same(x: Comparison) -> bool:
    return all(
        difference.largest <= SAME[x.dtype] * difference.scale and difference.numbers
        for difference in (x.outputs, x.gradients)
    )


def study(folders: Mapping[str, Path | None], *, vectors: int, seed: int) -> dict[str, Any]:
    """Everything that the tables hold."""
    given = {option: folder for option, folder in folders.items() if folder is not None}
    for option, folder in given.items():
        check(option, folder)
    ours = commit_name(**our_commit())
    rows: list[dict[str, Any]] = []
    metrics: list[dict[str, Any]] = []
    for option, repository in REPOSITORIES.items():
        if option in given:
            rows += model_rows(option, given[option])
            for evaluation in EVALUATIONS.get(option, lambda _: [])(given[option]):
                metrics += [
                    {"repository": repository.name, "function": evaluation.name, **row}
                    for row in compare_metrics(evaluation, vectors=vectors, seed=seed)
                ]
        else:
            result = f"not given: `{repository.command}`, then --{option} FOLDER"
            rows += [
                {"model": name, "part": "", "repository": repository.name, "result": result}
                for name in repository.models
            ]
    rows += [
        {"model": name, "part": "", "repository": "", "result": f"not compared: {why}"}
        for name, why in NO_CODE.items()
    ]
    return {
        "commit": ours,
        "torch": torch.__version__,
        "vectors": vectors,
        "seed": seed,
        "models": rows,
        "deviations": initial_deviations(given["mult"]) if "mult" in given else [],
        "metrics": metrics,
    }


def page(found: Mapping[str, Any]) -> str:
    """The tables as Markdown."""
    repositories = {
        row["repository"]: row["commit"] for row in found["models"] if row.get("commit")
    }
    options = " ".join(f"--{x} FOLDER" for x, y in REPOSITORIES.items() if y.name in repositories)
    lines = [
        "# Our models and metrics beside their official code",
        "",
        f"`python studies/parity/run.py {options}`, at {found['commit']}, torch {found['torch']}. "
        "Both networks have the same random weights and read the same input, no step of which is "
        "padding; dropout is off. A difference is the largest of all outputs, or of the gradients "
        "of all parameters and inputs, of a random linear function of the outputs; in brackets the "
        "largest number there is.",
        "",
        "| repository | commit |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in repositories.items()),
        "",
        "| model | compared | repository | parameters | outputs, float32 | gradients, float32 "
        "| outputs, float64 | gradients, float64 | result |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in found["models"]:
        cells = [row["model"], row["part"], row["repository"]]
        cells.append(f"{row['parameters']:,}" if "parameters" in row else "")
        for dtype in SAME:
            for part in SCALES:
                name = f"{part} {dtype}"
                large = f"{name} largest number"
                cells.append(f"{row[name]:.1e} ({row[large]:.2g})" if name in row else "")
        cells.append("; ".join(x for x in (row["result"], row.get("note")) if x))
        lines.append(f"| {' | '.join(cells)} |")
    if found["deviations"]:
        lines += ["", "## Initial weights of MulT's attention", ""]
        lines += ["Deviation of query, key and value weights over 10 seeds; ours by the option"]
        lines += ["`initialization` of MulT.", ""]
        names = list(found["deviations"][0])
        lines += [f"| {' | '.join(names)} |", f"|{' ---: |' * len(names)}"]
        for row in found["deviations"]:
            values = [str(row["width"]), *(f"{row[name]:.4f}" for name in names[1:])]
            lines.append(f"| {' | '.join(values)} |")
    if found["metrics"]:
        lines += ["", "## Metrics", ""]
        lines += [
            f"{found['vectors']:,} predictions with labels for each function, random and "
            "degenerate, as many of each kind. Each explanation was checked on every vector "
            "it stands for. MMSA rounds to four places."
        ]
        lines += ["", "| function | metric | vectors | largest difference | kinds | explanation |"]
        lines += ["| --- | --- | ---: | ---: | --- | --- |"]
        for row in found["metrics"]:
            gap = row["difference"]
            told = "same" if not row["why"] else f"{gap:.3f}" if gap == gap else "–"
            lines.append(
                f"| {row['function']} | {row['metric']} | {row['vectors']:,} | {told} "
                f"| {row['kinds']} | {row['why']} |"
            )
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option, repository in REPOSITORIES.items():
        parser.add_argument(
            f"--{option}", type=Path, metavar="FOLDER", help=f"a clone of {repository.name}"
        )
    parser.add_argument("--out", type=Path, default=HERE, help="where the tables are written")
    parser.add_argument("--vectors", type=int, default=10_000, help="for each function of metrics")
    parser.add_argument("--seed", type=int, default=0, help="of the vectors")
    chosen = parser.parse_args(arguments)
    if chosen.vectors < 1:
        parser.error(f"--vectors must be at least 1; got {chosen.vectors}")
    if not chosen.out.is_dir():
        parser.error(f"--out: there is no folder {chosen.out}; make it first")
    folders = {option: getattr(chosen, option) for option in REPOSITORIES}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of their code
            found = study(folders, vectors=chosen.vectors, seed=chosen.seed)
    except DeadpanError as error:
        print(error, file=sys.stderr)
        return 2
    unlike = [row for row in found["models"] if row["result"].startswith(UNEXPLAINED)]
    unlike += [row for row in found["metrics"] if row["why"] == UNEXPLAINED]
    write_atomically(chosen.out / "parity.md", page(found).encode())
    rows = found["models"] + found["metrics"]
    write_atomically(chosen.out / "parity.csv", csv_text(rows).encode())
    write_atomically(chosen.out / "parity.json", json_text(found).encode())
    for row in unlike:
        print(f"not explained: {json.dumps(row)}", file=sys.stderr)
    return 1 if unlike else 0


if __name__ == "__main__":
    sys.exit(main())
