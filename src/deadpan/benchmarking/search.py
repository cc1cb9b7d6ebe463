"""Random search of hyperparameters, with the same budget for every system."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from deadpan.errors import DeadpanError
from deadpan.options import record


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
        if self.trials < 1 or self.seed < 0:
            raise DeadpanError(
                f"wants trials of 1 or more and a seed of 0 or more; got trials {self.trials}, "
                f"seed {self.seed}"
            )

    def draws(self, own: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Settings of each trial, the same at every call.

        Args:
            own: the space of one system, over that of all.
        """
        drawn: list[dict[str, Any]] = [{} for _ in range(self.trials)]
        for index, (name, choices) in enumerate({**self.space, **own}.items()):
            for values, value in zip(drawn[1:], self._draw(name, choices, index), strict=True):
                _put(values, name, value)
        return drawn

    def _draw(self, name: str, choices: object, index: int) -> list[Any]:
        """A setting's value in each trial but the first.

        Its draws depend on the grid's file alone, not on the losses of earlier trials: so trials
        run in any order and at once, and a grid that was killed goes on with the same ones. Each
        setting has a sampler of its own: one more in a system's space changes no other draw.
        """
        optuna = _optuna()
        if isinstance(choices, list) and choices:
            # By place: optuna knows no choice between lists.
            distribution = optuna.distributions.IntDistribution(0, len(choices) - 1)
        else:
            limits = record(name, choices, Range, unknown="key")
            distribution = optuna.distributions.FloatDistribution(**dataclasses.asdict(limits))
        sampler = optuna.samplers.RandomSampler(seed=(1_000_003 * self.seed + index) % 2**32)
        study = optuna.create_study(sampler=sampler)
        drawn = [study.ask({name: distribution}).params[name] for _ in range(1, self.trials)]
        return [choices[place] for place in drawn] if isinstance(choices, list) else drawn


@dataclasses.dataclass(frozen=True, kw_only=True)
class Range:
    """Where a number is drawn from, uniformly: it or, with ``log``, its logarithm."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        """Refuse an empty range, and a logarithm of nothing."""
        if not self.low < self.high or (self.log and self.low <= 0):
            raise DeadpanError(
                f"wants 'low' below 'high' (above 0 with 'log'); got {self.low} and {self.high}"
            )


def _optuna() -> Any:  # noqa: ANN401 - it is not there for all
    """Optuna, which says nothing of its studies."""
    try:
        import optuna  # noqa: PLC0415
    except ImportError:
        raise DeadpanError("needs optuna; install it with: pip install 'deadpan[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _put(values: dict[str, Any], name: str, value: object) -> None:
    """Set ``a.b`` in nested mappings."""
    first, dot, rest = name.partition(".")
    if dot:
        values.setdefault(first, {})[rest] = value
    else:
        values[name] = value
