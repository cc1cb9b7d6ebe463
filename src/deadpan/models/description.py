"""Writes what the command line shows of the models, so that it need not import torch to show it.

``python -m deadpan.models.description`` writes it anew once a model has changed; a test compares.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Literal, get_args, get_origin

import docstring_parser

from deadpan.catalogue import CATALOGUE, PRESETS, ModelEntry, read_catalogue
from deadpan.errors import DeadpanError
from deadpan.files import write_json
from deadpan.models import MODELS, Model, import_own_models
from deadpan.models.base import hyperparameters
from deadpan.options import record


def describe_models(kinds: Iterable[type[Model]] = MODELS.values()) -> list[dict[str, Any]]:
    """Describe models as plain values, in the order of the fields of ``ModelEntry``."""
    return [
        {
            "name": kind.__name__,
            "title": kind.title,
            "paper": getattr(kind, "paper", ""),
            "summary": docstring_parser.parse(kind.__doc__ or "").short_description or kind.title,
            "parameters": _describe_sizes(kind),
            "hyperparameters": _describe_hyperparameters(kind),
        }
        for kind in kinds
    ]


def registered_entries() -> dict[str, ModelEntry]:
    """The entries of the models that others than deadpan register."""
    import_own_models()
    known = read_catalogue()
    own = describe_models(kind for name, kind in MODELS.items() if name not in known)
    return {entry["name"]: record(entry["name"], entry, ModelEntry) for entry in own}


def _describe_sizes(kind: type[Model]) -> dict[str, int]:
    """Number of parameters by preset; a model of somebody's own may refuse some."""
    sizes: dict[str, int] = {}
    for preset, values in PRESETS.items():
        with suppress(DeadpanError):
            sizes[preset] = kind.parameters_at(**values, **kind.presets.get(preset, {}))
    return sizes


def _describe_hyperparameters(model: type[Model]) -> list[dict[str, Any]]:
    docs = [docstring_parser.parse(kind.__doc__ or "") for kind in model.__mro__]
    help_of = {p.arg_name: p.description or "" for doc in reversed(docs) for p in doc.params}
    return [
        {
            "name": name,
            "kind": _describe_type(parameter.annotation),
            "default": parameter.default,
            "help": help_of.get(name, ""),
        }
        for name, parameter in hyperparameters(model).items()
    ]


def _describe_type(annotation: Any) -> str | list[str]:  # noqa: ANN401 - of any type
    """A name of ``deadpan.catalogue.KINDS``, or the choices."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


if __name__ == "__main__":
    write_json(CATALOGUE, describe_models())
