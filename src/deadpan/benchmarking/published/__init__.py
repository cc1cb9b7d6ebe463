"""What the HCT-MG paper prints, and what is known to be wrong with it.

Kept as files: ``table2.csv`` (all systems), ``table4.csv`` (HCT with a fixed primary modality) and
``notes.yaml``. Metrics have the keys of our tasks; the paper's Acc-2 and F1 are taken as ``non0``.
"""

import csv
from functools import cache
from importlib import resources
from typing import Any

import yaml

TABLES = ("table2.csv", "table4.csv")


def published(data: str, system: str, metric: str) -> float | None:
    """A figure as printed: percentages in [0, 100], Corr in [-1, 1].

    Args:
        data: MOSI, MOSEI or IEMOCAP.
        system: as the paper calls it; HCT-T, HCT-A and HCT-V have a fixed primary modality.
        metric: the key of a task's column, as in ``acc2_non0`` or ``happy_f1``.

    Returns:
        None where the paper has no such figure.
    """
    return _figures().get((data, system, metric))


def data_sets() -> list[str]:
    """The data sets of the paper's tables."""
    return sorted({data for data, _, _ in _figures()})


def notes(data: str) -> tuple[str, ...]:
    """What to know of the paper's figures for a data set, a sentence or two each; () for others."""
    return tuple(_note_text(entry) for entry in yaml.safe_load(_text("notes.yaml")).get(data, ()))


@cache
def _figures() -> dict[tuple[str, str, str], float]:
    return {
        (row["data"], row["system"], row["metric"]): float(row["value"])
        for name in TABLES
        for row in csv.DictReader(_text(name).splitlines())
    }


def _note_text(entry: dict[str, Any]) -> str:
    """A note after the cells that it is about: ``MulT, LMF-MulT (happy_acc, happy_f1): ...``."""
    metrics = ", ".join(entry.get("metrics", ()))
    cells = ", ".join(entry.get("systems", ())) + (f" ({metrics})" if metrics else "")
    return f"{cells}: {entry['note']}" if cells else entry["note"]


def _text(name: str) -> str:
    return (resources.files(__name__) / name).read_text(encoding="utf-8")
