"""deadpan: sentiment and emotion in words, voice and face, and where they disagree.

``deadpan.train("controlled")`` and its companions do what the command line does. What a user can
mend raises ``DeadpanError``. Importing this package is free: torch and the rest are loaded
with the first call. It sets how the threads of torch wait, in the environment and only where the
user has not (``deadpan.threads``).
"""

import importlib
from typing import TYPE_CHECKING, Any

from deadpan.threads import set_thread_defaults

if TYPE_CHECKING:
    from deadpan.api import (
        analyze,
        benchmark,
        components,
        convert,
        corpora,
        demo,
        encode,
        env,
        evaluate,
        explain,
        export,
        extract,
        fetch,
        fetch_components,
        inspect,
        list_models,
        load_run,
        open_studio,
        predict,
        push,
        report,
        train,
        verify_components,
    )
    from deadpan.data import load
    from deadpan.errors import DeadpanError
    from deadpan.runs import Run

    __version__: str

__all__ = [
    "DeadpanError",
    "Run",
    "analyze",
    "benchmark",
    "components",
    "convert",
    "corpora",
    "demo",
    "encode",
    "env",
    "evaluate",
    "export",
    "explain",
    "extract",
    "fetch",
    "fetch_components",
    "inspect",
    "list_models",
    "load",
    "load_run",
    "open_studio",
    "predict",
    "push",
    "report",
    "train",
    "verify_components",
]

set_thread_defaults()  # OpenMP reads them when torch is loaded, and never again


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as PEP 562 has it
    """Load the library at the first use of one of its functions."""
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("deadpan")
    if name == "models":  # the package: deadpan.models.register
        return importlib.import_module("deadpan.models")
    if name not in __all__:
        raise AttributeError(
            f"module 'deadpan' has no attribute '{name}'; it has {', '.join(__all__)}"
        )
    homes = {"load": "deadpan.data", "DeadpanError": "deadpan.errors", "Run": "deadpan.runs"}
    return getattr(importlib.import_module(homes.get(name, "deadpan.api")), name)


def __dir__() -> list[str]:
    return sorted(__all__)
