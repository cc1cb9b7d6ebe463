"""Every source of data behind one door: ``load(NAME_OR_PATH)``."""

import inspect as _inspect
from collections.abc import Callable, Mapping
from functools import partial as _partial
from pathlib import Path
from typing import Any

from deadpan.data.dataset import Clip, Dataset
from deadpan.data.folds import leave_out
from deadpan.data.formats import layout_of
from deadpan.data.generated.controlled import controlled
from deadpan.errors import DataError, DeadpanError, unknown_name
from deadpan.options import typed

__all__ = ["DATASETS", "Clip", "Dataset", "check_options", "load"]

DATASETS: dict[str, Callable[..., Dataset]] = {"controlled": controlled}
"""Data sets that are generated, by name."""


def load(source: str | Path, **options: Any) -> Dataset:
    """A data set by name, or from a file whose layout is found out by its content.

    Args:
        source: ``controlled``, or a file or folder of any layout in ``deadpan.data.formats``.
        **options: arguments of the source (``carrier=``, ``vectors=``, ...), and for any source
            ``leave_out=GROUP``: test on that video or speaker and train on the others.

    Raises:
        DataError: no such name or path, an unknown option, or a file that does not fit.
    """
    held_out = options.pop("leave_out", None)
    make, checked = _prepared(str(source), options)
    dataset = make(**checked)
    return dataset if held_out is None else leave_out(dataset, str(held_out))


def check_options(source: str | Path, options: Mapping[str, Any]) -> None:
    """Refuse what ``load`` would refuse before it reads a clip.

    Raises:
        DataError: no such name or path, no known layout, an unknown option or a wrong value.
    """
    _prepared(str(source), {k: v for k, v in options.items() if k != "leave_out"})


def _prepared(
    source: str, options: Mapping[str, Any]
) -> tuple[Callable[..., Dataset], dict[str, Any]]:
    """What makes the data set, and the options as it wants them."""
    make, given = _maker(source)
    known = {
        k: p for k, p in _inspect.signature(make).parameters.items() if k not in ("path", "content")
    }
    for name in options:
        if name not in known:
            raise DataError(unknown_name(f"option of {source}", name, [*known, "leave_out"]))
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in options:
            raise DataError(
                f"{source}: needs the option '{name}'; give --data_options.{name} VALUE"
            )
    return _partial(make, *given), _typed(known, options)


def _maker(source: str) -> tuple[Callable[..., Dataset], tuple[Any, ...]]:
    if source in DATASETS:
        return DATASETS[source], ()
    try:
        path = Path(source).expanduser()
        exists = path.exists()
    except (OSError, RuntimeError) as error:  # no permission, a name too long, ~NOBODY
        raise DataError(f"{source}: cannot be opened ({error}); give another path") from error
    if not exists:
        raise DataError(f"no file '{source}', and {unknown_name('data set', source, DATASETS)}")
    return layout_of(path)


def _typed(known: Mapping[str, _inspect.Parameter], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as their parameters want them: the command line and YAML know no paths."""
    try:
        return {k: typed(f"option '{k}'", v, known[k].annotation) for k, v in options.items()}
    except DeadpanError as error:
        raise DataError(str(error)) from None
