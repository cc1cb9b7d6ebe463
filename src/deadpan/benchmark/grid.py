"""What a grid is: data sets times systems times seeds (times folds)."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deadpan.benchmark.published import data_sets
from deadpan.benchmark.search import Search
from deadpan.data import DATASETS, check_data_options
from deadpan.data.folds import groups_of
from deadpan.errors import DeadpanError, unknown_name
from deadpan.files import home_path
from deadpan.options import typed
from deadpan.training.opened import load_data, resolved
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


GRID_KEYS = ("seeds", "settings", "data", "systems", "search", "against")


def read_grid(path: Path, *, only: Sequence[str] = (), full: bool = False) -> Grid:
    """Read a grid.

    Args:
        path: a YAML file; see ``configs/``.
        only: data sets to keep; none = all.
        full: for a bigger machine: what stands under ``full`` lies over the rest of the file.

    Raises:
        DeadpanError: no such file, no grid, an unknown key, name, setting or option.
    """
    return make_grid(path, read_values(path, full=full), only=only)


def read_values(path: Path, *, full: bool = False) -> dict[str, Any]:
    """What a file says, in one of its two sizes; see :func:`read_grid`."""
    values = read_yaml(path)
    larger = mapping_in(path, "full", values.pop("full", {}))
    if full and not larger:
        raise DeadpanError(f"{path}: says nothing under 'full'; leave out --full, or add it there")
    return laid_over(values, larger) if full else values


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Values over others, mapping into mapping."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(under, Mapping)
        merged[key] = laid_over(under, value) if both else value  # pyright: ignore[reportArgumentType]
    return merged


def make_grid(path: Path, values: Mapping[str, Any], *, only: Sequence[str] = ()) -> Grid:
    """The grid that a file's values describe; see :func:`read_grid`."""
    refuse_unknown(path, "key", values, GRID_KEYS)
    for key in ("data", "systems"):
        if not isinstance(values.get(key), Mapping) or not values[key]:
            raise DeadpanError(f"{path}: '{key}' wants at least one 'NAME:' with settings below it")
    data = _named(path, "data", values["data"])
    settings = mapping_in(path, "settings", values.get("settings", {}))
    systems = _named(path, "systems", values["systems"])
    for name in only:
        if name not in data:
            raise DeadpanError(f"{path}: {unknown_name('data set of the grid', name, data)}")
    data = {name: told for name, told in data.items() if not only or name in only}
    search = values.get("search")
    grid = Grid(
        path=path,
        data=data,
        systems=systems,
        seeds=seeds_in(path, values.get("seeds", [1, 2, 3, 4, 5])),
        settings=_shaped(path, "settings", settings),
        search=Search.from_dict(path, mapping_in(path, "search", search)) if search else None,
        against=str(values.get("against", next(iter(systems)))),
    )
    _check(grid, values["data"])
    return grid


def _check(grid: Grid, all_data: Mapping[str, Any]) -> None:
    if grid.against not in grid.systems:
        raise DeadpanError(f"{grid.path}: {unknown_name('system', grid.against, grid.systems)}")
    for name, told in grid.systems.items():
        for used in [*told.get("only", ()), *told.get("per_data", {})]:
            if used not in map(str, all_data):
                known = map(str, all_data)
                raise DeadpanError(f"{grid.path}: {name}: {unknown_name('data', used, known)}")
    for data, told in grid.data.items():
        typed(f"{grid.path}: {data}: leave_one_out", told.get("leave_one_out", False), bool)
        seeds_in(grid.path, told.get("seeds", grid.seeds))
        if told.get("paper") not in (None, *data_sets()):
            wrong = unknown_name("data set of the paper", str(told["paper"]), data_sets())
            raise DeadpanError(f"{grid.path}: {data}: {wrong}")
        if not grid.systems_of(data):
            raise DeadpanError(f"{grid.path}: no system runs on {data}; see their 'only'")
        for system in grid.systems_of(data):
            _check_cell(grid, data, system)


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


