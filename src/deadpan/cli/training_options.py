"""The options of ``deadpan train``: the settings' fields and the model's hyperparameters."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deadpan.api import default_run, model_entries
from deadpan.catalogue import ModelEntry
from deadpan.cli import COMMANDS
from deadpan.cli.output import Reply
from deadpan.cli.parsers import ArgumentParser, command_parser, last_value, parse
from deadpan.errors import DeadpanError, unknown_name
from deadpan.files import home_path
from deadpan.training.settings import Settings, read_configuration

USAGE = (
    (
        "--data NAME_OR_PATH [--model NAME] [--out RUN] [--seed N] [--epochs N] [--config YAML] "
        "[--resume] [--OPTION VALUE ...] [--model.OPTION VALUE ...]"
    )
    .replace(" ", "\xa0")
    .replace("]\xa0[", "] [")
)

MODEL = ("model.", "model_options.")
"""The prefix of hyperparameters as it is typed, and as a configuration has it."""

PRINT_CONFIG = "--print_config"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """The arguments of ``deadpan train``."""

    settings: Settings
    out: Path  # the run directory
    resume: bool  # whether to continue the run in ``out``
    log: str | None  # what follows it besides


def training_options(arguments: Sequence[str]) -> Training:
    """Parse the command line, over the configuration file it names, over the defaults.

    With ``--resume`` the run's own settings come first: those that are given must agree with them.

    Raises:
        Reply: the user asked for help or for the resolved configuration.
        DeadpanError: an option, a value or a configuration that does not fit.
    """
    out, config = last_value(arguments, "--out"), last_value(arguments, "--config")
    resume = "--resume" in arguments
    stored: dict[str, Any] = {}
    if resume and not out and not last_value(arguments, "--data") and not config:
        raise DeadpanError("--resume needs to know the run; add --out RUN")
    if resume and out:
        from deadpan.training.opened import RunDirectory  # and with it torch

        stored = RunDirectory(home_path(out)).settings().to_dict()
    if config:
        stored |= read_configuration(config)
    name = last_value(arguments, "--model") or str(stored.get("model", Settings.model))
    if stored.get("model", Settings.model) != name:
        stored.pop("model_options", None)  # those of another model
    models = model_entries()
    if name not in models:
        prefix = f"{config}: " if config and name == stored.get("model") else ""
        raise DeadpanError(prefix + unknown_name("model", name, models))
    parser = command_parser("train", COMMANDS["train"], usage=USAGE, skip=["data"])
    parser.add_argument(PRINT_CONFIG, action="store_true", help="print the settings and stop")
    parser.add_argument("--model", type=str, default=name, help=f"one of {', '.join(models)}")
    parser.add_class_arguments(Settings, skip={"model", "model_options"})
    _add_hyperparameters(parser, models[name])
    if stored:
        try:
            parse(parser, ["--data=DATA", *_as_options(stored)], alias=MODEL)
        except DeadpanError as error:  # in the file, not on the command line
            raise DeadpanError(f"{config or out}: {error}") from error
    # jsonargparse has a --print_config of its own and would refuse this one; it is only for help.
    others = [argument for argument in arguments if argument != PRINT_CONFIG]
    values = parse(parser, [*_as_options(stored), *others], alias=MODEL)
    own = {key: values.pop(key) for key in ("out", "config", "resume", "log", "print_config")}
    settings = Settings.from_dict(values)
    if PRINT_CONFIG in arguments:
        raise Reply(yaml.safe_dump(settings.to_dict(), sort_keys=False).rstrip())
    run = home_path(own["out"]) if own["out"] else default_run(settings)
    return Training(settings=settings, out=run, resume=own["resume"], log=own["log"])


def _add_hyperparameters(parser: ArgumentParser, model: ModelEntry) -> None:
    group = parser.add_argument_group(model.summary.rstrip("."))
    for option in model.hyperparameters:
        group.add_argument(
            f"--model_options.{option.name}",
            type=option.annotation,
            default=option.default,
            help=option.help,
        )


def _as_options(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Settings as the command line would have them."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _as_options(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            yield f"--{prefix}{key}={text}"
