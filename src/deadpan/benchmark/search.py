"""Random search of hyperparameters, with the same budget for every system."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deadpan.errors import DeadpanError, unknown_name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """How often to draw, and from what.

    Trial 0 is the configuration as the file gives it; each further one draws every setting of the
    space anew. The trial with the lowest validation loss is trained again with each seed. With
    folds, each fold searches by itself, so that no choice has seen its test clips.

    Attributes:
        path: of the grid's file, for messages.
        trials: for each system and data set.
        seed: of the draws and of the trials' training.
        space: by setting (``model_options.NAME`` for a hyperparameter), a list of values or
            ``{low: , high: , log: true}``.
    """

    path: Path
    trials: int
    seed: int
    space: Mapping[str, Any]

    @classmethod
    def from_dict(cls, path: Path, values: Mapping[str, Any]) -> "Search":
        """Read what stands under ``search:``."""
        known = ("trials", "seed", "space")
        for key in values:
            if key not in known:
                raise DeadpanError(f"{path}: search: {unknown_name('key', key, known)}")
        trials, seed = values.get("trials", 0), values.get("seed", 0)
        if type(trials) is not int or trials < 1 or type(seed) is not int or seed < 0:
            raise DeadpanError(
                f"{path}: search wants trials of 1 or more and a seed of 0 or more, whole numbers; "
                f"got {trials!r} and {seed!r}"
            )
        return cls(path=path, trials=trials, seed=seed, space=values.get("space") or {})

    def draws(self, own: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Settings of each trial, the same at every call.

        Args:
            own: the space of one system, over that of all.
        """
        space = {**self.space, **own}
        drawn: list[dict[str, Any]] = [{}]
        for trial in range(1, self.trials):
            values: dict[str, Any] = {}
            for index, (name, choices) in enumerate(space.items()):
                random = np.random.default_rng((self.seed, trial, index))
                _put(values, name, self._draw(name, choices, random))
            drawn.append(values)
        return drawn

    def _draw(self, name: str, choices: object, random: np.random.Generator) -> object:
        if isinstance(choices, list) and choices:
            return choices[int(random.integers(len(choices)))]
        if isinstance(choices, Mapping):
            low, high = choices.get("low"), choices.get("high")
            if isinstance(low, int | float) and isinstance(high, int | float) and low < high:
                if not choices.get("log"):
                    return float(random.uniform(low, high))
                if low > 0:
                    return float(math.exp(random.uniform(math.log(low), math.log(high))))
        raise DeadpanError(
            f"{self.path}: search: {name} wants a list of values or 'low' below 'high' (above 0 "
            f"with 'log'); got {choices!r}"
        )


def _put(values: dict[str, Any], name: str, value: object) -> None:
    """Set ``a.b`` in nested mappings."""
    first, dot, rest = name.partition(".")
    if dot:
        values.setdefault(first, {})[rest] = value
    else:
        values[name] = value
