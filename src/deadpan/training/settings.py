"""The settings of a run: resolved and written as YAML, they rebuild it."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_origin

from deadpan.data import NormalizationMethod
from deadpan.errors import DeadpanError, unknown_name
from deadpan.files import home_path, read_yaml
from deadpan.options import laid_over, record, typed

Precision = Literal["32-true", "bf16-mixed"]
Loss = Literal["l1", "smooth_l1", "distribution"]
Schedule = Literal["plateau", "onecycle"]

DECAY_WHEN = 20
"""Default of the setting, which belongs to one schedule and may not be given with another."""

CONFIGURATIONS = Path(__file__).parent / "configurations"
"""Files of settings that come with the package, each named by its stem."""

LARGEST: Mapping[str, float] = {
    "learning_rate": 100,
    "gate_learning_rate": 100,
    "weight_decay": 100,
    "epochs": 1_000_000,
    "seed": 2**63 - 1,
    "batch_size": 2**63 - 1,
    "decay_when": 2**63 - 1,
    "patience": 2**63 - 1,
    "devices": 1024,
}
"""The largest value of a setting that has one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to train, on what, and how. Defaults suit small data; ``configs/`` has the paper's.

    Attributes:
        data: a data set's name or a path.
        data_options: arguments of the data set, e.g. ``carrier`` of ``controlled``.
        modalities: the modalities to use; None = all the data set has.
        layer_blocks: how many layers of an encoder stand side by side in the features of each
            modality, e.g. 8 of text; the model reads their weighted sum and learns the weights.
        model: a model's name.
        model_options: its hyperparameters.
        init_from: a finished run of the same model and sizes, whose weights are those to start
            from; None = weights drawn by the seed. The output layer is drawn by the seed as well
            where that run has another task, other labels or other bins.
        seed: of weights, order and dropout.
        epochs: passes over the training split.
        batch_size: clips per step and process.
        loss: compares predicted numbers with labels by "l1" or "smooth_l1"; or predicts a
            "distribution" over 25 bins of each label's range, whose mean is the prediction and
            which gives the probability of a sign. None = the task's own: l1, or cross-entropy for
            emotions and classes, which are distributions as they are. The best epoch is that of the
            lowest validation loss, which for numbers is their mean absolute error under all three.
        learning_rate: of Adam; under onecycle the highest.
        gate_learning_rate: of a modality gate; None = max(learning_rate, 1e-3).
        weight_decay: L2 of all but the gate.
        gradient_clip: largest norm of the gradient.
        schedule: "plateau" divides the learning rates by 10 where the validation loss no longer
            improves; "onecycle" raises them over the first 30 % of all steps and lowers them to
            nothing over the rest (torch's OneCycleLR).
        decay_when: epochs without a better validation loss before plateau lowers the rates.
        patience: epochs without a better validation loss after which training ends; None = never
            before the last of ``epochs``.
        ema: decay per step of an exponential moving average of the weights, such as 0.98, which is
            validated and kept in their place; 0 = no average.
        normalization: of every modality that is not ``unscaled``, fitted on the training split.
        unscaled: modalities that stay as they are; None = those that the data set names, which are
            word vectors and states of encoders.
        accelerator: Fabric's device ("cpu", "cuda", "auto").
        devices: processes, each on its own device.
        precision: Fabric's precision.
    """

    data: str
    data_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    modalities: list[str] | None = None
    layer_blocks: Mapping[str, int] = dataclasses.field(default_factory=dict)
    model: str = "HCTMG"
    model_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    init_from: str | None = None
    seed: int = 0
    epochs: int = 30
    batch_size: int = 36
    loss: Loss | None = None
    learning_rate: float = 1e-3
    gate_learning_rate: float | None = None
    weight_decay: float = 0.0
    gradient_clip: float = 0.8
    schedule: Schedule = "plateau"
    decay_when: int = DECAY_WHEN
    patience: int | None = None
    ema: float = 0.0
    normalization: NormalizationMethod = "robust"
    unscaled: list[str] | None = None
    accelerator: str = "cpu"
    devices: int = 1
    precision: Precision = "32-true"

    def __post_init__(self) -> None:
        """Refuse values that cannot train anything, NaN among them."""
        if not self.data:
            raise DeadpanError("data must be a data set's name or a path; got an empty text")
        self._check_numbers()
        for name, fewest in (("modalities", 1), ("unscaled", 0)):
            names = getattr(self, name)
            if names is not None and not fewest <= len(names) == len(set(names)):
                raise DeadpanError(
                    f"{name} wants names, each once, as in [text, audio]; got {names}"
                )
        if self.schedule != "plateau" and self.decay_when != DECAY_WHEN:
            raise DeadpanError(
                f"decay_when belongs to the schedule plateau; got {self.decay_when} with "
                f"{self.schedule}: leave it out, or set it back to {DECAY_WHEN}"
            )
        if self.schedule == "onecycle" and self.patience is not None:
            raise DeadpanError(
                f"patience ends a run early, and onecycle must run to its end; got "
                f"{self.patience}: leave one of them out"
            )

    def _check_numbers(self) -> None:
        positive = ("epochs", "batch_size", "devices", "learning_rate", "gradient_clip", "patience")
        for name in positive:
            if (value := getattr(self, name)) is not None and not value > 0:
                raise DeadpanError(f"{name} must be above 0; got {value}")
        for name in ("seed", "weight_decay", "decay_when", "gate_learning_rate"):
            if (value := getattr(self, name)) is not None and not value >= 0:
                raise DeadpanError(f"{name} must not be negative; got {value}")
        for name, most in LARGEST.items():
            if (getattr(self, name) or 0) > most:
                raise DeadpanError(f"{name} must be at most {most}; got {getattr(self, name)}")
        if not 0 <= self.ema < 1:
            raise DeadpanError(f"ema must be from 0 to below 1; got {self.ema}")

    @classmethod
    def from_dict(cls, values: object) -> "Settings":
        """The settings of a resolved YAML; unknown keys and values of another type are refused."""
        if "data" not in typed("the configuration", values, dict):
            raise DeadpanError("the configuration names no data; add 'data: NAME_OR_PATH'")
        return record("", values, cls, unknown="setting")

    def to_dict(self) -> dict[str, Any]:
        """Plain values that YAML knows, in the order of the fields."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    def difference(self, other: "Settings") -> str | None:
        """The first setting in which two runs differ, as "name: this, not that"; None if none."""
        others = other.to_dict()
        for name, value in self.to_dict().items():
            if value != others[name]:
                return f"{name}: {value!r}, not {others[name]!r}"
        return None


MAPPINGS = tuple(
    field.name for field in dataclasses.fields(Settings) if get_origin(field.type) is Mapping
)
"""The settings that are values by name."""


def read_configuration(name: str) -> dict[str, Any]:
    """Read settings from a YAML file, or from one of ``CONFIGURATIONS`` by its name.

    Args:
        name: of a configuration that comes with the package, or the path of a file.

    Returns:
        Settings unlike the defaults, or all of a run.

    Raises:
        DeadpanError: no such file or name, an unknown setting, a value where names belong.
    """
    own = sorted(path.stem for path in CONFIGURATIONS.glob("*.yaml"))
    path = CONFIGURATIONS / f"{name}.yaml" if name in own else home_path(name)
    remedy = f"give {', '.join(own)} or a YAML file of settings, as in configs/"
    values: dict[str, Any] = typed(name, read_yaml(path, remedy), dict)
    fields = [field.name for field in dataclasses.fields(Settings)]
    for key, value in values.items():
        if key not in fields:
            raise DeadpanError(f"{name}: {unknown_name('setting', key, fields)}")
        if key in MAPPINGS and not isinstance(value, Mapping):
            raise DeadpanError(f"{name}: {key} wants NAME: VALUE below it; got {value!r}")
    return values


def over_configuration(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings over those of a configuration, whose hyperparameters are of its own model alone."""
    values = read_configuration(name)
    model = values.get("model", Settings.model)
    if settings.get("model", model) != model:
        values.pop("model_options", None)
    return laid_over(values, settings)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    item = getattr(value, "item", None)  # a number of numpy, which help need not import
    return item() if callable(item) else value
