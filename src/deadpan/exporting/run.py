"""Export of a finished run as one ONNX file, compared with the model before it is written."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from deadpan.data.batching import collate
from deadpan.data.dataset import Clip
from deadpan.data.normalization import LIMIT, Normalizer
from deadpan.errors import DeadpanError
from deadpan.files import write_atomically
from deadpan.locks import alone, beside
from deadpan.models import Model
from deadpan.models.aligned import AlignedModel
from deadpan.tasks import Task
from deadpan.training.opened import RunDirectory, open_run
from deadpan.types import Batch, Modality

TOLERANCE = 1e-5
"""Largest difference between a file and its model; relative to outputs that are larger than 1."""

LONGEST = 24
"""Steps of the longest random clip."""

Predict = Callable[[Batch], Float[np.ndarray, "clip output"]]
"""Computes the outputs for a batch of features as they are before normalisation."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exported:
    """A file that was written, and its differences from its model on random ragged clips.

    Attributes:
        path: the file.
        size: its size in bytes.
        deviation: the largest absolute difference of an output.
        spread: standard deviation of the model's outputs on the same clips.
    """

    path: Path
    size: int
    deviation: float
    spread: float


def export_run(run: RunDirectory, *, int8: bool = False, out: Path | None = None) -> Exported:
    """Write the best model of a finished run, normalisation included, and check the file.

    Args:
        run: a finished run.
        int8: store large weights as int8, with a scale for each output channel.
        out: the file, which must not exist; None = ``model.onnx`` in the run directory, or
            ``model-int8.onnx``.

    Raises:
        DeadpanError: the model cannot be exported, a file is in the way, or the file's predictions
            differ from the model's, or another process writes it; nothing is written.
    """
    path = out or run.path / ("model-int8.onnx" if int8 else "model.onnx")
    _refuse_taken(path)
    with alone(beside(path)):
        _refuse_taken(path)  # another may have written it since
        return _export(run, path, int8=int8)


def _refuse_taken(path: Path) -> None:
    """Raise DeadpanError if a file cannot be made there."""
    if path.exists() or path.is_symlink():
        raise DeadpanError(f"{path}: exists already; remove it, or choose another --out")
    if not path.parent.is_dir():
        raise DeadpanError(
            f"{path}: its directory does not exist; make it, or choose another --out"
        )


def _export(run: RunDirectory, path: Path, *, int8: bool) -> Exported:
    source = open_run(run.path)
    model, normalizer = source.model, source.normalizer
    facts = _facts(model, normalizer, run.environment().task, source.task, int8=int8)
    if uncertainty := run.uncertainty():
        facts |= {"uncertainty": dataclasses.asdict(uncertainty)}
    content = export_bytes(model, normalizer, facts, int8=int8)
    differences, outputs = deviations(onnx_predict(content), model, model.widths, normalizer)
    largest = float(differences.max())
    # With int8 a difference is expected and reported; in float32 it would be a defect.
    allowed = np.inf if int8 else TOLERANCE * max(1.0, float(np.abs(outputs).max()))
    if not largest <= allowed or not np.isfinite(largest):
        raise DeadpanError(
            f"{path}: not written: it differs from the model by {largest:.1e} on random clips, "
            f"{allowed:.1e} is allowed; please report this"
        )
    write_atomically(path, content)
    return Exported(path=path, size=len(content), deviation=largest, spread=float(outputs.std()))


def export_bytes(
    model: Model, normalizer: Normalizer, facts: dict[str, Any], *, int8: bool = False
) -> bytes:
    """Write a model as the content of an ONNX file, unchecked.

    Raises:
        DeadpanError: a package is not installed, or the model cannot be exported.
    """
    try:
        import onnxruntime as onnxruntime

        from deadpan.exporting.onnx_file import onnx_bytes
    except ModuleNotFoundError as error:
        raise DeadpanError(
            f"an ONNX file needs {error.name}: pip install 'deadpan[export]'"
        ) from error
    return onnx_bytes(model, normalizer, facts, int8=int8)


def _facts(
    model: Model, normalizer: Normalizer, name: str, task: Task, *, int8: bool
) -> dict[str, Any]:
    """The description that a file carries.

    Args:
        model: the network.
        normalizer: of its run.
        name: of the task.
        task: of the run.
        int8: how large weights are stored.
    """
    return {
        "version": 1,
        "made_by": f"deadpan {version('deadpan')}",
        "model": type(model).__name__,
        "task": name,
        "labels": list(task.labels),
        # Of each label the values whose logits are predicted; a prediction of numbers has none.
        **({} if task.bins is None else {"bins": task.bins.tolist()}),
        "widths": model.widths,
        "outputs": model.outputs,
        "scaled": list(normalizer.centers),
        # Medians of a new speaker's clips cannot be in the file: the predictor subtracts them.
        "median_of_group_first": [m for m in model.widths if m not in normalizer.unscaled]
        if normalizer.by_group
        else [],
        # What the model asks of the steps of a clip; in the file nothing checks it.
        "aligned": step_limits(model)[0],
        "longest": step_limits(model)[1],
        "padding": "last, at least one step of each modality; masks are True at real steps",
        "int8": int8,
    }


