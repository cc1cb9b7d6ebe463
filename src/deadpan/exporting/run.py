"""A finished run as one file that predicts without it."""

import dataclasses
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from deadpan.data.normalization import Normalizer
from deadpan.errors import DeadpanError, unknown_name
from deadpan.exporting.checking import Run, deviations, onnx_run, program_run
from deadpan.models import MODELS, Model
from deadpan.models.aligned import AlignedModel
from deadpan.training.checkpoint import write_atomically
from deadpan.training.run import load_model
from deadpan.training.run_directory import RunDirectory
from deadpan.types import TEXT

NAMES = {
    ("onnx", False): "model.onnx",
    ("onnx", True): "model-int8.onnx",
    ("torch", False): "model.pt2",
}
"""What a file is called in its run directory, by format and int8."""
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


def export_run(
    run: RunDirectory, *, format: str = "onnx", int8: bool = False, out: Path | None = None
) -> Exported:
    """Write the best model of a finished run, normalisation included, and check the file.

    Args:
        run: a finished run.
        format: "onnx", for onnxruntime; or "torch", a ``torch.export`` program.
        int8: keep large weights as int8, with a scale for each output channel; ONNX only.
        out: the file, which must not exist; None = in the run directory.

    Raises:
        DeadpanError: a model that cannot be exported, a file in the way, or one that does not say
            what the model says; then nothing is written.
    """
    if (format, int8) not in NAMES:
        if format in ("onnx", "torch"):
            raise DeadpanError(
                "int8 weights are for ONNX files; leave out --int8, or --format torch"
            )
        raise DeadpanError(unknown_name("format", format, ("onnx", "torch")))
    path = out or run.path / NAMES[format, int8]
    if path.exists() or path.is_symlink():
        raise DeadpanError(f"{path}: exists already; remove it, or choose another --out")
    if not path.parent.is_dir():
        raise DeadpanError(
            f"{path}: its directory does not exist; make it, or choose another --out"
        )
    model, task, normalizer = load_model(run)
    kind = type(model).__name__
    if kind not in exportable():
        raise DeadpanError(
            f"{kind} cannot be exported, for its steps or clips depend on each other in loops; "
            f"those that can: {', '.join(exportable())}"
        )
    facts = _facts(model, normalizer, run.environment()["task"], task.labels, int8=int8)
    content = export_bytes(model, normalizer, facts, format=format, int8=int8)
    opened: Run = onnx_run(content) if format == "onnx" else program_run(content)
    differs, meant = deviations(opened, model, model.widths, normalizer)
    worst = float(differs.max())
    # Fewer bits say something else; by how much is told. In float32 it would be a defect.
    allowed = np.inf if int8 else TOLERANCE * max(1.0, float(np.abs(meant).max()))
    if not worst <= allowed or not np.isfinite(worst):
        raise DeadpanError(
            f"{path}: not written: it differs from the model by {worst:.1e} on random clips, "
            f"{allowed:.1e} is allowed; use the other --format and report this"
        )
    write_atomically(path, content)
    return Exported(path=path, size=len(content), deviation=worst, spread=float(meant.std()))


def export_bytes(
    model: Model,
    normalizer: Normalizer,
    facts: dict[str, Any],
    *,
    format: str = "onnx",
    int8: bool = False,
) -> bytes:
    """The file itself, unchecked.

    Raises:
        DeadpanError: onnx or onnxruntime is not installed.
    """
    if format == "torch":
        from deadpan.exporting.torch_program import program_bytes

        return program_bytes(model, normalizer, facts)
    try:
        import onnxruntime as onnxruntime

        from deadpan.exporting.onnx_file import GRAPHS, onnx_bytes
    except ModuleNotFoundError as error:
        raise DeadpanError(
            f"an ONNX file needs {error.name}: pip install 'deadpan[export]'"
        ) from error
    if type(model) not in GRAPHS:
        known = ", ".join(kind.__name__ for kind in GRAPHS)
        raise DeadpanError(
            f"{type(model).__name__} has no ONNX graph; use --format torch; with one: {known}"
        )
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
