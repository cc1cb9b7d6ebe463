"""Lists of numbers in pickles as arrays, no larger in all than the file can hold."""

from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Num

from deadpan.data.containers.files import printable
from deadpan.errors import DataError


class NumberLists:
    """Converts the lists of one pickle to arrays.

    A pickle can name a value again in two bytes, so a small one can hold a list of lists that is
    larger than memory. An honest one takes two bytes or more for each number.
    """

    def __init__(self, path: Path) -> None:
        """Take the bound from the size of the file."""
        self.path = path
        self._left = path.stat().st_size // 2

    def claim(self, count: int) -> None:
        """Count numbers or entries; DataError once they are more than the file can hold."""
        self._left -= count
        if self._left < 0:
            raise DataError(f"{self.path}: holds the same lists again and again; write it anew")

    def rows(self, where: str, value: object) -> Num[np.ndarray, "row width"]:
        """An array of two axes, or a list of rows: lists of numbers or arrays of one axis.

        Args:
            where: what holds the value, for messages.
            value: its value; of one axis, or a list of numbers, it is one number a row.

        Raises:
            DataError: it is no such value, or its rows differ in length.
        """
        if isinstance(value, np.ndarray) and value.dtype.kind != "O":
            return self._checked(where, value)
        entries = list(cast("list[object]", value)) if isinstance(value, list | tuple) else None
        if isinstance(value, np.ndarray):
            entries = list(value.ravel()) if value.ndim < 2 else list(value)
        if entries is None:
            raise DataError(
                f"{self.path}: {where} is a {type(value).__name__}; wanted a list of numbers"
            )
        rows = [self.row(where, entry) for entry in entries]
        if len({len(row) for row in rows}) > 1:
            raise DataError(f"{self.path}: {where} has rows of different lengths; wanted one")
        return np.stack(rows) if rows else np.zeros((0, 0))

    def row(self, where: str, value: object) -> Num[np.ndarray, " width"]:
        """A vector: an array, a list of numbers, or a number."""
        if isinstance(value, np.ndarray) and value.dtype.kind != "O":
            return self._checked(where, value).ravel()
        values = list(value) if isinstance(value, list | tuple | np.ndarray) else [value]
        self.claim(len(values))
        for entry in cast("list[object]", values):
            if isinstance(entry, bool) or not isinstance(entry, int | float | np.number):
                raise DataError(
                    f"{self.path}: {where} holds a {type(entry).__name__}; wanted numbers"
                )
        try:
            return np.array(values, dtype=np.float64)
        except OverflowError:
            raise DataError(f"{self.path}: {where} holds a number beyond every float") from None

    def _checked(self, where: str, array: np.ndarray) -> Num[np.ndarray, "row width"]:
        self.claim(array.size)
        if array.dtype.kind not in "iuf" or array.ndim > 2:
            raise DataError(
                f"{self.path}: {where} is an array of {printable(array.dtype.name)} {array.shape}; "
                f"wanted numbers [row, width]"
            )
        return array.reshape(-1, 1) if array.ndim < 2 else array
