"""``deadpan data inspect --html``: the health of a data set as one self-contained HTML page."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deadpan.errors import DeadpanError
from deadpan.files import write_atomically
from deadpan.reports.data.panels import data_panels
from deadpan.reports.data.tables import (
    findings_verdict,
    modality_columns,
    reading_notes,
    rows_of,
    split_columns,
)
from deadpan.show.page import Fact, render


def write_data_report(facts: Mapping[str, Any], path: Path) -> Path:
    """Write a page on what ``inspect`` found of a data set.

    The page needs no other file and no network; the JSON of ``inspect`` is inside it. An earlier
    page is replaced whole or, on any error, left as it was.

    Returns:
        The page's path.

    Raises:
        DeadpanError: the path is a directory, its folder is missing, or it cannot be written.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise DeadpanError(f"{path}: not a file in a directory that exists; give another path")
    page = data_page(facts).encode("utf-8", "replace")
    try:
        write_atomically(path, page)
    except OSError as error:
        raise DeadpanError(
            f"{path}: cannot be written ({error.strerror}); make room or give yourself permission"
        ) from None
    return path


def data_page(facts: Mapping[str, Any]) -> str:
    """The page as HTML; every text of the data is escaped."""
    sentences = [text for text in (facts["layout"], findings_verdict(facts)) if text]
    numbers = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
    return render(
        "data.html.j2",
        title=facts["name"],
        verdict=" ".join(f"{text[0].upper()}{text[1:]}." for text in sentences),
        facts=_cards(facts),
        findings=facts["findings"],
        panels=data_panels(facts),
        splits=split_columns(facts),
        modalities=modality_columns(facts),
        rows_of=rows_of,
        notes=list(reading_notes(facts)),
        baseline=facts["baseline"],
        json=base64.b64encode(numbers.encode("utf-8", "replace")).decode(),
    )


def _cards(facts: Mapping[str, Any]) -> list[Fact]:
    splits = facts["splits"]
    clips = ", ".join(f"{name} {split['clips']:,}" for name, split in splits.items())
    widths = ", ".join(f"{name} {width}" for name, width in facts["widths"].items())
    groups = facts["groups"]
    videos, shared = "unknown", ""
    if groups["count"]:
        videos, shared = f"{groups['count']:,}", f"{groups['in_two_splits']:,} in two splits"
    labels = ", ".join(facts["labels"][:8]) + (", ..." if len(facts["labels"]) > 8 else "")
    return [
        Fact(
            term="Clips",
            value=f"{sum(split['clips'] for split in splits.values()):,}",
            note=clips,
        ),
        Fact(term="Task", value=facts["task"], note=labels),
        Fact(term="Videos or speakers", value=videos, note=shared),
        Fact(
            term="Modalities",
            value=f"{len(facts['widths'])}",
            note=f"features per step: {widths or 'none'}",
        ),
    ]