class _Loader(yaml.SafeLoader):
    """YAML whose names are texts as they are written, each said once: 1 and yes are names too."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 - as yaml has it
        """A mapping before any other is merged into it."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)  # pyright: ignore
        seen = set[str]()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(":merge"):
                continue
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"'{key.value}' stands twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
            key.tag = "tag:yaml.org,2002:str"
        return node


def read_yaml(path: Path) -> dict[str, Any]:
    """What a file of settings holds; DeadpanError if it is not there or no mapping."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe one
    except FileNotFoundError:
        raise DeadpanError(f"{path}: is not there; give a YAML file as in configs/") from None
    except IsADirectoryError:
        raise DeadpanError(f"{path}: is a directory; give a YAML file as in configs/") from None
    except RecursionError:
        raise DeadpanError(f"{path}: nested too deeply; mend it there") from None
    except (yaml.YAMLError, ValueError) as error:  # no UTF-8, or a date that is none
        text = " ".join(str(error).split())
        raise DeadpanError(f"{path}: not valid YAML ({text}); mend it there") from error
    return mapping_in(path, "a grid", values)


def mapping_in(path: Path, what: str, value: object) -> dict[str, Any]:
    """A part of a file that holds values by name; DeadpanError if it is something else."""
    if not isinstance(value, Mapping):
        raise DeadpanError(f"{path}: {what} wants 'NAME: VALUE' lines; got {value!r}"[:300])
    return {str(key): item for key, item in value.items()}


def _named(path: Path, what: str, value: Mapping[Any, Any]) -> dict[str, dict[str, Any]]:
    """What is said of each data set or system, by name."""
    found = {
        str(name): _shaped(path, f"{what}: {name}", mapping_in(path, f"{what}: {name}", told))
        for name, told in value.items()
    }
    places = [re.sub(r"[^\w.+-]+", "_", name).lstrip(".").lower() for name in found]
    if len(set(places)) < len(places) or "" in places:
        raise DeadpanError(f"{path}: {what}: names must differ in letters; got {', '.join(found)}")
    return found


def _shaped(path: Path, what: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """The same settings, once the parts that must be lists or hold values by name do."""
    shaped = dict(told)
    for key in (*NESTED, "space"):
        if key in told:
            shaped[key] = mapping_in(path, f"{what}: {key}", told[key])
    if "only" in told:
        shaped["only"] = names_in(path, f"{what}: only", told["only"])
    if "per_data" in told:
        shaped["per_data"] = {
            name: _shaped(path, part := f"{what}: {name}", mapping_in(path, part, own))
            for name, own in mapping_in(path, f"{what}: per_data", told["per_data"]).items()
        }
    return shaped


def names_in(path: Path, what: str, value: object) -> list[str]:
    """A list of names in a file; DeadpanError if it is none, or empty."""
    if not isinstance(value, list) or not value or not all(map(_is_name, value)):
        raise DeadpanError(f"{path}: {what} wants a list of names; got {value!r}"[:300])
    return [str(name) for name in value]


def _is_name(value: object) -> bool:
    return isinstance(value, str | int | float)


def seeds_in(path: Path, value: object) -> list[int]:
    """A list of seeds in a file; DeadpanError if it is none."""
    seeds = value if isinstance(value, list) else []
    whole = all(type(seed) is int and seed >= 0 for seed in seeds)
    if not seeds or not whole or len(set(seeds)) < len(seeds):
        raise DeadpanError(
            f"{path}: seeds wants whole numbers of 0 or more, each once; got {value!r}"[:300]
        )
    return list(seeds)


def refuse_unknown(path: Path, what: str, values: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raise DeadpanError at the first name that is not known."""
    for key in values:
        if key not in known:
            raise DeadpanError(f"{path}: {unknown_name(what, key, known)}")
