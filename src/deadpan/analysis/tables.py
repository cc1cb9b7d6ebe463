"""A CSV file of a run directory as columns, refused in one line where it is broken."""

import csv
import io
from pathlib import Path
from typing import NoReturn

import numpy as np
from jaxtyping import Float

from deadpan.analysis.run_files import read_text
from deadpan.errors import RunError


class Table:
    """A CSV file with a header and at least one row.

    Attributes:
        columns: the cells of each column, as text, by name in the file's order.
    """

    def __init__(self, path: Path, remedy: str) -> None:
        """Raise RunError for a file that is missing, empty, ragged, or names a column twice."""
        self._path, self._remedy = path, remedy
        text = io.StringIO(read_text(path, remedy), newline="")
        try:
            header, *rows = [row for row in csv.reader(text) if row] or [[]]
        except csv.Error as error:
            self.refuse(f"is not a CSV table ({error})")
        if not rows:
            self.refuse("holds a header and no row" if header else "is empty")
        if len(set(header)) < len(header):
            self.refuse("names a column twice")
        for number, row in enumerate(rows, start=1):
            if len(row) != len(header):
                self.refuse(f"has {len(row)} cells in row {number}, wanted {len(header)}")
        self.columns = dict(zip(header, (tuple(c) for c in zip(*rows, strict=True)), strict=True))

    def __getitem__(self, column: str) -> tuple[str, ...]:
        """The cells of a column, as text."""
        if column not in self.columns:
            self.refuse(f"has no column '{column}' (found {', '.join(self.columns)})")
        return self.columns[column]

    def numbers(self, column: str, *, finite: bool = True) -> Float[np.ndarray, " row"]:
        """A column of numbers; an empty cell is NaN; NaN and infinity only where not ``finite``."""
        values = np.empty(len(self[column]))
        for row, cell in enumerate(self[column]):
            try:
                values[row] = float(cell or "nan")
            except ValueError:
                self.refuse(f"holds {cell!r} in column '{column}', row {row + 1}, wanted a number")
        if finite and not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            got = f"{self[column][row]!r} in column '{column}', row {row + 1}"
            self.refuse(f"holds {got}, wanted a finite number")
        return values

    def refuse(self, what: str) -> NoReturn:
        """Raise RunError: the path, what is wrong with it, and the remedy."""
        raise RunError(f"{self._path} {what}; {self._remedy}")
