"""A finished run as one file that predicts without it."""

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
from deadpan.models import MODELS, Model
from deadpan.models.aligned import AlignedModel
from deadpan.training.opened import RunDirectory, open_run
from deadpan.types import TEXT, Batch, Modality

LONGEST = 24
"""Steps of the longest random clip."""

Run = Callable[[Batch], Float[np.ndarray, "clip output"]]
"""What a file makes of a batch of raw features."""


def random_clips(
    count: int, widths: Mapping[Modality, int], normalizer: Normalizer, *, seed: int = 0
) -> list[Clip]:
    """Clips of 1 to ``LONGEST`` steps at about the scale of the data.

    Every fifth modality is missing; a clip may lack all of them.
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


def deviations(
    run: Run,
    model: torch.nn.Module,
    widths: Mapping[Modality, int],
    normalizer: Normalizer,
    *,
    clips: int = 32,
    seed: int = 0,
) -> tuple[Float[np.ndarray, "clip output"], Float[np.ndarray, "clip output"]]:
    """By how much a file differs from its model, and what the model says.

    Args:
        run: the file.
        model: in evaluation mode.
        widths: of its modalities.
        normalizer: of its run.
        clips: how many random ones, in batches of 1, 2, 3, ...
        seed: of the clips.
    """
    raw = random_clips(clips, widths, normalizer, seed=seed)
    said, meant = list[np.ndarray](), list[np.ndarray]()
    for batch, scaled in zip(
        _batches(raw), _batches([_scaled(clip, normalizer) for clip in raw]), strict=True
    ):
        said.append(run(collate(batch, widths)))
        with torch.no_grad():
            meant.append(model(collate(scaled, widths)).prediction.numpy())
    wanted = np.concatenate(meant)
    return np.abs(np.concatenate(said) - wanted), wanted


def onnx_run(content: bytes) -> Run:
    """An ONNX file by onnxruntime, on one thread."""
    import onnxruntime  # an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    opened = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(batch: Batch) -> Float[np.ndarray, "clip output"]:
        feeds = {f"features.{name}": x.numpy() for name, x in batch.sequences.items()}
        feeds |= {f"mask.{name}": mask.numpy() for name, mask in batch.masks.items()}
        return opened.run(["prediction"], feeds)[0]

    return run


def _scaled(clip: Clip, normalizer: Normalizer) -> Clip:
    sequences = {
        name: np.clip((x - normalizer.centers[name]) / normalizer.scales[name], -LIMIT, LIMIT)
        if name in normalizer.centers
        else x
        for name, x in clip.sequences.items()
    }
    return dataclasses.replace(clip, sequences=sequences)


def _batches(clips: Sequence[Clip]) -> list[Sequence[Clip]]:
    """One clip, two, three, ..."""
    found: list[Sequence[Clip]] = []
    start = 0
    while start < len(clips):
        found.append(clips[start : start + len(found) + 1])
        start += len(found)
    return found


TOLERANCE = 1e-5
"""By how much a file may differ from its model; of the largest output, where that is above 1."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exported:
    """A file that was written, and how it compares with its model on random ragged clips.

    Attributes:
        path: of the file.
        size: in bytes.
        deviation: the largest absolute difference of an output.
        spread: standard deviation of the model's outputs on the same clips.
    """

    path: Path
    size: int
    deviation: float
    spread: float


def exportable() -> list[str]:
    """Models that read clips one by one, each modality at its own length: lengths stay dynamic."""
    return [
        name
        for name, kind in MODELS.items()
        if not kind.context and not issubclass(kind, AlignedModel)
    ]


def export_run(run: RunDirectory, *, int8: bool = False, out: Path | None = None) -> Exported:
    """Write the best model of a finished run, normalisation included, and check the file.

    Args:
        run: a finished run.
        int8: keep large weights as int8, with a scale for each output channel.
        out: the file, which must not exist; None = in the run directory.

    Raises:
        DeadpanError: a model that cannot be exported, a file in the way, or one that does not say
            what the model says; then nothing is written.
    """
    path = out or run.path / ("model-int8.onnx" if int8 else "model.onnx")
    if path.exists() or path.is_symlink():
        raise DeadpanError(f"{path}: exists already; remove it, or choose another --out")
    if not path.parent.is_dir():
        raise DeadpanError(
            f"{path}: its directory does not exist; make it, or choose another --out"
        )
    source = open_run(run.path)
    model, normalizer = source.model, source.normalizer
    kind = type(model).__name__
    if kind not in exportable():
        raise DeadpanError(
            f"{kind} cannot be exported, for its steps or clips depend on each other in loops; "
            f"those that can: {', '.join(exportable())}"
        )
    facts = _facts(model, normalizer, run.environment().task, source.task.labels, int8=int8)
    content = export_bytes(model, normalizer, facts, int8=int8)
    differs, meant = deviations(onnx_run(content), model, model.widths, normalizer)
    worst = float(differs.max())
    # Fewer bits say something else; by how much is told. In float32 it would be a defect.
    allowed = np.inf if int8 else TOLERANCE * max(1.0, float(np.abs(meant).max()))
    if not worst <= allowed or not np.isfinite(worst):
        raise DeadpanError(
            f"{path}: not written: it differs from the model by {worst:.1e} on random clips, "
            f"{allowed:.1e} is allowed; please report this"
        )
    write_atomically(path, content)
    return Exported(path=path, size=len(content), deviation=worst, spread=float(meant.std()))


def export_bytes(
    model: Model,
    normalizer: Normalizer,
    facts: dict[str, Any],
    *,
    int8: bool = False,
) -> bytes:
    """The file itself, unchecked.

    Raises:
        DeadpanError: onnx or onnxruntime is not installed.
    """
    try:
        import onnxruntime as onnxruntime

        from deadpan.exporting.onnx_file import GRAPHS, onnx_bytes
    except ModuleNotFoundError as error:
        raise DeadpanError(
            f"an ONNX file needs {error.name}: pip install 'deadpan[export]'"
        ) from error
    if type(model) not in GRAPHS:
        known = ", ".join(kind.__name__ for kind in GRAPHS)
        raise DeadpanError(f"{type(model).__name__} has no ONNX graph; models with one: {known}")
    return onnx_bytes(model, normalizer, facts, int8=int8)


def _facts(
    model: Model, normalizer: Normalizer, task: str, labels: tuple[str, ...], *, int8: bool
) -> dict[str, Any]:
    """What a file says of itself."""
    return {
        "version": 1,
        "made_by": f"deadpan {version('deadpan')}",
        "model": type(model).__name__,
        "task": task,
        "labels": list(labels),
        "widths": model.widths,
        "outputs": model.outputs,
        "scaled": list(normalizer.centers),
        # The medians of a speaker's own clips are not in the file: whoever feeds it takes them off.
        "median_of_group_first": [m for m in model.widths if m != TEXT]
        if normalizer.by_group
        else [],
        "padding": "last, at least one step of each modality; masks are True at real steps",
        "int8": int8,
    }
