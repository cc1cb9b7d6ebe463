"""Values at the edge of an option, made from its annotation, and what comes of them."""

import dataclasses
import inspect
import math
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

from deadpan import DeadpanError
from deadpan.data import DATASETS
from deadpan.models import MODELS
from deadpan.models.base import hyperparameters
from deadpan.training.settings import Settings

from ..contracts.small import SIZES

NAN, INF = math.nan, math.inf
WRONG: Mapping[Any, list[Any]] = {
    int: [-1, 10**30, 1.5, NAN, INF, "x", "", True, None, [1], {"a": 1}],
    float: [-1.0, NAN, -INF, "x", "", True, None, [1.0]],
    bool: [2, 0.5, "x", "", None, [True]],
    str: ["", None, [], ["text"], {"a": 1}],
    list: ["text", 3, NAN, {"a": 1}, [""], [3.5], [None], ["text", "text"], ["nonsense"]],
    Mapping: [3, NAN, "x", ["a"], {"nonsense": 1}, {"": 1}],
    Literal: ["nonsense", "", 3, NAN, None, [], {}],
}
"""What an option of a type never takes."""
EITHER: Mapping[Any, list[Any]] = {
    int: [0, 1, 7, 10**9],  # 7 divides nothing here
    float: [0.0, INF, 1e300],
    list: [[]],
    str: ["nonsense", 3, "a\nb", "x" * 5000, "-1", "\0", "cuda", "tpu", "mps"],
}
"""What some options of a type take; then a run with it comes to its end."""


def edges(annotation):
    """Values for an option: those it must refuse, and those with which it may run."""
    nullable = False
    if get_origin(annotation) in (Union, types.UnionType):
        nullable = type(None) in get_args(annotation)
        annotation = next(kind for kind in get_args(annotation) if kind is not type(None))
    kind = get_origin(annotation) or annotation
    if kind is dict or dataclasses.is_dataclass(kind):
        kind = Mapping
    wrong = [x for x in WRONG[kind] if not (nullable and x is None)]
    return wrong, EITHER.get(kind, []) + [None] * nullable


TINY = {"clips": 10, "text_width": 4, "audio_width": 4, "vision_width": 4}


def small(kind):
    """Options with which a model of a kind is small and takes the tiny data."""
    known = hyperparameters(kind)
    return {name: size for name, size in SIZES.items() if name in known} | (
        {"ctc": True, "ctc_steps": 50} if "ctc" in known else {}
    )


def settings_table():
    """Every setting of a run: its path in the settings, and its annotation."""
    for field in dataclasses.fields(Settings):
        yield (field.name,), field.type
    for name, read in DATASETS.items():
        for option, parameter in inspect.signature(read).parameters.items():
            yield ("data_options", option, name), parameter.annotation


def hyperparameter_table():
    """Every hyperparameter, once for each class that declares it: its model, name, annotation."""
    seen = set()
    for kind in MODELS.values():
        for name, parameter in hyperparameters(kind).items():
            home = next(k for k in kind.__mro__ if name in inspect.signature(k.__init__).parameters)
            if (home, name) not in seen:
                seen.add((home, name))
                yield kind, name, parameter.annotation


def listing(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def outcome(call, folder):
    """``ran``, ``refused``, or what is wrong with how it ended."""
    before = listing(folder)
    try:
        call()
    except DeadpanError as error:
        if not str(error).strip() or "\n" in str(error):
            return f"not one line: {error}"
        return "refused" if listing(folder) == before else f"wrote, then refused: {error}"
    except Exception as error:  # noqa: BLE001 - whatever escapes is a defect
        return f"escaped: {type(error).__name__}: {error!s:.200}"
    return "ran"


TEXTS = "-1 0 nan inf -inf 1e400 99999999999999999999 0.5 x true null [] {} [1,2] --".split() + [""]
"""Values as a command line has them."""


def some_texts(number, count=4):
    """A few of the texts, others for each option: together the options see them all."""
    return [TEXTS[(number * 3 + step * 5) % len(TEXTS)] for step in range(count)]


def fields_table(*kinds):
    """Every key of a grid's file: the dataclass that reads it, its name, its annotation."""
    return [(kind, field.name, field.type) for kind in kinds for field in dataclasses.fields(kind)]
