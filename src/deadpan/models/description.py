"""Writes what the command line shows of the models, so that it need not import torch to show it.

``python -m deadpan.models.description`` writes it anew once a model has changed; a test compares.
"""

from typing import Any, Literal, get_args, get_origin

import docstring_parser

from deadpan.catalogue import CATALOGUE, PRESETS
from deadpan.files import write_json
from deadpan.models import MODELS, Model
from deadpan.models.base import hyperparameters


def describe_models() -> list[dict[str, Any]]:
    """Describe every model as plain values, in the order of its fields in ``ModelEntry``."""
    return [
        {
            "name": name,
            "title": kind.title,
            "paper": kind.paper,
            "summary": docstring_parser.parse(kind.__doc__ or "").short_description,
            "parameters": {
                preset: kind.parameters_at(**sizes, **kind.presets.get(preset, {}))
                for preset, sizes in PRESETS.items()
            },
            "hyperparameters": _describe_hyperparameters(kind),
        }
        for name, kind in MODELS.items()
    ]


def _describe_hyperparameters(model: type[Model]) -> list[dict[str, Any]]:
    docs = [docstring_parser.parse(kind.__doc__ or "") for kind in model.__mro__]
    help_of = {p.arg_name: p.description or "" for doc in reversed(docs) for p in doc.params}
    return [
        {
            "name": name,
            "kind": _describe_type(parameter.annotation),
            "default": parameter.default,
            "help": help_of[name],
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
