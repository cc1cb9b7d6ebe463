"""Prediction from an exported file with numpy and onnxruntime; torch is never imported.

Made for small devices: one thread that does not spin while idle, and memory that loading needed
given back. Denormal numbers stay what they are: onnxruntime would set them to zero in all that the
caller's thread computes from then on, and clips are read no faster for it.
"""

import ctypes
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from deadpan.errors import DeadpanError, unknown_name
from deadpan.metrics.conformal import ConformalInterval, uncertain_decisions
from deadpan.metrics.distributions import expectation, probabilities

Clip = Mapping[str, Any]
"""Features [step, width] of each modality that the clip has, as anything numpy can read."""

STEPS_AT_ONCE = 1024
"""Most padded steps of a batch, over all modalities: a bound on memory; more is hardly faster."""
THREADS = 1024
"""Most threads: a larger number is taken for a mistake."""
MADV_DONTNEED = 4
"""Advice of Linux's ``madvise``: free these pages."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictorOutput:
    """The predictions for some clips.

    Attributes:
        labels: names of the task's labels.
        outputs: the model's raw outputs, float32 [clip, output].
        decisions: a number (regression, scores) or a probability, float64 [clip, label].
        low: lower end of each number's interval, float64 [clip, label]; NaN where the file has no
            intervals, as for emotions and classes.
        high: upper end.
        positive_probability: probability in [0, 1] that a number is above 0, float64 [clip, label];
            NaN for a label without a sign, or where nothing tells.
    """

    labels: tuple[str, ...]
    outputs: np.ndarray
    decisions: np.ndarray
    low: np.ndarray
    high: np.ndarray
    positive_probability: np.ndarray

    def rows(self) -> list[dict[str, float]]:
        """A mapping for each clip, from label to decision."""
        return [dict(zip(self.labels, row, strict=True)) for row in self.decisions.tolist()]


class Predictor:
    """Predicts from a file that ``deadpan export RUN`` wrote.

    ::

        predictor = Predictor("runs/mosi/model.onnx")
        predictor([{"text": words, "audio": sounds}]).rows()

    Features are given as extracted: the file normalises them as in training. A model trained with
    ``--normalization group`` also needs the speaker of each clip, and several clips of each.

    Args:
        file: an ONNX file of ``deadpan export``.
        threads: threads of one operator, at least 1.

    Attributes:
        widths: features per step of each modality.
        task: regression, emotions, classes or scores.
        labels: names of the task's labels.
        bins: values [label, bin] whose logits are predicted; None where numbers or classes are.
        intervals: of each label, fitted on validation clips; None where the file has none.
        facts: the description that the file carries.

    Raises:
        DeadpanError: onnxruntime or the file is missing, or the file is damaged or not of
            ``deadpan export``.
    """

    def __init__(self, file: str | Path, *, threads: int = 1) -> None:
        if type(threads) is not int or not 1 <= threads <= THREADS:
            raise DeadpanError(
                f"threads must be a whole number from 1 to {THREADS:,}; got {threads!r}"
            )
        self.file = Path(file).expanduser()
        self._session = _load(self.file, threads)
        self.facts = _facts(self.file, self._session)
        self.widths: dict[str, int] = self.facts["widths"]
        self.task: str = self.facts["task"]
        self.labels = tuple(self.facts["labels"])
        bins = self.facts.get("bins")
        self.bins = None if bins is None else np.array(bins, np.float64)
        self.intervals = _intervals(self.facts)

    def __call__(
        self, clips: Sequence[Clip] | Clip, *, groups: Sequence[str] | None = None
    ) -> PredictorOutput:
        """Predict clips of any lengths.

        Args:
            clips: at least one clip, each with its features [step, width] by modality. A modality
                that is left out or has no step is missing.
            groups: the speaker (or video) of each clip, for a model trained with
                ``--normalization group``: the median over a speaker's clips is subtracted.

        Returns:
            The predictions, in the order of the clips.

        Raises:
            DeadpanError: there is no clip, a modality is unknown, or features have another width
                or are no finite numbers.
        """
        if isinstance(clips, Mapping):
            raise DeadpanError("got one clip, wanted a list of clips; put it into [ ]")
        listed = isinstance(clips, Sequence)  # pyright: ignore[reportUnnecessaryIsInstance]
        if not listed or isinstance(clips, str | bytes):
            raise DeadpanError(f"got a {type(clips).__name__}, wanted a list of clips")
        if not clips:
            raise DeadpanError("got no clips, wanted at least one")
        features = [clip_features(index, clip, self.widths) for index, clip in enumerate(clips)]
        for index, clip in enumerate(features):
            self._check_steps(index, clip)
        if modalities := self.facts["median_of_group_first"]:
            features = subtract_medians(features, groups, modalities)
        outputs = np.empty((len(features), self.facts["outputs"]), np.float32)
        for batch in self._batches(features):
            feeds = self._padded([features[i] for i in batch])
            outputs[batch] = self._run(feeds, len(batch))
        decisions = decode_outputs(self.task, outputs, self.bins)
        low, high, positive = uncertain_decisions(decisions, outputs, self.bins, self.intervals)
        return PredictorOutput(
            labels=self.labels,
            outputs=outputs,
            decisions=decisions,
            low=low,
            high=high,
            positive_probability=positive,
        )

    def _run(self, feeds: Mapping[str, np.ndarray], clips: int) -> np.ndarray:
        """The outputs of one batch; DeadpanError if the file's graph gives none that fit."""
        try:
            result = self._session.run(["prediction"], feeds)[0]
        except Exception as error:  # onnxruntime raises many types, none of them public
            raise DeadpanError(
                f"{self.file}: the prediction of {clips} clips failed ({_first_line(error)}); give "
                f"fewer or shorter clips, or export the run again"
            ) from error
        shape = (clips, self.facts["outputs"])
        if not isinstance(result, np.ndarray) or result.shape != shape:
            kind = getattr(result, "shape", type(result).__name__)
            raise _damaged(self.file, f"its prediction is {kind}, wanted {shape}")
        return result

    def _check_steps(self, index: int, clip: Mapping[str, np.ndarray]) -> None:
        """Raise DeadpanError if the model cannot read a clip of so many steps."""
        model, steps = (
            self.facts.get("model", "the model"),
            {name: len(x) for name, x in clip.items()},
        )
        if self.facts.get("aligned") and len(set(steps.values())) > 1:
            counts = ", ".join(f"{name} {count}" for name, count in steps.items())
            raise DeadpanError(
                f"clip {index}: its modalities have different numbers of steps ({counts}), but "
                f"{model} reads one step of each for every word; give word-aligned "
                f"features"
            )
        for name, most in self.facts.get("longest", {}).items():
            if steps.get(name, 0) > most:
                raise DeadpanError(
                    f"clip {index}: has {steps[name]} steps of {name}, but {model} "
                    f"reads at most {most}; cut the clip, or train with --model.ctc_steps "
                    f"{steps[name]}"
                )

    def _batches(self, clips: Sequence[Clip]) -> list[list[int]]:
        """Indices of clips of similar length, shortest first, each batch in ``STEPS_AT_ONCE``."""
        lengths = [[len(clip.get(name, ())) for name in self.widths] for clip in clips]
        batches: list[list[int]] = []
        longest = np.zeros(len(self.widths), int)
        for i in sorted(range(len(clips)), key=lambda i: sum(lengths[i])):
            padded = np.maximum(longest, lengths[i])
            if batches and (len(batches[-1]) + 1) * padded.sum() <= STEPS_AT_ONCE:
                batches[-1].append(i)
                longest = padded
            else:
                batches.append([i])
                longest = np.array(lengths[i])
        return batches

    def _padded(self, clips: Sequence[Clip]) -> dict[str, np.ndarray]:
        """The file's inputs, padded at the end; at least one step of each modality."""
        feeds: dict[str, np.ndarray] = {}
        for name, width in self.widths.items():
            lengths = [len(clip.get(name, ())) for clip in clips]
            x = np.zeros((len(clips), max(1, *lengths), width), np.float32)
            for row, clip, length in zip(x, clips, lengths, strict=True):
                if length:
                    row[:length] = clip[name]
            feeds[f"features.{name}"] = x
            feeds[f"mask.{name}"] = np.arange(x.shape[1]) < np.array(lengths)[:, None]
        return feeds


