"""Random search of hyperparameters, with the same budget for every system."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from deadpan.errors import DeadpanError

MOST_TRIALS = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """How often to draw, and from what.

    Trial 0 is the configuration as the file gives it; each further one draws every setting of the
    space anew. The trial with the lowest validation loss is trained again with each seed. With
    folds, each fold searches by itself, so that no choice has seen its test clips.

    Attributes:
        trials: for each system and data set.
        seed: of the draws and of the trials' training.
        space: by setting (``model_options.NAME`` for a hyperparameter), a list of values or
            ``{low: , high: , log: true}``.
    """

    trials: int
    seed: int = 0
    space: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse numbers that make no search."""
        if not 1 <= self.trials <= MOST_TRIALS or self.seed < 0:
            raise DeadpanError(
                f"wants trials from 1 to {MOST_TRIALS:,} and a seed of 0 or more; got trials "
                f"{self.trials}, seed {self.seed}"
            )

    def draws(self, own: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Draw the settings of each trial, the same at every call.

        Args:
            own: the space of one system, over that of all.
        """
        space = {**self.space, **own}
        if self.trials > 1 and not space:
            raise DeadpanError("draws from nothing; name settings under 'space', or 1 trial")
        settings: list[dict[str, Any]] = [{}]
        for trial in range(1, self.trials):
            values: dict[str, Any] = {}
            for index, (name, choices) in enumerate(space.items()):
                random = np.random.default_rng((self.seed, trial, index))
                _put(values, name, self._draw(name, choices, random))
            settings.append(values)
        return settings

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
            f"{name} wants a list of values or 'low' below 'high' (above 0 "
            f"with 'log'); got {choices!r}"
        )


def _put(values: dict[str, Any], name: str, value: object) -> None:
    """Set ``a.b`` in nested mappings."""
    first, dot, rest = name.partition(".")
    if dot:
        values.setdefault(first, {})[rest] = value
    else:
        values[name] = value
