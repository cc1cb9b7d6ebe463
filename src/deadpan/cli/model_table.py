"""The models as a table; without torch, which it takes seconds to import."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from deadpan.cli.output import numbers_table


def models_table(models: Sequence[Mapping[str, Any]]) -> Table:
    """A row per model: name for ``--model`` (and title, if different), parameters and paper."""
    presets = list(models[0]["parameters"]) if models else []
    table = numbers_table("parameters at the sizes of each data set", "model", *presets)
    table.add_column("paper", overflow="fold")
    for model in models:
        sizes = [model["parameters"].get(preset) for preset in presets]
        name, title = model["name"], model["title"]
        label = name if title == name else f"{name} ({title})"
        cells = ("–" if size is None else f"{size:,}" for size in sizes)
        table.add_row(label, *cells, model["paper"])
    return table
