"""A grid read from a YAML file; whatever could not run is refused before anything does."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deadpan.benchmark.grid import Grid
from deadpan.benchmark.search import Search
from deadpan.data import DATASETS
from deadpan.errors import DeadpanError, unknown_name
from deadpan.options import home_path, typed

GRID_KEYS = ("seeds", "settings", "data", "systems", "search", "against")


def read_grid(path: Path, *, only: Sequence[str] = ()) -> Grid:
    """Read a grid.

    Args:
        path: a YAML file; see ``configs/``.
        only: data sets to keep; none = all.

    Raises:
        DeadpanError: no such file, no grid, an unknown key, name, setting or option.
    """
    return make_grid(path, read_yaml(path), only=only)


def make_grid(path: Path, values: Mapping[str, Any], *, only: Sequence[str] = ()) -> Grid:
    """The grid that a file's values describe; see :func:`read_grid`."""
    refuse_unknown(path, "key", values, GRID_KEYS)
    for key in ("data", "systems"):
        if not isinstance(values.get(key), Mapping) or not values[key]:
            raise DeadpanError(f"{path}: '{key}' wants at least one 'NAME:' with settings below it")
    data = _named(path, "data", values["data"])
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
        settings=mapping_in(path, "settings", values.get("settings", {})),
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
            if used not in all_data:
                raise DeadpanError(f"{grid.path}: {name}: {unknown_name('data', used, all_data)}")
    for data, told in grid.data.items():
        typed(f"{grid.path}: {data}: leave_one_out", told.get("leave_one_out", False), bool)
        seeds_in(grid.path, grid.seeds_of(data))
        if not grid.systems_of(data):
            raise DeadpanError(f"{grid.path}: no system runs on {data}; see their 'only'")
        for system in grid.systems_of(data):
            _check_cell(grid, data, system)


def _check_cell(grid: Grid, data: str, system: str) -> None:
    """Refuse settings that make no run, and data that is not there."""
    source = grid.settings_of(data, system, seed=0, fold=None).data
    if source not in DATASETS and not home_path(source).exists():
        raise DeadpanError(
            f"{grid.path}: {data}: {source} is not there; put it there, or name with --only the "
            f"data sets that are"
        )
    for chosen in grid.draws(system):
        grid.settings_of(data, system, seed=0, fold=None, chosen=chosen)


def read_yaml(path: Path) -> dict[str, Any]:
    """What a file of settings holds; DeadpanError if it is not there or no mapping."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DeadpanError(f"{path}: is not there; give a YAML file as in configs/") from None
    except IsADirectoryError:
        raise DeadpanError(f"{path}: is a directory; give a YAML file as in configs/") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
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
    found = {str(name): mapping_in(path, f"{what}: {name}", told) for name, told in value.items()}
    places = [re.sub(r"[^\w.+-]+", "_", name).lstrip(".").lower() for name in found]
    if len(set(places)) < len(places) or "" in places:
        raise DeadpanError(f"{path}: {what}: names must differ in letters; got {', '.join(found)}")
    return found


def seeds_in(path: Path, value: object) -> list[int]:
    """A list of seeds in a file; DeadpanError if it is none."""
    seeds = value if isinstance(value, list) else []
    if not seeds or len(set(seeds)) < len(seeds) or not all(type(s) is int for s in seeds):
        raise DeadpanError(f"{path}: seeds wants whole numbers, each once; got {value!r}")
    return list(seeds)


def refuse_unknown(path: Path, what: str, values: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raise DeadpanError at the first name that is not known."""
    for key in values:
        if key not in known:
            raise DeadpanError(f"{path}: {unknown_name(what, key, known)}")