def _load(file: Path, threads: int) -> Any:  # noqa: ANN401 - onnxruntime is imported late
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise DeadpanError(
            "predicting from an exported file needs onnxruntime: pip install 'deadpan[onnx]'"
        ) from None
    if not file.is_file():
        reason = "is a directory" if file.is_dir() else "no such file"
        raise DeadpanError(f"{file}: {reason}; give a file written by 'deadpan export RUN'")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # errors are raised; warnings do not concern a user
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # Falling back, it would print, and try the same processor again.
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # onnxruntime raises many types, none of them public
        raise _damaged(file, error) from error
    give_back("onnxruntime")
    return session


def _damaged(file: Path, reason: object) -> DeadpanError:
    """The error for a file that cannot be used; a reason of several lines is cut to the first."""
    line = _first_line(reason)
    return DeadpanError(f"{file}: damaged or not an ONNX file ({line}); export the run again")


def _first_line(reason: object) -> str:
    return str(reason).partition("\n")[0]


def _facts(file: Path, session: Any) -> dict[str, Any]:  # noqa: ANN401
    """The description in a file, once it is known to be one of the file's graph."""
    try:
        facts: Any = json.loads(session.get_modelmeta().custom_metadata_map["deadpan"])
    except (KeyError, ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict) or cast("dict[str, Any]", facts).get("version") != 1:
        raise DeadpanError(f"{file}: not written by 'deadpan export'; export the run again")
    if fact := _wrong_fact(cast("dict[str, Any]", facts)):
        raise _damaged(file, f"its description has no usable '{fact}'")
    widths: dict[str, int] = facts["widths"]
    wanted = {f"features.{name}": ("tensor(float)", width) for name, width in widths.items()}
    wanted |= {f"mask.{name}": ("tensor(bool)", None) for name in widths}
    inputs = {
        x.name: (x.type, x.shape[2] if len(x.shape) == 3 else None) for x in session.get_inputs()
    }
    if inputs != wanted:
        raise _damaged(file, "its inputs are not those of its description")
    if "prediction" not in {x.name for x in session.get_outputs()}:
        raise _damaged(file, "it has no output 'prediction'")
    return facts


