"""The files of a run: what each is called, how it is written, how it is read again."""

import csv
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deadpan.errors import DeadpanError, RunError
from deadpan.training.checkpoint import write_atomically
from deadpan.training.settings import Settings


class RunDirectory:
    """One directory per run.

    ==========================  ==================================================================
    config.yaml                 resolved settings: all that is needed to rebuild the run
    environment.json            command, commit, versions, data set and its repairs
    checkpoint.safetensors      where to go on from, replaced after each epoch
    epochs.csv, gate.csv        metrics of each epoch, gate weights of each batch
    model.safetensors           weights of the best epoch and the normalisation; the finished run
    scores.json                 the test split, once opened; predictions.csv clip by clip
    ==========================  ==================================================================

    Args:
        path: an existing run; see ``create``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and not path.is_dir():
            raise RunError(f"{path}: is a file; a run is a directory made by 'deadpan train'")
        if not self.config.is_file():
            what = "has no config.yaml" if path.is_dir() else "does not exist"
            raise RunError(
                f"{path}: no run here ({what}); make one with 'deadpan train --out {path}'"
            )

    @classmethod
    def create(
        cls, path: Path, settings: Settings, environment: Mapping[str, Any]
    ) -> "RunDirectory":
        """Make a run, complete from the moment it can be seen; RunError if the path is taken."""
        cls.refuse_taken(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        making = path.with_name(f".{path.name}.making")
        shutil.rmtree(making, ignore_errors=True)
        try:
            making.mkdir()
            text = yaml.safe_dump(settings.to_dict(), sort_keys=False)
            write_atomically(making / "config.yaml", text.encode())
            write_json(making / "environment.json", environment)
            making.rename(path)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        return cls(path)

    @staticmethod
    def refuse_taken(path: Path) -> None:
        """Raise RunError if there is something where a new run is to go."""
        if path.exists() or path.is_symlink():
            raise RunError(f"{path}: exists already; choose another --out, or go on with --resume")

    def clean(self) -> None:
        """Remove what a killed process was about to write; nothing ever reads it."""
        for leftover in self.path.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)

    @property
    def config(self) -> Path:
        """The resolved settings."""
        return self.path / "config.yaml"

    @property
    def checkpoint(self) -> Path:
        """Where an interrupted run goes on from."""
        return self.path / "checkpoint.safetensors"

    @property
    def weights(self) -> Path:
        """The best epoch's weights; present once the run has finished."""
        return self.path / "model.safetensors"

    @property
    def scores(self) -> Path:
        """Scores on the test split; present once it has been opened."""
        return self.path / "scores.json"

    def settings(self) -> Settings:
        """The settings the run was started with."""
        try:
            values = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise RunError(f"{self.config}: not valid YAML ({error})".replace("\n", " ")) from error
        if not isinstance(values, dict):
            raise RunError(f"{self.config}: should be a mapping of settings; train again")
        try:
            return Settings.from_dict(values)
        except (DeadpanError, TypeError) as error:  # another tool's file, or one edited by hand
            raise RunError(f"{self.config}: not the settings of a run ({error})") from error

    def environment(self) -> dict[str, Any]:
        """What the run was made with."""
        return read_json(self.path / "environment.json")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON atomically; NaN becomes null, which every reader understands."""
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; RunError if it is missing or damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{path}: missing; is this a run of deadpan?") from error
    except ValueError as error:
        raise RunError(f"{path}: not valid JSON ({error}); train again") from error
    if not isinstance(value, dict):
        raise RunError(f"{path}: should hold a JSON object; train again")
    return value


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows that share their keys, atomically; nothing for no rows."""
    if not rows:
        return
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


def _finite(value: object) -> object:
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - NaN is what differs from itself
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
