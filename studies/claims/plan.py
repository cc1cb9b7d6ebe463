"""The plan of the study: which runs it makes, read from the file in which all its sizes stand."""

import dataclasses
import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deadpan.benchmarking import evidence, verdicts
from deadpan.benchmarking.grid import (
    Case,
    Grid,
    make_grid,
    read_values,
    seeds_in,
)
from deadpan.data import DATASETS
from deadpan.errors import DeadpanError, unknown_name
from deadpan.files import home_path
from deadpan.metrics import intervals
from deadpan.options import typed
from deadpan.training.opened import resolved
from deadpan.training.settings import Settings
from deadpan.types import TEXT

GENERATED = "controlled"
"""The data set whose truth is known; every seed has a corpus of its own."""

FIXED_FILES = (
    *(
        Path(__file__).with_name(f"{name}.py")
        for name in ("plan", "catalogue", "clip_statistics", "gate_null", "measuring")
    ),
    *(Path(module.__file__) for module in (evidence, verdicts, intervals)),
)
"""The code that says what is measured and tested, by which statistic, against which null and
margin, and what makes a verdict of it."""

HEADLINE_KEYS = ("data", "seeds", "systems")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of the study.

    Attributes:
        path: its file.
        full: whether it is the plan for a bigger machine.
        grid: data sets, systems, seeds and settings.
        headline: the data set on which the two headline claims are decided; None if it is left out.
        more_seeds: further seeds there, of ``systems``.
        systems: the systems that the headline claims compare.
        skipped: data sets of the file that are left out, with the reason.
        hash: hash of what is run: the values of the file with ``full`` laid over them, the data
            sets that are left out, and the number of seeds.
        fixed: hash of the file, and of the statistics, margins, nulls and rules of the claims,
            which stand in the code of ``FIXED_FILES``.
        commit: the commit that holds all of that as it is now; None where none does.
    """

    path: Path
    full: bool
    grid: Grid
    headline: str | None
    more_seeds: Sequence[int]
    systems: Sequence[str]
    skipped: Mapping[str, str]
    hash: str
    fixed: str
    commit: str | None

    def cases(self) -> list[Case]:
        """Every run, the first seed of everything first, further seeds last."""
        cases = list(self.grid.cases({data: [None] for data in self.grid.data}, {}))
        cases += [
            Case(
                data=self.headline,
                system=system,
                fold=None,
                trial=None,
                settings=self.grid.settings_of(self.headline, system, seed=seed, fold=None),
            )
            for seed in self.more_seeds
            if self.headline is not None
            for system in self.systems
        ]
        return [dataclasses.replace(case, settings=own_clips(case.settings)) for case in cases]

    def rate(self, data: str) -> float | None:
        """The share of incongruent clips in a generated data set; None for a real one."""
        settings = self.settings(data)
        return settings.data_options.get("incongruity", 0.3) if generated(settings) else None

    def carrier(self, data: str) -> str | None:
        """The modality that carries the sentiment in a generated data set; None for a real one."""
        settings = self.settings(data)
        return settings.data_options.get("carrier", TEXT) if generated(settings) else None

    def seeds(self, data: str, system: str) -> list[int]:
        """Every seed of a system on a data set; none where it is not run there."""
        if data not in self.grid.data or system not in self.grid.systems_of(data):
            return []
        more = self.more_seeds if data == self.headline and system in self.systems else ()
        return [*self.grid.seeds_of(data), *more]

    def settings(self, data: str) -> Settings:
        """The settings of the first system on a data set."""
        return self.grid.settings_of(data, self.grid.systems_of(data)[0], seed=0, fold=None)


def generated(settings: Settings) -> bool:
    """Whether the clips of a run are generated, so that their truth is known."""
    return settings.data == GENERATED


def own_clips(settings: Settings) -> Settings:
    """Give each seed clips of its own, where clips are generated.

    A result over seeds then holds for the kind of corpus, not for one corpus. The systems of one
    seed share their clips and stay paired.
    """
    if not generated(settings) or "seed" in settings.data_options:
        return settings
    options = {**settings.data_options, "seed": settings.seed}
    return resolved(dataclasses.replace(settings, data_options=options))


def read_plan(
    path: Path, *, only: Sequence[str] = (), full: bool = False, seeds: int | None = None
) -> Plan:
    """Read the study.

    Beside the keys of a grid the file has ``headline`` (``data``, more ``seeds`` and the
    ``systems`` they are for) and ``full``: what ``--full`` puts over the rest of the file.

    Args:
        path: a YAML file; see ``studies/claims/claims.yaml``.
        only: data sets to keep; none = all that are there.
        full: run the study for a bigger machine.
        seeds: how many to keep, of each data set the first; None = all.

    Raises:
        DeadpanError: no such file, an unknown key, name, setting or option, or no data left.
    """
    values = read_values(path, full=full)
    extra = typed(f"{path}: headline", values.pop("headline", {}), dict)
    for key in extra:
        if key not in HEADLINE_KEYS:
            raise DeadpanError(f"{path}: {unknown_name('key of headline', key, HEADLINE_KEYS)}")
    more_seeds = seeds_in(path, extra["seeds"]) if "seeds" in extra else []
    systems = typed(f"{path}: headline: systems", extra.get("systems", []), list[str])
    if "search" in values:
        raise DeadpanError(f"{path}: a study has no search; leave out 'search'")
    data = typed(f"{path}: data", values.get("data", {}), dict)
    for name in only:
        if name not in data:
            raise DeadpanError(f"{path}: {unknown_name('data set of the study', name, data)}")
    skipped = {
        name: f"{source} is not there"
        for name, settings in data.items()
        if (source := _absent(typed(f"{path}: data: {name}", settings, dict))) is not None
    }
    skipped |= {name: "left out by --only" for name in data if only and name not in only}
    if data and len(skipped) == len(data):
        raise DeadpanError(
            f"{path}: no data set is left to run on "
            f"({'; '.join(f'{name}: {why}' for name, why in skipped.items())}); name others with "
            f"--only, or put the files there"
        )
    # Named, not removed: systems may name data sets that are left out.
    grid = make_grid(path, values, only=[name for name in data if name not in skipped])
    headline = _headline(path, grid, extra, data, more_seeds, systems)
    if seeds is not None:
        before = len(grid.seeds_of(headline)) if headline in grid.data else 0
        more_seeds = more_seeds[: max(0, seeds - before)]
        grid = grid.of_first(seeds)
    text = json.dumps([values, extra, sorted(skipped), seeds], sort_keys=True, default=str)
    return Plan(
        path=path,
        full=full,
        grid=grid,
        headline=headline if headline in grid.data else None,
        more_seeds=more_seeds,
        systems=systems,
        skipped=skipped,
        hash=hashlib.sha256(text.encode()).hexdigest()[:12],
        fixed=_hash_of([path, *FIXED_FILES]),
        commit=_commit_of([path, *FIXED_FILES]),
    )


def _hash_of(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _commit_of(files: Sequence[Path]) -> str | None:
    """The last commit that changed any of these files; None where one is not as committed."""

    def git(*arguments: str) -> str | None:
        names = [str(file.resolve()) for file in files]
        command = ["git", "-C", str(Path(__file__).parent), *arguments, "--", *names]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.SubprocessError):  # no git, or a file outside the repository
            return None
        return done.stdout.strip()

    if git("ls-files", "--error-unmatch") is None or git("status", "--porcelain") != "":
        return None
    return git("log", "-1", "--format=%h") or None


def _headline(
    path: Path,
    grid: Grid,
    extra: Mapping[str, Any],
    data: Mapping[str, Any],
    seeds: Sequence[int],
    systems: Sequence[str],
) -> str | None:
    """The data set of the headline claims, after a check of its seeds and systems."""
    if not extra:
        return None
    name = str(extra.get("data", ""))
    if name not in data:
        raise DeadpanError(f"{path}: headline: {unknown_name('data set', name, data)}")
    there = grid.systems_of(name) if name in grid.data else grid.systems
    for system in systems:
        if system not in there:
            raise DeadpanError(f"{path}: headline: {unknown_name('system', system, there)}")
    if name in grid.data and (twice := set(seeds) & set(grid.seeds_of(name))):
        raise DeadpanError(f"{path}: headline: seed {min(twice)} of {name} is one of 'seeds' too")
    return name


def _absent(settings: Mapping[str, Any]) -> str | None:
    """The path of a data set that is not there; None if it is there, or is built in."""
    source = str(settings.get("data", ""))
    exists = not source or source in DATASETS or home_path(source).exists()
    return None if exists else source
