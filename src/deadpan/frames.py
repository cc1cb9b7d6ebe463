"""Tables for pandas, which deadpan does not depend on: who asks for a data frame has it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deadpan.errors import DeadpanError

if TYPE_CHECKING:
    import pandas  # pyright: ignore[reportMissingImports]


def data_frame(columns: Mapping[str, Any]) -> "pandas.DataFrame":  # pyright: ignore[reportUnknownParameterType]
    """Make a data frame of columns by name, all as long.

    Raises:
        DeadpanError: pandas is not installed.
    """
    try:
        import pandas  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError:
        raise DeadpanError("a data frame needs pandas: pip install pandas") from None
    return pandas.DataFrame(dict(columns))