def step_limits(model: torch.nn.Module) -> tuple[bool, dict[Modality, int]]:
    """Whether a clip's modalities need as many steps as each other, and the most of a modality."""
    if not isinstance(model, AlignedModel):
        return False, {}
    if model.aligners:
        return False, {model.modalities[0]: model.ctc_steps}
    return True, {}


def deviations(
    predict: Predict,
    model: torch.nn.Module,
    widths: Mapping[Modality, int],
    normalizer: Normalizer,
    *,
    clips: int = 32,
    seed: int = 0,
) -> tuple[Float[np.ndarray, "clip output"], Float[np.ndarray, "clip output"]]:
    """Compare a file with its model on random clips, in batches of 1, 2, 3, ...

    Args:
        predict: computes the file's outputs.
        model: the model in evaluation mode.
        widths: features per step of its modalities.
        normalizer: the normalisation of its run.
        clips: number of clips.
        seed: seed of the clips.

    Returns:
        The absolute differences, and the model's outputs.
    """
    raw = random_clips(clips, widths, normalizer, seed=seed)
    aligned, longest = step_limits(model)
    raw = [_within(clip, aligned=aligned, longest=longest) for clip in raw]
    scaled = [_scaled(clip, normalizer) for clip in raw]
    file_outputs, model_outputs = list[np.ndarray](), list[np.ndarray]()
    for raw_batch, scaled_batch in zip(_batches(raw), _batches(scaled), strict=True):
        file_outputs.append(predict(collate(raw_batch, widths)))
        with torch.no_grad():
            model_outputs.append(model(collate(scaled_batch, widths)).prediction.numpy())
    outputs = np.concatenate(model_outputs)
    return np.abs(np.concatenate(file_outputs) - outputs), outputs


def onnx_predict(content: bytes) -> Predict:
    """Load an ONNX file into onnxruntime, on one thread."""
    import onnxruntime  # an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # an exporter leaves weights that nothing reads
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def predict(batch: Batch) -> Float[np.ndarray, "clip output"]:
        feeds = {f"features.{name}": x.numpy() for name, x in batch.sequences.items()}
        feeds |= {f"mask.{name}": mask.numpy() for name, mask in batch.masks.items()}
        return session.run(["prediction"], feeds)[0]

    return predict


def random_clips(
    count: int, widths: Mapping[Modality, int], normalizer: Normalizer, *, seed: int = 0
) -> list[Clip]:
    """Draw clips of 1 to ``LONGEST`` steps at about the scale of the data.

    One modality in five is missing; a clip may lack all of them.
    """
    random = np.random.default_rng(seed)

    def features(name: Modality, width: int) -> Float[np.ndarray, "step width"]:
        x = 2 * random.standard_normal((random.integers(1, LONGEST + 1), width), np.float32)
        if name in normalizer.centers:
            x = x * normalizer.scales[name] + normalizer.centers[name]
        return x.astype(np.float32)

    return [
        Clip(
            id=str(index),
            sequences={m: features(m, w) for m, w in widths.items() if random.random() < 0.8},
            label=np.zeros(1, np.float32),
        )
        for index in range(count)
    ]


def _within(clip: Clip, *, aligned: bool, longest: Mapping[Modality, int]) -> Clip:
    """A clip cut to what a model can read; see ``step_limits``."""
    most = dict(longest)
    if aligned and clip.sequences:
        most = dict.fromkeys(clip.sequences, min(map(len, clip.sequences.values())))
    cut = {name: x[: most.get(name)] for name, x in clip.sequences.items()}
    return dataclasses.replace(clip, sequences=cut)


def _scaled(clip: Clip, normalizer: Normalizer) -> Clip:
    sequences = {
        name: np.clip((x - normalizer.centers[name]) / normalizer.scales[name], -LIMIT, LIMIT)
        if name in normalizer.centers
        else x
        for name, x in clip.sequences.items()
    }
    return dataclasses.replace(clip, sequences=sequences)


def _batches(clips: Sequence[Clip]) -> list[Sequence[Clip]]:
    """Split into batches of one clip, two, three, ..."""
    batches: list[Sequence[Clip]] = []
    start = 0
    while start < len(clips):
        batches.append(clips[start : start + len(batches) + 1])
        start += len(batches)
    return batches
