"""What a grid is: data sets times systems times seeds (times folds)."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deadpan.benchmark.search import Search
from deadpan.data.folds import groups_of
from deadpan.errors import DeadpanError
from deadpan.training.run import load_data, resolved
from deadpan.training.settings import Settings

DATA_KEYS = ("seeds", "leave_one_out", "paper")
SYSTEM_KEYS = ("only", "per_data", "space")
NESTED = ("data_options", "model_options")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One run of the grid: a pure function of its settings.

    Attributes:
        data: the data set, as the grid calls it.
        system: the system, as the grid calls it.
        fold: the video or speaker left out for testing; None without folds.
        trial: of the random search, from 0; None for a run whose test split is scored.
        settings: all that decides the run.
    """

    data: str
    system: str
    fold: str | None
    trial: int | None
    settings: Settings

    @property
    def place(self) -> Path:
        """Where it is kept, below the grid's ``runs``: other settings, another place."""
        text = json.dumps(resolved(self.settings).to_dict(), sort_keys=True)
        parts = [f"seed {self.settings.seed}"] if self.trial is None else [f"trial {self.trial}"]
        parts += [self.fold] if self.fold else []
        parts.append(hashlib.sha256(text.encode()).hexdigest()[:8])
        names = (self.data, self.system, "-".join(parts))
        return Path(*(re.sub(r"[^\w.+-]+", "_", name).lstrip(".") for name in names))

    @property
    def name(self) -> str:
        """For people."""
        which = f"seed {self.settings.seed}" if self.trial is None else f"trial {self.trial}"
        return f"{self.data}, {self.system}, {which}" + (f", {self.fold}" if self.fold else "")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """A grid as its file describes it.

    Attributes:
        path: of the file.
        data: by name, what the file says of each data set.
        systems: by name, what it says of each system.
        seeds: of every run, unless a data set has its own.
        settings: of every run, unless a data set or a system has its own.
        search: of hyperparameters; None = as the file gives them.
        against: the system that all others are tested against.
    """

    path: Path
    data: Mapping[str, Mapping[str, Any]]
    systems: Mapping[str, Mapping[str, Any]]
    seeds: Sequence[int]
    settings: Mapping[str, Any]
    search: Search | None
    against: str

    def seeds_of(self, data: str) -> list[int]:
        """The seeds of a data set."""
        return list(self.data[data].get("seeds", self.seeds))

    def systems_of(self, data: str) -> list[str]:
        """The systems that run on a data set, in the order of the file."""
        return [name for name, told in self.systems.items() if data in told.get("only", self.data)]

    def folds_of(self, data: str) -> list[str | None]:
        """The groups left out in turn; [None] without folds. Reads the data set."""
        if not self.data[data].get("leave_one_out", False):
            return [None]
        system = self.systems_of(data)[0]
        return list(groups_of(load_data(self.settings_of(data, system, seed=0, fold=None))))

    def settings_of(
        self,
        data: str,
        system: str,
        *,
        seed: int,
        fold: str | None,
        chosen: Mapping[str, Any] | None = None,
    ) -> Settings:
        """Settings of a run: the grid's, under the data set's, under the system's."""
        told = self.systems[system]
        values: dict[str, Any] = {}
        for layer, keys in (
            (self.settings, ()),
            (self.data[data], DATA_KEYS),
            (told, SYSTEM_KEYS),
            (told.get("per_data", {}).get(data, {}), ()),
            (chosen or {}, ()),
        ):
            values = _merged(values, {k: v for k, v in layer.items() if k not in keys})
        if fold:
            values = _merged(values, {"data_options": {"leave_out": fold}})
        try:
            return resolved(Settings.from_dict(values | {"seed": seed}))
        except DeadpanError as error:
            raise DeadpanError(f"{self.path}: {system} on {data}: {error}") from error

    def draws(self, system: str) -> list[dict[str, Any]]:
        """The settings of each trial of a system's search; empty without one."""
        return self.search.draws(self.systems[system].get("space", {})) if self.search else []

    def trials(self, folds: Mapping[str, Sequence[str | None]]) -> Iterator[Case]:
        """Runs of the search, as many for every system; their test split stays closed."""
        if not self.search:
            return
        for data, system, fold in self._cells(folds):
            for trial, chosen in enumerate(self.draws(system)):
                settings = self.settings_of(
                    data, system, seed=self.search.seed, fold=fold, chosen=chosen
                )
                yield Case(data=data, system=system, fold=fold, trial=trial, settings=settings)

    def cases(
        self,
        folds: Mapping[str, Sequence[str | None]],
        chosen: Mapping[tuple[str, str, str | None], Mapping[str, Any]],
    ) -> Iterator[Case]:
        """Runs that are scored, the first seed of everything first.

        Args:
            folds: of each data set.
            chosen: by (data, system, fold), what the search chose; empty without one.
        """
        longest = max(len(self.seeds_of(data)) for data in self.data)
        for place in range(longest):
            for data, system, fold in self._cells(folds):
                if place < len(seeds := self.seeds_of(data)):
                    found = chosen.get((data, system, fold))
                    settings = self.settings_of(
                        data, system, seed=seeds[place], fold=fold, chosen=found
                    )
                    yield Case(data=data, system=system, fold=fold, trial=None, settings=settings)

    def _cells(
        self, folds: Mapping[str, Sequence[str | None]]
    ) -> Iterator[tuple[str, str, str | None]]:
        for data in self.data:
            for system in self.systems_of(data):
                for fold in folds[data]:
                    yield data, system, fold


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The settings above over those below; options of data and model one by one."""
    merged = {**below, **above}
    for key in NESTED:
        if isinstance(below.get(key), Mapping) and isinstance(above.get(key), Mapping):
            merged[key] = {**below[key], **above[key]}
    return merged
