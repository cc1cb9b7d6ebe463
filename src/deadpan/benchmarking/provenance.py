"""The code that the runs of a grid were made by, and the refusal to add runs of other code."""

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from deadpan.benchmarking.grid import Case
from deadpan.benchmarking.runner import finished
from deadpan.errors import DeadpanError, RunError
from deadpan.layers.native.library import SWITCH
from deadpan.training.environment import Environment, commit, commit_name, what_computes
from deadpan.training.opened import RunDirectory


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Code:
    """The code that makes a run. The processor is no part of it: a grid may go on elsewhere.

    Attributes:
        commit: as tables name it; "unknown" for an installed package, which its version tells.
        deadpan: version.
        torch: version.
        kernels: what the layers are computed by, "C" or "torch".
    """

    commit: str
    deadpan: str
    torch: str
    kernels: str

    @property
    def installed(self) -> bool:
        """Whether it is of no commit: a package from a wheel."""
        return self.commit == commit_name(None, None)

    def name(self, *, whole: bool) -> str:
        """Its commit, or the version of an installed package; the whole with what computes."""
        name = f"deadpan {self.deadpan}" if self.installed else f"commit {self.commit}"
        return f"{name} with torch {self.torch} and kernels in {self.kernels}" if whole else name

    def remedies(self, now: "Code") -> list[str]:
        """The commands by which a process of the code ``now`` would have this one again."""
        commands: list[str] = []
        if (self.commit, self.deadpan) != (now.commit, now.deadpan):
            commands.append(
                f"pip install deadpan=={self.deadpan}"
                if self.installed
                else f"git checkout {self.commit}"
            )
        if self.torch != now.torch:
            commands.append(f"pip install torch=={self.torch}")
        if self.kernels != now.kernels:
            commands.append(f"kernels in {self.kernels}, see {SWITCH}")
        return commands


def code_now() -> Code:
    """The code that makes runs in this process."""
    source, computes = commit(), what_computes()
    return Code(
        commit=commit_name(source["commit"], source["dirty"]),
        deadpan=computes["deadpan"],
        torch=computes["torch"],
        kernels="C" if computes["native"] else "torch",
    )


def code_of(environment: Environment) -> Code:
    """The code that made a run."""
    return Code(
        commit=environment.commit_name,
        deadpan=environment.deadpan,
        torch=environment.torch,
        kernels="C" if environment.native else "torch",
    )


def refuse_other_code(cases: Sequence[Case], runs: Path) -> None:
    """Refuse to add runs to others that other code has made: a table compares runs of one code.

    Counted is every run in the folder that has finished an epoch, those of other data sets and of
    earlier settings too. Nothing is read where all cases have finished: later code may then write
    their tables, which name the commit of the runs. Two states of uncommitted changes on top of one
    commit cannot be told apart.

    Args:
        cases: all that make one result, the trials of a search included.
        runs: where runs are kept.

    Raises:
        DeadpanError: a run that is there was made by other code than today's.
    """
    if all(finished(case, runs) for case in cases):
        return
    now, then = code_now(), set[Code]()
    for path in runs.glob("[!.]*/[!.]*/[!.]*"):
        if RunDirectory.is_run(path):
            with suppress(RunError):  # damaged: whoever goes on with it or tabulates it says so
                run = RunDirectory(path)
                if run.finished or run.checkpoint_file.is_file():
                    then.add(code_of(run.environment()))
    if not then - {now}:
        return
    whole = len({(code.torch, code.kernels) for code in (now, *then)}) > 1
    names = ", ".join(code.name(whole=whole) for code in sorted(then))
    again = [remedy for code in then for remedy in code.remedies(now)]
    one = len(then) == 1 and not any(code.commit.endswith("+") for code in then)
    raise DeadpanError(
        f"{runs.parent}: the code changed after the first run: {names} then, "
        f"{now.name(whole=whole)} now, and a table compares runs of one code; "
        + (f"go on with what it was ({'; '.join(again)}), or " if one else "")
        + "begin in another folder (--out, of a study --runs), where --reuse copies the runs that "
        "today's code has made"
    )
