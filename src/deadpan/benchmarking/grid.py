"""A grid: data sets times systems times seeds (times folds), read from a YAML file."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from deadpan.benchmarking.published import data_sets
from deadpan.benchmarking.search import Search
from deadpan.data import DATASETS, check_data_options
from deadpan.data.folds import groups_of
from deadpan.errors import DeadpanError, unknown_name
from deadpan.files import home_path, read_yaml
from deadpan.options import laid_over, record, typed
from deadpan.training.opened import load_data, resolved
from deadpan.training.settings import Settings


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
    def directory(self) -> Path:
        """Its path below the grid's ``runs``: other settings, another directory."""
        text = json.dumps(resolved(self.settings).to_dict(), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        run = "-".join(part for part in (self._turn, self.fold, digest) if part)
        return Path(*(_file_name(name) for name in (self.data, self.system, run)))

    @property
    def name(self) -> str:
        """The name that progress and errors show."""
        return ", ".join(part for part in (self.data, self.system, self._turn, self.fold) if part)

    @property
    def _turn(self) -> str:
        return f"seed {self.settings.seed}" if self.trial is None else f"trial {self.trial}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridData:
    """A data set of a grid.

    Attributes:
        settings: of its runs, over those of the grid.
        seeds: of its runs; none = those of the grid.
        leave_one_out: test on each video or speaker in turn.
        paper: the paper's data set that this is; None if it is none.
    """

    settings: dict[str, Any]
    seeds: list[int] = dataclasses.field(default_factory=list)
    leave_one_out: bool = False
    paper: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridSystem:
    """A system of a grid.

    Attributes:
        settings: of its runs, over those of the data set.
        only: the data sets it runs on; None = all.
        per_data: further settings on a data set, by its name.
        space: of the search, over that of all systems.
    """

    settings: dict[str, Any]
    only: list[str] | None = None
    per_data: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    space: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridFile:
    """The values of a grid's file, as YAML holds them."""

    data: dict[str, dict[str, Any]]
    systems: dict[str, dict[str, Any]]
    seeds: list[int] = dataclasses.field(default_factory=lambda: [1, 2, 3, 4, 5])
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    search: Search | None = None
    against: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """A grid as its file describes it.

    Attributes:
        path: of the file.
        data: the data sets, by name.
        systems: the systems, by name.
        seeds: of every run, unless a data set has its own.
        settings: of every run, unless a data set or a system has its own.
        search: of hyperparameters; None = as the file gives them.
        against: the system that all others are tested against.
    """

    path: Path
    data: Mapping[str, GridData]
    systems: Mapping[str, GridSystem]
    seeds: Sequence[int]
    settings: Mapping[str, Any]
    search: Search | None
    against: str

    def seeds_of(self, data: str) -> list[int]:
        """The seeds of a data set."""
        return list(self.data[data].seeds or self.seeds)

    def of_first(self, seeds: int) -> "Grid":
        """The same grid with so many seeds of each data set, or with what it has of fewer."""
        if seeds < 1:
            raise DeadpanError(f"seeds must be 1 or more, as many as to keep; got {seeds}")
        data = {
            name: dataclasses.replace(entry, seeds=self.seeds_of(name)[:seeds])
            for name, entry in self.data.items()
        }
        return dataclasses.replace(self, data=data, seeds=self.seeds[:seeds])

    def systems_of(self, data: str) -> list[str]:
        """The systems that run on a data set, in the order of the file."""
        return [
            name
            for name, system in self.systems.items()
            if system.only is None or data in system.only
        ]

    def sources(self) -> set[str]:
        """What the settings of all runs name as their data."""
        return {
            self.settings_of(data, system, seed=0, fold=None).data
            for data in self.data
            for system in self.systems_of(data)
        }

    def folds_of(self, data: str) -> list[str | None]:
        """The groups left out in turn; [None] without folds. Reads the data set."""
        if not self.data[data].leave_one_out:
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
        """Settings of a run: the grid's, under the data set's, under the system's.

        Args:
            data: by name.
            system: by name.
            seed: of the run.
            fold: the group left out; None without folds.
            chosen: what the search drew or chose; lies over all others.
        """
        of_system = self.systems[system]
        values: dict[str, Any] = {}
        try:
            for layer in (
                self.settings,
                self.data[data].settings,
                of_system.settings,
                of_system.per_data.get(data, {}),
                chosen or {},
                {"data_options": {"leave_out": fold}} if fold else {},
            ):
                values = laid_over(values, layer)
            return resolved(Settings.from_dict(values | {"seed": seed}))
        except DeadpanError as error:
            raise DeadpanError(f"{self.path}: {system} on {data}: {error}") from error

    def draws(self, system: str) -> list[dict[str, Any]]:
        """The settings of each trial of a system's search; empty without one."""
        if not self.search:
            return []
        try:
            return self.search.draws(self.systems[system].space)
        except DeadpanError as error:
            raise DeadpanError(f"{self.path}: search: {error}") from error

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
        for index in range(longest):
            for data, system, fold in self._cells(folds):
                if index < len(seeds := self.seeds_of(data)):
                    settings = self.settings_of(
                        data,
                        system,
                        seed=seeds[index],
                        fold=fold,
                        chosen=chosen.get((data, system, fold)),
                    )
                    yield Case(data=data, system=system, fold=fold, trial=None, settings=settings)

    def _cells(
        self, folds: Mapping[str, Sequence[str | None]]
    ) -> Iterator[tuple[str, str, str | None]]:
        for data in self.data:
            for system in self.systems_of(data):
                for fold in folds[data]:
                    yield data, system, fold


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", name).lstrip(".")


def read_grid(
    path: Path, *, only: Sequence[str] = (), full: bool = False, seeds: int | None = None
) -> Grid:
    """Read a grid.

    Args:
        path: a YAML file; see ``configs/``.
        only: data sets to keep; none = all.
        full: for a bigger machine: what stands under ``full`` lies over the rest of the file.
        seeds: how many to keep, of each data set the first; None = all.

    Raises:
        DeadpanError: no such file, no grid, an unknown key, name, setting or option.
    """
    grid = make_grid(path, read_values(path, full=full), only=only)
    return grid if seeds is None else grid.of_first(seeds)


def read_values(path: Path, *, full: bool = False) -> dict[str, Any]:
    """The values of a file, in one of its two sizes; see :func:`read_grid`."""
    remedy = "give a YAML file as in configs/"
    values: dict[str, Any] = typed(str(path), read_yaml(path, remedy, error=DeadpanError), dict)
    larger = typed(f"{path}: full", values.pop("full", {}), dict)
    if full and not larger:
        raise DeadpanError(f"{path}: says nothing under 'full'; leave out --full, or add it there")
    return laid_over(values, larger) if full else values


def make_grid(path: Path, values: Mapping[str, Any], *, only: Sequence[str] = ()) -> Grid:
    """The grid that a file's values describe; see :func:`read_grid`."""
    for key in ("data", "systems"):
        if not values.get(key):
            raise DeadpanError(f"{path}: '{key}' wants at least one 'NAME:' with settings below it")
    file = record(str(path), values, GridFile, unknown="key")
    data = _by_name(path, "data", file.data, GridData)
    systems = _by_name(path, "systems", file.systems, GridSystem)
    for name in only:
        if name not in data:
            raise DeadpanError(f"{path}: {unknown_name('data set of the grid', name, data)}")
    grid = Grid(
        path=path,
        data={name: entry for name, entry in data.items() if not only or name in only},
        systems=systems,
        seeds=file.seeds,
        settings=file.settings,
        search=file.search,
        against=file.against or next(iter(systems)),
    )
    for entry in (values, *file.data.values()):
        if "seeds" in entry:
            seeds_in(path, entry["seeds"])
    _check_names(grid, data)
    for name in grid.data:
        for system in grid.systems_of(name):
            _check_cell(grid, name, system)
    return grid


Entry = TypeVar("Entry", GridData, GridSystem)


def _by_name(
    path: Path, section: str, entries: Mapping[str, Mapping[str, Any]], kind: type[Entry]
) -> dict[str, Entry]:
    """Data sets or systems by name: a key that is no field of theirs is a setting."""
    files = [_file_name(name).lower() for name in entries]
    if len(set(files)) < len(files) or "" in files:
        names = ", ".join(entries)
        raise DeadpanError(f"{path}: {section}: names must differ in letters; got {names}")
    own = {field.name for field in dataclasses.fields(kind)} - {"settings"}
    by_name: dict[str, Entry] = {}
    for name, values in entries.items():
        if not values.get("only", True):
            message = f"only wants a list of names; got {values['only']!r}"
            raise DeadpanError(f"{path}: {section}: {name}: {message}")
        settings = {key: value for key, value in values.items() if key not in own}
        fields = {key: value for key, value in values.items() if key in own}
        by_name[name] = record(f"{path}: {section}: {name}", {**fields, "settings": settings}, kind)
    return by_name


def _check_names(grid: Grid, data: Mapping[str, GridData]) -> None:
    """Refuse names of data sets and systems that the file does not have.

    Args:
        grid: some data sets may be left out of it.
        data: all of the file.
    """
    if grid.against not in grid.systems:
        raise DeadpanError(f"{grid.path}: {unknown_name('system', grid.against, grid.systems)}")
    for name, system in grid.systems.items():
        for used in (*(system.only or ()), *system.per_data):
            if used not in data:
                raise DeadpanError(f"{grid.path}: {name}: {unknown_name('data', used, data)}")
    for name, entry in grid.data.items():
        if entry.paper not in (None, *data_sets()):
            message = unknown_name("data set of the paper", str(entry.paper), data_sets())
            raise DeadpanError(f"{grid.path}: {name}: {message}")
        if not grid.systems_of(name):
            raise DeadpanError(f"{grid.path}: no system runs on {name}; see their 'only'")


def _check_cell(grid: Grid, data: str, system: str) -> None:
    """Refuse settings that make no run, and data that is not there."""
    settings = grid.settings_of(data, system, seed=0, fold=None)
    source = settings.data
    if source not in DATASETS and not home_path(source).exists():
        raise DeadpanError(
            f"{grid.path}: {data}: {source} is not there; put it there, or name with --only the "
            f"data sets that are"
        )
    if source in DATASETS:  # what a file's options are, only reading it would tell
        try:
            check_data_options(source, settings.data_options)
        except DeadpanError as error:
            raise DeadpanError(f"{grid.path}: {data}: {error}") from error
    for chosen in grid.draws(system):
        grid.settings_of(data, system, seed=0, fold=None, chosen=chosen)


def seeds_in(path: Path, value: object) -> list[int]:
    """A list of seeds in a file; DeadpanError if it is none."""
    seeds: list[int] = typed(f"{path}: seeds", value, list[int])
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise DeadpanError(
            f"{path}: seeds wants whole numbers of 0 or more, each once; got {value!r:.200}"
        )
    return seeds
