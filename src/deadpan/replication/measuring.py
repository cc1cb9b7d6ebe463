"""What is measured of one finished run, clip by clip, and kept beside it."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from deadpan.analysis.attention_flow import Method
from deadpan.analysis.contributions import contributions, subset_outputs
from deadpan.analysis.latent import latent_incongruity
from deadpan.analysis.salience import salience
from deadpan.data.dataset import Clip
from deadpan.errors import RunError
from deadpan.files import read_json, write_json
from deadpan.metrics.incongruity import disagreement, localisation, pointing, sign_flips, spread
from deadpan.models.base import Model
from deadpan.tasks import Regression, Task
from deadpan.training.evaluation import labels_of
from deadpan.training.opened import RunDirectory, open_run
from deadpan.types import Modality

VERSION = 1
"""Of what is measured; a file of another version is measured again."""

METHODS: Mapping[Method, int] = {"attention": 1_000_000, "gradient": 48}
"""Ways of reading salience, and on how many clips at most, the first ones: a gradient is dear."""

Columns = Mapping[str, np.ndarray]
"""Measures by name, each one value per test clip."""


@dataclasses.dataclass(frozen=True)
class Measuring:
    """Measures a run and writes what it found; a ``deadpan.benchmark.runner.Afterwards``."""

    leaves: str = f"measures-{VERSION}.json"

    def __call__(self, run: RunDirectory) -> None:
        """Measure, unless that was done; the file is written whole or not at all."""
        if (run.path / self.leaves).is_file():
            return
        opened = open_run(run.path)
        columns = measure(opened.model, opened.task, opened.data["test"])
        write_json(run.path / self.leaves, {name: x.tolist() for name, x in columns.items()})

    def read(self, run: RunDirectory) -> Columns:
        """What was measured; RunError if it is missing or damaged."""
        path = run.path / self.leaves
        told = read_json(path, AGAIN)
        try:
            columns = {
                name: np.array(values, dtype=object if name in TEXTS else np.float64)
                for name, values in told.items()
            }
        except (TypeError, ValueError) as error:
            raise RunError(f"{path}: damaged ({error}); {AGAIN}") from error
        if len({len(x) for x in columns.values()}) != 1 or "error" not in columns:
            raise RunError(f"{path}: damaged; {AGAIN}")
        return columns


TEXTS = ("id", "kind")

AGAIN = "remove it and go on with 'deadpan claims --resume'"


def measure(model: Model, task: Task, clips: Sequence[Clip]) -> Columns:
    """Every measure of every clip; NaN where one does not apply.

    =====================  =========================================================================
    id, kind               of the clip; ``kind`` is "" where no truth is known
    spread                 degree of incongruity, of the generator's tendencies
    error                  how far the decision is from the label, on average over labels
    label, prediction      regression only
    flip                   1 where the sign is wrong, NaN for a label of 0; regression only
    disagreement           between predictions from single modalities; regression only
    gain_MODALITY          Shapley value of a modality in lowering the error, in the label's unit
    moved_MODALITY         Shapley value of a modality in the prediction; regression only
    before_M, after_M      latent incongruity of target M around self-attention, where it has two
                           views; ``before_primary`` where M is the only such target
    auc_METHOD_M           localisation of the steps known to matter in modality M
    points_METHOD_M        the pointing game there
    =====================  =========================================================================

    Args:
        model: trained.
        task: of its labels.
        clips: at least one, already normalised.
    """
    labels = labels_of(clips).astype(np.float64)
    columns: dict[str, np.ndarray] = {
        "id": np.array([clip.id for clip in clips], dtype=object),
        "kind": np.array([clip.truth.kind if clip.truth else "" for clip in clips], dtype=object),
        "spread": np.array([_spread(clip) for clip in clips]),
    }
    outputs = subset_outputs(model, clips)
    errors = {which: _errors(task, output, labels) for which, output in outputs.items()}
    columns["error"] = errors[frozenset(model.modalities)]
    for name, gain in contributions({which: -x[:, None] for which, x in errors.items()}).items():
        columns[f"gain_{name}"] = gain[:, 0]
    if isinstance(task, Regression):
        prediction = outputs[frozenset(model.modalities)][:, 0].astype(np.float64)
        columns |= {"label": labels[:, 0], "prediction": prediction}
        columns["flip"] = sign_flips(prediction, labels[:, 0])
        single = np.stack([outputs[frozenset([m])][:, 0] for m in model.modalities])
        columns["disagreement"] = disagreement(single).astype(np.float64)
        for name, moved in contributions(outputs).items():
            columns[f"moved_{name}"] = moved[:, 0].astype(np.float64)
    return columns | _latent(model, clips) | _localised(model, clips)


def _errors(
    task: Task, outputs: Float[np.ndarray, "clip output"], labels: Float[np.ndarray, "clip label"]
) -> Float[np.ndarray, " clip"]:
    return np.abs(task.decisions(outputs) - labels).mean(axis=1)


def _spread(clip: Clip) -> float:
    return spread(clip.truth.tendencies) if clip.truth else float("nan")


def _latent(model: Model, clips: Sequence[Clip]) -> dict[str, np.ndarray]:
    found = latent_incongruity(model, clips)
    columns: dict[str, np.ndarray] = {}
    for name, latent in found.items():
        for key in [name, "primary"] if len(found) == 1 else [name]:
            columns |= {f"before_{key}": latent.before, f"after_{key}": latent.after}
    return columns


def _localised(model: Model, clips: Sequence[Clip]) -> dict[str, np.ndarray]:
    """How well the salience of each method finds the steps known to matter."""
    if not model.attention_paths() or any(clip.truth is None for clip in clips):
        return {}
    columns: dict[str, np.ndarray] = {}
    for method, most in METHODS.items():
        read = clips[:most]
        found = salience(model, read, method=method)
        rest = np.full(len(clips) - len(read), np.nan)
        for name in model.modalities:
            pairs = [(x[name], _salient(clip, name)) for clip, x in zip(read, found, strict=True)]
            for key, rate in (("auc", localisation), ("points", pointing)):
                values = np.array([rate(*pair) for pair in pairs])
                columns[f"{key}_{method}_{name}"] = np.concatenate([values, rest])
    return columns


def _salient(clip: Clip, modality: Modality) -> Sequence[int]:
    return clip.truth.salient.get(modality, ()) if clip.truth else ()