OUTPUTS_PER_LABEL = {"regression": 1, "scores": 1, "classes": 1, "emotions": 2}
"""Outputs of a model for each label, by task, where it predicts no bins of the label."""


def _wrong_fact(facts: Mapping[str, Any]) -> str | None:
    """The first fact of a wrong type or range; None if there is none."""

    def are_texts(value: object) -> bool:
        return isinstance(value, list) and all(isinstance(x, str) for x in value)

    def is_count(value: object) -> bool:
        return type(value) is int and value >= 1

    task, labels, widths = (facts.get(name) for name in ("task", "labels", "widths"))
    if not isinstance(task, str) or task not in OUTPUTS_PER_LABEL:
        return "task"
    if not are_texts(labels) or not labels:
        return "labels"
    if not isinstance(widths, dict) or not widths or not all(map(is_count, widths.values())):
        return "widths"
    outputs, bins = facts.get("outputs"), facts.get("bins")
    is_number = task in ("regression", "scores")
    if bins is not None and not (is_number and _are_bins(bins, len(labels))):
        return "bins"
    per_label = OUTPUTS_PER_LABEL[task] if bins is None else len(bins[0])
    if not is_count(outputs) or outputs != len(labels) * per_label:
        return "outputs"
    longest: Any = facts.get("longest", {})
    if not isinstance(longest, dict) or not all(map(is_count, longest.values())):
        return "longest"
    try:
        _intervals(facts)
    except DeadpanError:
        return "uncertainty"
    medians: Any = facts.get("median_of_group_first")
    return None if are_texts(medians) and set(medians) <= set(widths) else "median_of_group_first"


def _intervals(facts: Mapping[str, Any]) -> list[ConformalInterval | None]:
    """The interval of each label, None where the file has none; DeadpanError if unusable."""
    labels: list[str] = facts["labels"]
    uncertainty: Any = facts.get("uncertainty", {"intervals": {}})
    intervals: Any = uncertainty.get("intervals") if isinstance(uncertainty, dict) else None
    if not isinstance(intervals, dict) or (intervals and list(intervals) != labels):
        raise DeadpanError("intervals are not those of the labels")
    values = cast("dict[str, Any]", intervals)
    has_bins = facts.get("bins") is not None
    return [
        ConformalInterval.from_json(values[x], has_bins=has_bins) if values else None
        for x in labels
    ]


def _are_bins(value: object, labels: int) -> bool:
    """Whether a value is a list of numbers for each label, all as long and ascending."""
    try:
        bins = np.array(value, np.float64)
    except (TypeError, ValueError):
        return False
    whole = bins.ndim == 2 and len(bins) == labels and bins.shape[1] >= 2
    return whole and bool(np.isfinite(bins).all() and (np.diff(bins) > 0).all())


