"""What the extra `video` adds to an installation, and what its components weigh.

Sizes are those of the files that each installed distribution lists, of the environment that runs
this; a distribution that deadpan needs anyway is not counted.

    python benchmarks/sizes.py [--out benchmarks/results/sizes]
"""

import argparse
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from deadpan import api

READS = ("face-landmarker", "silero-vad", "whisper-base", "glove-6b-50d")
NAMED = 6
"""Distributions that are named, the largest first."""


def needed(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Every distribution that one needs, itself among them."""
    found: set[str] = set()
    waiting = [(name, extras)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        found.add(each[0].lower().replace("_", "-"))
        for line in distribution(each[0]).requires or ():
            requirement = Requirement(line)
            wanted = [{"extra": extra} for extra in each[1]] or [{"extra": ""}]
            if not requirement.marker or any(map(requirement.marker.evaluate, wanted)):
                waiting.append((requirement.name, frozenset(requirement.extras)))
    return found


def size(name: str) -> int:
    """Bytes of a distribution's files."""
    paths = [Path(str(file.locate())) for file in distribution(name).files or ()]
    return sum(path.stat().st_size for path in paths if path.is_file() and path.suffix != ".pyc")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    from workloads.reporting import about, keep, table

    added = needed("deadpan", frozenset({"video"})) - needed("deadpan")
    sizes = sorted(((size(name), name) for name in added), reverse=True)
    total = sum(each for each, _ in sizes)
    rest = total - sum(each for each, _ in sizes[:NAMED])
    rows: list[tuple[str, str]] = [(name, f"{each / 1e6:.0f}") for each, name in sizes[:NAMED]]
    rows += [(f"{len(sizes) - NAMED} more", f"{rest / 1e6:.0f}"), ("all", f"{total / 1e6:.0f}")]
    listed: dict[str, Any] = {each["name"]: each["size"] for each in api.components()}
    parts = [(name, f"{listed[name] / 1e6:.1f}") for name in READS]
    parts.append(("all", f"{sum(listed[name] for name in READS) / 1e6:.1f}"))
    facts = about()
    lines = [
        "# Installed sizes",
        "",
        f"Commit {facts['commit'][:12]}. `python benchmarks/sizes.py`",
        "",
        *table(("what `pip install '.[video]'` adds", "MB"), rows),
        "",
        *table(("component of `analyze` and of `open-1`", "MB"), parts),
    ]
    shown = "\n".join(lines) + "\n"
    print(shown)
    told = {**facts, "distributions": {name: each for each, name in sizes}, "components": listed}
    keep(arguments.out, told, shown)


if __name__ == "__main__":
    main()
