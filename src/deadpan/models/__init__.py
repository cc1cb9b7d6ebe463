"""All models. The exports are the registry that the command line, the tables and the tests read.

A model of your own joins them by ``@deadpan.models.register``.
"""

import importlib
import importlib.util
import inspect
import os
import sys
from pathlib import Path
from typing import Literal, TypeVar, get_origin

from deadpan.catalogue import OWN_MODELS
from deadpan.errors import DeadpanError, unknown_name
from deadpan.models.attention_pool import AttentionPool
from deadpan.models.base import Model, check_hyperparameters, hyperparameters
from deadpan.models.cia import CIA
from deadpan.models.ef_lstm import EFLSTM
from deadpan.models.graph_mfn import GraphMFN
from deadpan.models.hct_mg import HCTMG
from deadpan.models.lf_dnn import LFDNN
from deadpan.models.lf_lstm import LFLSTM
from deadpan.models.lmf import LMF
from deadpan.models.lmf_mult import LMFMulT
from deadpan.models.marn import MARN
from deadpan.models.mctn import MCTN
from deadpan.models.mfn import MFN
from deadpan.models.mult import MulT
from deadpan.models.raven import RAVEN
from deadpan.models.rmfn import RMFN
from deadpan.models.tfn import TFN

__all__ = [
    "CIA",
    "EFLSTM",
    "HCTMG",
    "LFDNN",
    "LFLSTM",
    "LMF",
    "MARN",
    "MCTN",
    "MFN",
    "MODELS",
    "RAVEN",
    "RMFN",
    "TFN",
    "AttentionPool",
    "GraphMFN",
    "LMFMulT",
    "Model",
    "MulT",
    "check_hyperparameters",
    "display_name",
    "find_model",
    "register",
]

M = TypeVar("M", bound=Model)

MODELS: dict[str, type[Model]] = {
    name: value
    for name, value in dict(globals()).items()
    if isinstance(value, type) and issubclass(value, Model) and value is not Model
}
"""Models by name."""


def display_name(name: str) -> str:
    """The title of the model with this class name; any other name comes back unchanged."""
    return MODELS[name].title if name in MODELS else name


TYPES = (bool, int, float, str, str | None)
"""Types of a hyperparameter that the command line knows, beside ``Literal``."""


def register(kind: type[M]) -> type[M]:
    """Add a model of your own to the registry, under its class's name; also as a decorator.

    A class of the same module and name takes the place of the earlier one, as when a cell of a
    notebook runs again.

    Raises:
        DeadpanError: not a subclass of Model, a method or a hyperparameter's type is missing, or
            another model has the name.
    """
    if not (inspect.isclass(kind) and issubclass(kind, Model)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DeadpanError(
            f"register wants a subclass of deadpan.models.Model; got {kind!r:.200}: derive it "
            f"from Model, and give the class and not an object of it"
        )
    name = kind.__name__
    if missing := sorted(kind.__abstractmethods__):
        raise DeadpanError(f"{name} lacks {', '.join(missing)}, which a model needs; define it")
    arguments = inspect.signature(kind.__init__).parameters
    for needed in ("widths", "outputs"):
        if needed not in arguments and not any(p.kind is p.VAR_KEYWORD for p in arguments.values()):
            raise DeadpanError(
                f"{name} does not take {needed}, which the data give: define "
                f"__init__(self, *, widths, outputs, ...)"
            )
    for option, parameter in hyperparameters(kind).items():
        known = parameter.annotation in TYPES or get_origin(parameter.annotation) is Literal
        if (
            not known
            or parameter.default is parameter.empty
            or parameter.kind is not (parameter.KEYWORD_ONLY)
        ):
            raise DeadpanError(
                f"hyperparameter {option} of {name} must be keyword-only, with a type (bool, int, "
                f"float, str or a Literal; not as text, which 'from __future__ import annotations' "
                f"makes of it) and a default; got '{parameter}'"
            )
    before = MODELS.get(name, kind)
    if (before.__module__, before.__qualname__) != (kind.__module__, kind.__qualname__):
        raise DeadpanError(
            f"another model is called {name} ({before.__module__}.{before.__qualname__}); rename "
            f"the class"
        )
    MODELS[name] = kind
    return kind


def find_model(name: str) -> type[Model]:
    """The model of this name; modules that ``DEADPAN_MODELS`` names are imported for another's.

    Raises:
        DeadpanError: there is none, or such a module cannot be imported.
    """
    if name not in MODELS:
        import_own_models()
    if name not in MODELS:
        raise DeadpanError(unknown_name("model", name, MODELS))
    return MODELS[name]


def import_own_models() -> None:
    """Import the modules and .py files that ``DEADPAN_MODELS`` names, which register models.

    Raises:
        DeadpanError: one cannot be imported.
    """
    for source in filter(None, map(str.strip, os.environ.get(OWN_MODELS, "").split(","))):
        try:
            if source.endswith(".py"):
                _import_file(Path(source).expanduser().resolve())
            else:
                importlib.import_module(source)
        except DeadpanError:
            raise
        except Exception as error:  # whatever a module of the user's raises
            raise DeadpanError(
                f"{OWN_MODELS}: {source} cannot be imported ({type(error).__name__}: {error}); "
                f"give a module on Python's path or a .py file that registers models"
            ) from error


def _import_file(path: Path) -> None:
    """Import a file once, as a module of its stem."""
    before = sys.modules.get(path.stem)
    if before is not None and getattr(before, "__file__", None) == str(path):
        return
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if before is not None or spec is None or spec.loader is None:
        raise ImportError(f"the name {path.stem} is taken; rename the file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
