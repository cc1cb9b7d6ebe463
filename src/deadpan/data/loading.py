"""Loading a data set: by its name, or from a file whose format its content tells."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from deadpan.data.containers.memory import memory_bound
from deadpan.data.dataset import Clip as Clip
from deadpan.data.dataset import Dataset
from deadpan.data.folds import leave_out
from deadpan.data.formats import detect_format
from deadpan.data.generated.controlled import controlled
from deadpan.errors import DataError, DeadpanError, unknown_name
from deadpan.options import typed

DATASETS: dict[str, Callable[..., Dataset]] = {"controlled": controlled}
"""Data sets that are generated, by name."""


def load(source: str | Path, **options: Any) -> Dataset:
    """Load a data set by name, or from a file whose format is recognised by its content.

    Args:
        source: ``controlled``, or a file or folder in any format of ``deadpan.data.formats``.
        **options: arguments of the source (``carrier=``, ``vectors=``, ...), and for any source
            ``leave_out=GROUP``: test on that video or speaker and train on the others.

    Raises:
        DataError: the name, path or option is unknown, the file does not fit its format, or it
            stands for more memory than files of its size may.
    """
    held_out = options.pop("leave_out", None)
    with memory_bound(source):
        read, checked = _reader_and_options(str(source), options)
        dataset = read(**checked)
    return dataset if held_out is None else leave_out(dataset, str(held_out))


def check_data_options(source: str | Path, options: Mapping[str, Any]) -> None:
    """Refuse the options that ``load`` would refuse, without reading a clip.

    Raises:
        DataError: the name, path, format or option is unknown, or an option has a wrong value.
    """
    _reader_and_options(str(source), {k: v for k, v in options.items() if k != "leave_out"})


def _reader_and_options(
    source: str, options: Mapping[str, Any]
) -> tuple[Callable[..., Dataset], dict[str, Any]]:
    """The function that reads or generates the data set, and its options converted to its types."""
    read, arguments = _reader_of(source)
    parameters = {
        k: p for k, p in inspect.signature(read).parameters.items() if k not in ("path", "content")
    }
    for name in options:
        if name not in parameters:
            raise DataError(unknown_name(f"option of {source}", name, [*parameters, "leave_out"]))
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in options:
            raise DataError(
                f"{source}: needs the option '{name}'; give --data_options.{name} VALUE"
            )
    try:  # the command line and YAML have no paths
        checked = {
            k: typed(f"option '{k}'", v, parameters[k].annotation) for k, v in options.items()
        }
    except DeadpanError as error:
        raise DataError(str(error)) from None
    return partial(read, *arguments), checked


def _reader_of(source: str) -> tuple[Callable[..., Dataset], tuple[Any, ...]]:
    if source in DATASETS:
        return DATASETS[source], ()
    try:
        path = Path(source).expanduser()
        exists = path.exists()
    except (OSError, RuntimeError) as error:  # no permission, a name too long, ~NOBODY
        raise DataError(f"{source}: cannot be opened ({error}); give another path") from error
    if not exists:
        raise DataError(f"no file '{source}', and {unknown_name('data set', source, DATASETS)}")
    return detect_format(path)