def give_back(library: str) -> int:
    """Return freed memory to the system, and a library's code until it runs again.

    Loading a graph runs most of onnxruntime, predicting little of it, and its code takes a quarter
    of the memory of a small process. Pages of code are copies of a file: those that run are mapped
    again at once.

    Args:
        library: a word in the names of the library's files.

    Returns:
        The number of mappings of code that were returned; 0 except on Linux.
    """
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # glibc has it, musl has not
        libc.malloc_trim(0)
    count = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, *_, file = line.split(maxsplit=5)
        if rights == "r-xp" and library in file:  # code only: data would be lost
            first, end = (int(number, 16) for number in span.split("-"))
            status = libc.madvise(
                ctypes.c_void_p(first), ctypes.c_size_t(end - first), MADV_DONTNEED
            )
            count += status == 0
    return count


def decode_outputs(task: str, outputs: np.ndarray, bins: np.ndarray | None = None) -> np.ndarray:
    """Decode a model's outputs [clip, output] into a decision per label, float64 [clip, label].

    For regression and scores it is a number; for classes the probability of each, which sum to 1;
    for emotions the probability that each is present.

    Args:
        task: its name.
        outputs: of the model.
        bins: values [label, bin] of which the outputs are logits; None = they are none.
    """
    if bins is not None:
        return expectation(outputs.reshape(len(outputs), *bins.shape), bins)
    if task == "classes":
        return probabilities(outputs)
    logits = outputs.astype(np.float64)
    if task == "emotions":
        return 0.5 + 0.5 * np.tanh(0.5 * (logits[:, 1::2] - logits[:, ::2]))
    return logits


def clip_features(index: int, clip: Clip, widths: Mapping[str, int]) -> dict[str, np.ndarray]:
    """A clip's features as float32, without modalities that have no step.

    Args:
        index: the clip's index, for the message.
        clip: its features.
        widths: features per step of each modality that the model knows.

    Raises:
        DeadpanError: a modality is unknown, or features have another width or are no finite
            numbers.
    """
    if not isinstance(clip, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DeadpanError(
            f"clip {index}: got a {type(clip).__name__}, wanted features by modality, as in "
            f"{{'{next(iter(widths))}': array}}"
        )
    features: dict[str, np.ndarray] = {}
    for name, value in clip.items():
        if name not in widths:
            message = unknown_name("modality", str(name), widths)
            raise DeadpanError(f"clip {index}: {message}")
        width = widths[name]
        x = as_float32(index, name, value)
        if x.size == 0 and x.ndim == 1:  # [] has no step
            continue
        if x.ndim != 2 or x.shape[1] != width:
            raise DeadpanError(
                f"clip {index}: {name} has shape {list(x.shape)}, wanted [steps, {width}]; "
                f"extract the features that the model was trained on"
            )
        if not np.isfinite(x).all():
            raise DeadpanError(f"clip {index}: {name} holds NaN or infinity; set such values to 0")
        if len(x):
            features[name] = x
    return features


def as_float32(index: int, name: str, value: object) -> np.ndarray:
    """Convert a modality's features to float32.

    Args:
        index: the clip's index, for the message.
        name: the modality.
        value: its features.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind in "cmM":  # complex numbers and dates convert, with a loss
            raise TypeError
        with np.errstate(over="ignore"):  # infinity is refused later
            return array.astype(np.float32, copy=False)
    except (TypeError, ValueError):
        raise DeadpanError(f"clip {index}: {name} does not hold numbers") from None
    except RuntimeError as error:  # raised by a tensor of torch that requires a gradient
        raise DeadpanError(f"clip {index}: {name} gives no array ({error})") from None


def subtract_medians(
    clips: Sequence[dict[str, np.ndarray]], groups: Sequence[str] | None, modalities: Sequence[str]
) -> list[dict[str, np.ndarray]]:
    """Subtract from every clip the median of its group's steps, as ``--normalization group`` does.

    Args:
        clips: features by modality.
        groups: the group of each clip.
        modalities: those whose medians are subtracted.

    Raises:
        DeadpanError: there is not a group for each clip.
    """
    if groups is None or len(groups) != len(clips):
        count = "none" if groups is None else str(len(groups))
        raise DeadpanError(
            f"this model was trained with --normalization group; give the speaker of each of the "
            f"{len(clips)} clips as groups (got {count})"
        )
    medians: dict[tuple[str, str], np.ndarray] = {}
    for group in set(groups):
        own = [clip for clip, name in zip(clips, groups, strict=True) if name == group]
        for name in modalities:
            if steps := [clip[name] for clip in own if name in clip]:
                medians[group, name] = np.median(np.concatenate(steps), axis=0)
    return [
        {name: x - medians.get((group, name), np.float32(0)) for name, x in clip.items()}
        for clip, group in zip(clips, groups, strict=True)
    ]
