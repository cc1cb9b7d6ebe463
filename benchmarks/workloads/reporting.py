"""What every table says of itself, and where it goes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from deadpan.threads import processors
from deadpan.training.environment import commit, commit_name


def about() -> dict[str, str]:
    """The machine and the commit."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        model = f" of {named[0].partition(':')[2].strip()}" if named else ""
    return {
        "machine": f"{processors()} cores{model}, torch {torch.__version__}",
        "commit": commit_name(**commit()),
    }


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of Markdown; the first column to the left, the others to the right."""
    lines = [f"| {' | '.join(columns)} |", f"|---|{'---:|' * (len(columns) - 1)}"]
    return lines + [f"| {' | '.join(map(str, row))} |" for row in rows]


def keep(out: Path | None, told: dict[str, Any], text: str) -> None:
    """Write OUT.json and OUT.md, if there is an OUT."""
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.with_suffix(".json").write_text(json.dumps(told, indent=2) + "\n")
        out.with_suffix(".md").write_text(text)
