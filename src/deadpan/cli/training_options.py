"""The options of ``deadpan train``: the settings' fields and the model's hyperparameters."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deadpan.api import default_run
from deadpan.cli.failures import Shown
from deadpan.cli.parsers import last, parse, parser_of
from deadpan.errors import DeadpanError, unknown_name
from deadpan.files import home_path, read_yaml
from deadpan.models import MODELS
from deadpan.options import typed
from deadpan.training.opened import RunDirectory
from deadpan.training.settings import Settings

USAGE = (
    "--data NAME_OR_PATH [--model NAME] [--out RUN] [--seed N] [--epochs N]\n"
    "       [--config YAML] [--resume] [--OPTION VALUE ...] [--model.OPTION VALUE ...]"
)

MODEL = ("model.", "model_options.")
"""Hyperparameters as they are typed, and as a configuration names them."""

SHOW = "--print_config"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """What ``deadpan train`` was asked for."""

    settings: Settings
    out: Path
    resume: bool


def training_options(arguments: Sequence[str]) -> Training:
    """Read the command line over the configuration it names, over the defaults.

    With ``--resume`` the run's own settings come first: only what is given must agree with them.

    Raises:
        Shown: help or the resolved configuration was asked for.
        DeadpanError: an option, a value or a configuration that does not fit.
    """
    out, config = last(arguments, "--out"), last(arguments, "--config")
    resume = "--resume" in arguments
    stored: dict[str, Any] = {}
    if resume and not out and not last(arguments, "--data") and not config:
        raise DeadpanError("--resume needs to know the run; add --out RUN")
    if resume and out:
        stored = RunDirectory(home_path(out)).settings().to_dict()
    if config:
        stored |= _read(config)
    name = last(arguments, "--model") or str(stored.get("model", Settings.model))
    if stored.get("model", Settings.model) != name:
        stored.pop("model_options", None)  # those of another model
    if name not in MODELS:
        where = f"{config}: " if config and name == stored.get("model") else ""
        raise DeadpanError(where + unknown_name("model", name, MODELS))
    parser = parser_of("train", USAGE, "Train a model on a data set and keep the run.")
    parser.add_argument("--model", type=str, default=name, help=f"one of {', '.join(MODELS)}")
    parser.add_argument("--out", type=str | None, help="the run directory, which must not exist")
    parser.add_argument("--config", type=str | None, help="YAML of settings; options override it")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument(SHOW, action="store_true", help="show the settings and stop")
    parser.add_class_arguments(Settings, skip={"model", "model_options"})
    parser.add_class_arguments(MODELS[name], "model_options", skip={"widths", "outputs"})
    if stored:
        try:
            parse(parser, ["--data=DATA", *_as_options(stored)], alias=MODEL)
        except DeadpanError as error:  # in the file, not on the command line
            raise DeadpanError(f"{config or out}: {error}") from error
    # jsonargparse has a --print_config of its own and would not take this one; it is only for help.
    asked = [argument for argument in arguments if argument != SHOW]
    values = parse(parser, [*_as_options(stored), *asked], alias=MODEL)
    chosen = {key: values.pop(key) for key in ("out", "config", "resume", "print_config")}
    settings = Settings.from_dict(values)
    if SHOW in arguments:
        raise Shown(yaml.safe_dump(settings.to_dict(), sort_keys=False).rstrip())
    run = home_path(chosen["out"]) if chosen["out"] else default_run(settings)
    return Training(settings=settings, out=run, resume=chosen["resume"])


def _read(config: str) -> dict[str, Any]:
    """A configuration file: differences from the defaults, or the config.yaml of a run."""
    remedy = "give a YAML file of settings, as in configs/"
    values: dict[str, Any] = typed(config, read_yaml(home_path(config), remedy), dict)
    known = [field.name for field in dataclasses.fields(Settings)]
    for key, value in values.items():
        if key not in known:
            raise DeadpanError(f"{config}: {unknown_name('setting', key, known)}")
        if key in ("data_options", "model_options") and not isinstance(value, Mapping):
            raise DeadpanError(f"{config}: {key} wants NAME: VALUE below it; got {value!r}")
    return values


def _as_options(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Settings as the command line would give them."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _as_options(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            yield f"--{prefix}{key}={text}"
