"""``deadpan data inspect``: the health of a data set, as tables and sentences of 80 columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

import deadpan
from deadpan.cli.failures import one_line
from deadpan.cli.parsers import add_data_options, file_to_write, parse, parser_of
from deadpan.cli.showing import show_json
from deadpan.data.health.findings import percent
from deadpan.reports.data_tables import (
    Columns,
    findings_verdict,
    modality_columns,
    reading_notes,
    rows_of,
    split_columns,
)

WIDTH = 80
BAR = 8  # characters of the longest bar of a histogram
STYLES = {"serious": "bold red", "warning": "yellow", "note": ""}


def data_inspect(arguments: Sequence[str]) -> None:
    """Tell the health of a data set."""
    parser = parser_of(
        "data inspect",
        "NAME_OR_PATH [--json | --html FILE] [--data_options.OPTION VALUE ...]",
        "The health of a data set: what is in it, what was mended, and what to beware of.",
    )
    parser.add_argument("name_or_path", type=str, help="a data set's name or a path")
    add_data_options(parser)
    parser.add_argument("--json", action="store_true", help="print all figures")
    parser.add_argument("--html", type=str | None, help="write a page; replaces one that is there")
    given = parse(parser, arguments)
    page = file_to_write(given, "html")
    facts = deadpan.inspect(given["name_or_path"], **given["data_options"])
    if page:
        from deadpan.reports.data import write_data_report

        print(write_data_report(facts, page))
    elif given["json"]:
        show_json(facts)
    else:
        console = Console(markup=False, highlight=False, emoji=False)
        console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
        console.print(dataset_view(facts))


def dataset_view(facts: Mapping[str, Any]) -> RenderableType:
    """The health of a data set: splits, modalities, and what was found, the gravest first."""
    layout = f", {facts['layout']}" if facts["layout"] else ""
    parts: list[RenderableType] = [
        _line(f"{facts['name']}{layout}"),
        _line(f"{facts['task']} of {', '.join(facts['labels'])}"),
    ]
    labels = {n: _label_rows(s["labels"]) for n, s in facts["splits"].items() if s["clips"]}
    parts.append(_table({n: {**rows, **labels[n]} for n, rows in split_columns(facts).items()}))
    if facts["modalities"]:
        parts.append(_table(modality_columns(facts)))
    parts += map(_line, reading_notes(facts))
    if baseline := facts["baseline"]:
        scores = ", ".join(f"{m['title']} {m['shown']}" for m in baseline["metrics"])
        told = f"{baseline['system']}, the same for every {baseline['split']} clip: {scores}"
        parts.append(_line(told))
    parts.append(Text(findings_verdict(facts), style="bold"))
    found = Table.grid(padding=(0, 1))
    for finding in facts["findings"]:
        gravity = finding["gravity"]
        found.add_row(Text(f"{gravity}:", style=STYLES[gravity]), _line(finding["sentence"]))
    return Group(*parts, found) if facts["findings"] else Group(*parts)


def _label_rows(labels: Mapping[str, Any]) -> dict[str, str]:
    """A bar for each label, class or bin."""
    rows: dict[str, str] = {}
    for key, title in (("present", "{} present"), ("share", "class {}")):
        for name, share in labels.get(key, {}).items():
            rows[title.format(name)] = _bar(share, 1, percent(share))
    scores = labels.get("histogram", {})
    for score, count in scores.items():
        rows[f"label {score}"] = _bar(count, max(scores.values()), f"{count:,}")
    for name, values in labels.get("values", {}).items():
        edges, counts = values["histogram"]["edges"], values["histogram"]["counts"]
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
            rows[f"{name} {low:.3g} to {high:.3g}"] = _bar(count, max(counts), f"{count:,}")
    return rows


def _table(columns: Columns) -> Table:
    """A column for each name, a row for each key that any of them has."""
    table = Table(header_style="bold")
    table.add_column("", overflow="fold")
    for name in columns:
        table.add_column(_line(name), justify="right", overflow="fold")
    for key in rows_of(columns):
        table.add_row(_line(key), *(_line(rows.get(key, "")) for rows in columns.values()))
    return table


def _line(text: str) -> Text:
    return Text(one_line(text))


def _bar(value: int | float, most: int | float, told: str) -> str:
    return f"{'█' * round(BAR * value / most) if most else ''} {told:>5}"
