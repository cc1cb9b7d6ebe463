"""A grid's table as Markdown, CSV, LaTeX, HTML and JSON."""

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from deadpan.benchmarking.table import Cell, GridTable, Row
from deadpan.files import csv_text, json_text
from deadpan.show.page import render
from deadpan.tasks.task import MetricColumn

HEADINGS = ("system", "parameters", "training", "p")


def headings(table: GridTable) -> list[str]:
    """The headings of all columns; arrows point to better."""
    arrows = {True: "↑", False: "↓"}
    return [*HEADINGS, *(f"{c.title} {arrows[c.higher_is_better]}" for c in table.columns)]


def row_texts(row: Row, columns: Sequence[MetricColumn], bold: Callable[[str], str]) -> list[str]:
    """The cells of a row as people read them."""
    if not row.cells:
        return [row.system, "", "", "", *("-" for _ in columns)]
    return [
        row.system,
        f"{row.parameters:,}" if row.parameters else "",
        "" if math.isnan(row.seconds) else _duration(row.seconds),
        "" if row.p is None else _p(row.p),
        *(_cell(column, row.cells[column.key], bold) for column in columns),
    ]


def markdown(table: GridTable) -> str:
    """The table as Markdown, for a README or a study's folder."""
    lines = [headings(table), ["---"] + ["---:"] * (len(HEADINGS) - 1 + len(table.columns))]
    lines += [row_texts(row, table.columns, lambda text: f"**{text}**") for row in table.rows]
    text = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
    notes = "\n".join(f"- {note}" for note in table_notes(table))
    return f"# {table.data}\n\n{text}\n\n{notes}\n"


def latex(table: GridTable) -> str:
    """The table as a LaTeX ``tabular`` for ``booktabs``."""
    rows = [
        [_tex(cell) for cell in row_texts(row, table.columns, lambda text: f"<b>{text}</b>")]
        for row in table.rows
    ]
    head = " & ".join(_tex(text) for text in headings(table))
    body = "\n".join(f"{' & '.join(row)} \\\\" for row in rows)
    notes = "\n".join(f"% {' '.join(note.split())}" for note in table_notes(table))
    spec = "l" + "r" * (len(HEADINGS) - 1 + len(table.columns))
    return (
        f"% {table.data}\n{notes}\n\\begin{{tabular}}{{{spec}}}\n\\toprule\n{head} \\\\\n"
        f"\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"
    )


def html(tables: Sequence[GridTable], title: str) -> str:
    """One page of all tables that needs no other file: rows by score, metrics before costs."""
    return render(
        "tables.html.j2",
        title=title,
        tables=tables,
        rows_by_score=_rows_by_score,
        spread_texts=_spread_texts,
        costs=("p", "Parameters", "Training"),
        cost_texts=_cost_texts,
        notes=table_notes,
    )


def _rows_by_score(table: GridTable) -> list[Row]:
    """The rows by their first metric, the best first; those without one last."""
    column = table.columns[0]
    sign = -1 if column.higher_is_better else 1

    def rank(row: Row) -> tuple[bool, float]:
        mean = row.cells[column.key].mean if row.cells else math.nan
        return math.isnan(mean), 0.0 if math.isnan(mean) else sign * mean

    return sorted(table.rows, key=rank)


def _cost_texts(row: Row) -> list[str]:
    _, parameters, training, p = row_texts(row, (), str)
    return [p, parameters, training]


def csv(table: GridTable) -> str:
    """One row per system with plain numbers; empty where there is none."""
    return csv_text([_plain(row) for row in table.rows])


def as_json(tables: Sequence[GridTable]) -> str:
    """All tables, with null where there is no number."""
    return json_text(
        [
            {
                "data": table.data,
                "against": table.against,
                "columns": [dataclasses.asdict(column) for column in table.columns],
                "rows": [_plain(row) for row in table.rows],
                "notes": table_notes(table),
            }
            for table in tables
        ]
    )


def table_notes(table: GridTable) -> list[str]:
    """How to read the table, then what is particular to it, then what failed or diverged."""
    notes = [
        "mean ± standard deviation over seeds; shares in percent; best mean in bold; best epoch by "
        "validation loss; the test split opened once for each run",
        f"p: paired sign-flip test of each clip's error (mean over seeds) against {table.against}, "
        f"two-sided, Holm's correction for all systems of this table; clips count as independent",
    ]
    notes += table.notes
    notes += table.remarks
    if any(cell.paper is not None for row in table.rows for cell in row.cells.values()):
        notes.append("in brackets: the figure that the HCT-MG paper prints")
    return notes


def _cell(column: MetricColumn, cell: Cell, bold: Callable[[str], str]) -> str:
    deviation, paper = _deviation_text(column, cell), _paper_text(cell)
    text = f"{column.format(cell.mean)} {deviation}".rstrip()
    return f"{bold(text) if cell.best else text} {paper}".rstrip()


def _spread_texts(column: MetricColumn, cell: Cell) -> list[str]:
    return [text for text in (_deviation_text(column, cell), _paper_text(cell)) if text]


def _deviation_text(column: MetricColumn, cell: Cell) -> str:
    return "" if math.isnan(cell.deviation) else f"± {column.format(cell.deviation)}"


def _paper_text(cell: Cell) -> str:
    return "" if cell.paper is None else f"({cell.paper:g})"


def _plain(row: Row) -> dict[str, Any]:
    values: dict[str, Any] = {
        "system": row.system,
        "seeds": row.seeds,
        "parameters": row.parameters,
        "seconds": row.seconds,
        "p": row.p,
        "failure": row.failure or None,
    }
    for key, cell in row.cells.items():
        values |= {key: cell.mean, f"{key}_sd": cell.deviation, f"{key}_paper": cell.paper}
    for name, value in values.items():
        if isinstance(value, float):
            values[name] = None if math.isnan(value) else round(value, 6)
    return values


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= 100 else f"{seconds:.1f} s"


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def _tex(text: str) -> str:
    """Plain text, with <b> as the only markup, as LaTeX."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {char: f"\\{char}" for char in "&%$#_{}"}
    special |= {"±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$"}
    bold = text.replace("<b>", "\0").replace("</b>", "\1")
    escaped = "".join(special.get(char, char) for char in bold)
    escaped = re.sub(r"<(?=\.)", "$<$", escaped)
    return escaped.replace("\0", r"\textbf{").replace("\1", "}")
