"""The environment of a run (command, commit, versions, data) and the installation behind it."""

import dataclasses
import datetime
import platform
import re
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from deadpan.data.dataset import Dataset, describe
from deadpan.data.feature_recipe import ModalityRecipe
from deadpan.data.health.findings import training_findings
from deadpan.layers.native.library import kernels, library
from deadpan.layers.recurrent import processor_has_lstm
from deadpan.models import Model
from deadpan.options import record
from deadpan.tasks import Task
from deadpan.threads import processors, waiting

if TYPE_CHECKING:  # imported, it costs every command that opens a run a second
    from lightning_fabric import Fabric


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataFacts:
    """The facts of a data set that a run keeps; see :func:`deadpan.data.dataset.describe`.

    Attributes:
        name: of the data set.
        task: of its labels.
        splits: number of clips, by split.
        fingerprint: hash of all clips.
        recipes: of each modality that an encoder made or that was measured; an older run has none.
        repairs: how often each repair was made.
        warnings: findings in the data that bear on its scores.
    """

    name: str
    task: str
    splits: dict[str, int]
    fingerprint: str
    repairs: dict[str, int]
    warnings: list[str]
    recipes: dict[str, ModalityRecipe] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Environment:
    """The environment in which a run was trained, so that a table of results can name it.

    Attributes:
        command: as the shell would repeat it.
        commit: of the sources; None for an installed package.
        dirty: whether the sources differed from the commit; None where there is none.
        deadpan: version.
        python: version.
        torch: version.
        platform: operating system and processor.
        threads: of torch.
        native: whether the C kernels were used.
        processor: the instructions that torch computes with, e.g. "AVX512"; "" in an older run.
        kernels: the instructions that they used, or why torch computed; an older run does not say.
        started: date and time, UTC.
        parameters: of the model.
        task: name of the task.
        labels: of the task.
        label_ranges: lowest and highest value of each label over which a distribution is predicted;
            empty where none is.
        modalities: of the model, in its order.
        dataset: facts of its data.
        model_module: of the model's class, where it is none of deadpan's; "" for deadpan's.
        initial_weights: SHA-256 of the weights it started from; "" where the seed drew them.
        warnings: of the model on this processor, of what it started from, and of going on with
            another processor or other code; an older run has none.
    """

    command: str
    commit: str | None
    dirty: bool | None
    deadpan: str
    python: str
    torch: str
    platform: str
    threads: int
    native: bool = False
    processor: str = ""
    kernels: str = "unknown"
    started: str
    parameters: int
    task: str
    labels: tuple[str, ...]
    modalities: tuple[str, ...]
    dataset: DataFacts
    label_ranges: tuple[tuple[float, ...], ...] = ()
    model_module: str = ""
    initial_weights: str = ""
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def commit_name(self) -> str:
        """The commit as tables name it; see :func:`commit_name`."""
        return commit_name(self.commit, self.dirty)

    def changes(self, now: "Environment") -> list[str]:
        """What differs in another environment so that it may compute other bits."""
        names = {"commit_name": "commit"}
        names |= {name: name for name in ("deadpan", "torch", "threads", "native", "processor")}
        if self.native and now.native:  # else they say why torch computes, whose bits are the same
            names["kernels"] = "kernels"
        return [
            f"{title} {getattr(now, name)} (was {getattr(self, name)})"
            for name, title in names.items()
            if getattr(self, name) not in ("", "unknown", getattr(now, name))
        ]


def data_facts(dataset: Dataset) -> DataFacts:
    """Describe a data set as it was loaded, before normalisation.

    Its warnings are followed by what ``deadpan data inspect`` finds serious in its training clips.
    """
    facts = describe(dataset)
    facts["warnings"] += training_findings(dataset)
    return record("dataset", facts, DataFacts)


def this_environment(model: Model, task: Task, dataset: DataFacts, fabric: "Fabric") -> Environment:
    """The environment of a run that this process trains."""
    return Environment(
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        **commit(),
        **what_computes(),
        python=platform.python_version(),
        platform=platform.platform(),
        threads=torch.get_num_threads(),
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        parameters=sum(p.numel() for p in model.parameters()),
        task=dataset.task,
        labels=task.labels,
        label_ranges=() if task.bins is None else tuple(map(tuple, task.bins[:, [0, -1]].tolist())),
        modalities=tuple(model.modalities),
        dataset=dataset,
        model_module=_own_module(type(model)),
        warnings=precision_warnings(model, fabric),
    )


def what_computes() -> dict[str, Any]:
    """What decides the bits of a run beside settings and threads, as :class:`Environment` has it.

    It names deadpan, torch, the processor's instructions, and the C kernels or why torch computes.
    """
    return {
        "deadpan": version("deadpan"),
        "torch": torch.__version__,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "native": library() is not None,
        "kernels": kernels(),
    }


def _own_module(kind: type[Model]) -> str:
    """The module of a class that is none of deadpan's; of a script or notebook its file's name."""
    name = kind.__module__
    if name.partition(".")[0] == "deadpan":
        return ""
    file = getattr(sys.modules.get(name), "__file__", None)
    return f"{name} ({Path(file).name})" if name == "__main__" and file else name


def installation() -> dict[str, Any]:
    """Describe this installation, for ``deadpan env``."""
    return {
        "deadpan": version("deadpan"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "platform": platform.platform(),
        "kernels": kernels(),
        "threads": torch.get_num_threads(),
        "processors": processors(),
        "waiting": waiting(),
        "extras": _extras(),
    }


def _extras() -> dict[str, str]:
    """For each extra its packages with their versions, or the command that installs them."""
    packages: dict[str, list[str]] = {}
    for need in requires("deadpan") or ():
        if match := re.match(r"([\w.-]+).*extra == ['\"]([\w-]+)['\"]", need):
            packages.setdefault(match[2], []).append(match[1])
    extras: dict[str, str] = {}
    for extra, names in sorted(packages.items()):
        try:
            extras[extra] = ", ".join(f"{name} {version(name)}" for name in names)
        except PackageNotFoundError:
            extras[extra] = f"pip install 'deadpan[{extra}]'"
    extras.pop("dev", None)  # the tools of development are no part of what a user lacks
    return extras


def precision_warnings(model: nn.Module, fabric: "Fabric") -> list[str]:
    """Which parts of a model this processor cannot compute in the precision of its training."""
    has_lstm = any(isinstance(part, nn.LSTM) for part in model.modules())
    if not has_lstm or fabric.device.type != "cpu":
        return []
    with fabric.autocast():
        half, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
    if not half or processor_has_lstm(dtype):
        return []
    name = str(dtype).removeprefix("torch.")
    return [f"this processor has no LSTM in {name}; the LSTMs of the model compute in float32"]


def commit() -> dict[str, Any]:
    """The commit of the source tree and whether it was changed; None for an installed package."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str | None:
        try:
            process = subprocess.run(
                ["git", "-C", str(here), *arguments],
                capture_output=True,
                text=True,
                timeout=60,  # of a busy machine
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return process.stdout.strip()

    # A package inside somebody else's repository must not borrow that repository's commit.
    if git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return {"commit": None, "dirty": None}
    return {
        "commit": git("rev-parse", "--short=12", "HEAD"),
        "dirty": bool(git("status", "--porcelain", "--", "..")),
    }


def commit_name(commit: str | None, dirty: bool | None) -> str:
    """A commit as tables name it: with "+" behind it where the sources differed from it."""
    return f"{commit or 'unknown'}{'+' if dirty else ''}"
