"""The loggers of other tools, which follow a run epoch by epoch beside its own ``epochs.csv``."""

import hashlib
import math
import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning_fabric.loggers.csv_logs import CSVLogger
from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from deadpan.errors import DeadpanError, unknown_name
from deadpan.files import write_atomically
from deadpan.training.loop import Watch
from deadpan.training.settings import Settings

FOLDER = "log"
"""Of a run: what a logger writes there stays beside the run's own files."""
PROJECT = "deadpan"
"""What runs are gathered under in the pages of other tools."""


class EpochLogger(Watch):
    """Hands every epoch of a run to a logger, and what the run was trained with before the first.

    Args:
        name: one of :data:`LOGGERS`.
        run: the run directory; nothing is written there before the first epoch has ended.
        settings: of the run.
        watch: is called as well.

    Raises:
        DeadpanError: no such logger, or its library is not installed.
    """

    def __init__(self, name: str, run: Path, settings: Settings, watch: Watch | None) -> None:
        if name not in LOGGERS:
            raise DeadpanError(unknown_name("logger", name, LOGGERS))
        module, self._make = LOGGERS[name]
        if module and find_spec(module) is None:
            raise DeadpanError(f"--log {name} needs {module}; run: pip install 'deadpan[{name}]'")
        self._name, self._run, self._settings, self._watch = name, run, settings, watch
        self._logger: Logger | None = None
        self._failed = False

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """Loggers follow epochs; a step is for the other watch."""
        if self._watch:
            self._watch.step(epoch, step, steps, loss)

    def epoch(self, row: dict[str, int | float]) -> None:
        """Log an epoch; where an interrupted run goes on, its earlier ones stand already."""
        with self._telling():
            if self._logger is None and not self._failed:
                self._logger = self._make(self._run, flat(self._settings.to_dict()))
            if self._logger is not None:
                numbers = {
                    key: value
                    for key, value in row.items()
                    if key != "epoch" and math.isfinite(value)
                }
                self._logger.log_metrics(numbers, step=int(row["epoch"]))
                self._logger.save()  # a run may be killed at any time
        if self._watch:
            self._watch.epoch(row)

    def __enter__(self) -> "EpochLogger":
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close what the logger holds, and say how the run ended."""
        if self._logger is not None:
            with self._telling():
                self._logger.finalize("failed" if kind else "success")

    @contextmanager
    def _telling(self) -> Generator[None, None, None]:
        """Warn where the logger fails, and leave it: hours of training do not hang on a page."""
        try:
            yield
        except Exception as error:  # a service may raise anything
            self._logger, self._failed = None, True
            reason = str(error).strip().splitlines() or [type(error).__name__]
            warnings.warn(
                f"--log {self._name} failed and is left out from here on ({reason[0]}); the run's "
                "epochs.csv has every epoch",
                stacklevel=2,
            )


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings as the command line has them: ``model_options.width``; those not given are out."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif value is not None:
            found[prefix + key] = value if isinstance(value, int | float | str) else str(value)
    return found


def _csv(run: Path, settings: Mapping[str, Any]) -> Logger:
    """A file of its own for each start, ``log/version_N/metrics.csv``."""
    return CSVLogger(run, name=FOLDER)


def _tensorboard(run: Path, settings: Mapping[str, Any]) -> Logger:
    logger = TensorBoardLogger(run, name=FOLDER, version="")
    logger.log_hyperparams({**settings})
    return logger


class _ServiceLogger(Logger):
    """What the loggers of both services share: Fabric's interface, around a run of theirs."""

    def __init__(self, run: Path) -> None:
        self._path = run.resolve()
        self.folder = run / FOLDER
        self.folder.mkdir(exist_ok=True)

    @property
    def name(self) -> str:
        """The run's name."""
        return self._path.name

    @property
    def version(self) -> str:
        """What tells this run from others of its name, and finds it again when it goes on."""
        return hashlib.sha256(str(self._path).encode()).hexdigest()[:16]


class WandbLogger(_ServiceLogger):
    """A run of Weights & Biases: where, who and whether offline, its own variables say."""

    def __init__(self, run: Path, settings: Mapping[str, Any]) -> None:
        super().__init__(run)
        self._service: Any = import_module("wandb").init(
            project=PROJECT, name=self.name, id=self.version, resume="allow", dir=self.folder
        )
        self.log_hyperparams({**settings})

    def log_hyperparams(self, params: dict[str, Any]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Record the settings."""
        self._service.config.update(params, allow_val_change=True)

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Record an epoch."""
        self._service.log(metrics, step=step)

    def finalize(self, status: str) -> None:
        """Send what has not been sent."""
        self._service.finish(exit_code=int(status != "success"))


class MLflowLogger(_ServiceLogger):
    """A run of MLflow, where its own variables say (``MLFLOW_TRACKING_URI``)."""

    def __init__(self, run: Path, settings: Mapping[str, Any]) -> None:
        super().__init__(run)
        self._client: Any = import_module("mlflow").MlflowClient()
        note = self.folder / "mlflow.txt"  # so that an interrupted run goes on under its number
        if note.is_file():
            self._id = note.read_text(encoding="utf-8")
            return
        experiment = self._client.get_experiment_by_name(PROJECT)
        number = experiment.experiment_id if experiment else self._client.create_experiment(PROJECT)
        self._id = self._client.create_run(number, run_name=self.name).info.run_id
        write_atomically(note, self._id.encode())
        self.log_hyperparams({**settings})

    def log_hyperparams(self, params: dict[str, Any]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Record the settings."""
        for key, value in params.items():
            self._client.log_param(self._id, key, value)

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Record an epoch."""
        for key, value in metrics.items():
            self._client.log_metric(self._id, key, value, step=step)

    def finalize(self, status: str) -> None:
        """Say how it ended."""
        self._client.set_terminated(self._id, "FINISHED" if status == "success" else "FAILED")


LOGGERS: Mapping[str, tuple[str, Callable[[Path, Mapping[str, Any]], Logger]]] = {
    "csv": ("", _csv),
    "tensorboard": ("tensorboard", _tensorboard),
    "wandb": ("wandb", WandbLogger),
    "mlflow": ("mlflow", MLflowLogger),
}
"""The module that each logger needs, and what makes it of a run directory and settings."""
