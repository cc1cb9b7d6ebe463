"""Loading a data set from any source: ``load(NAME_OR_PATH)``.

Importing this package is free, so that ``deadpan data list`` needs neither torch nor numpy.
"""

import importlib
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from deadpan.data.dataset import Clip, Dataset
    from deadpan.data.loading import DATASETS, check_data_options, load

__all__ = [
    "DATASETS",
    "Clip",
    "Dataset",
    "NormalizationMethod",
    "check_data_options",
    "load",
]

NormalizationMethod = Literal["robust", "standard", "group", "none"]
"""How features are normalised; here, because ``train --help`` shows it without torch."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as PEP 562 has it
    if name not in __all__:
        raise AttributeError(f"module 'deadpan.data' has no attribute '{name}'")
    return getattr(importlib.import_module("deadpan.data.loading"), name)
