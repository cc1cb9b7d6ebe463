"""Predictions from an exported file by numpy and onnxruntime; torch is never imported.

Made for small devices: one thread, no spinning, numbers too small to matter flushed to zero.
"""

import ctypes
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deadpan.errors import DeadpanError, unknown_name


def decisions(task: str, outputs: np.ndarray) -> np.ndarray:
    """What a person reads of each label, float64 [clip, label].

    Args:
        task: regression and scores: the number; classes: the probability of each, sum 1; emotions:
            the probability that each is present.
        outputs: of the model, [clip, output].
    """
    given = outputs.astype(np.float64)
    if task == "classes":
        odds = np.exp(given - given.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)
    if task == "emotions":
        return 0.5 + 0.5 * np.tanh(0.5 * (given[:, 1::2] - given[:, ::2]))
    return given


def numbers(index: int, name: str, given: object) -> np.ndarray:
    """A modality's features as float32."""
    try:
        plain = np.asarray(given)
        if plain.dtype.kind in "cmM":  # numpy would drop a part of these, or count days
            raise TypeError
        with np.errstate(over="ignore"):  # infinity is refused in words
            return plain.astype(np.float32, copy=False)
    except (TypeError, ValueError):
        raise DeadpanError(f"clip {index}: {name} does not hold numbers") from None
    except RuntimeError as error:  # torch, of a tensor that it is still recording
        raise DeadpanError(f"clip {index}: {name} gives no array ({error})") from None


def without_medians(
    clips: Sequence[dict[str, np.ndarray]], groups: Sequence[str] | None, modalities: Sequence[str]
) -> list[dict[str, np.ndarray]]:
    """Every clip less the median of its group's steps, as ``--normalization group`` has it."""
    if groups is None or len(groups) != len(clips):
        got = "none" if groups is None else str(len(groups))
        raise DeadpanError(
            f"this model wants each speaker's median taken off; give the speaker of each of the "
            f"{len(clips)} clips as groups (got {got})"
        )
    medians: dict[tuple[str, str], np.ndarray] = {}
    for group in set(groups):
        own = [clip for clip, of in zip(clips, groups, strict=True) if of == group]
        for name in modalities:
            if steps := [clip[name] for clip in own if name in clip]:
                medians[group, name] = np.median(np.concatenate(steps), axis=0)
    return [
        {name: x - medians.get((group, name), np.float32(0)) for name, x in clip.items()}
        for clip, group in zip(clips, groups, strict=True)
    ]


MADV_DONTNEED = 4


def give_back(library: str) -> int:
    """Return freed memory to the system, and the code of a library until it runs again.

    Loading a graph runs most of onnxruntime, predicting little of it: its code is a quarter of a
    small process. Pages of code are copies of a file; what runs is mapped again at once.

    Args:
        library: a word in the file names of what is to be given back.

    Returns:
        How many mappings of code were given back; 0 elsewhere than on Linux.
    """
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # glibc has it, musl has not
        libc.malloc_trim(0)
    count = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, *_, file = line.split(maxsplit=5)
        if rights == "r-xp" and library in file:  # code alone: what was written to would be lost
            first, end = (int(number, 16) for number in span.split("-"))
            given = libc.madvise(
                ctypes.c_void_p(first), ctypes.c_size_t(end - first), MADV_DONTNEED
            )
            count += given == 0
    return count


Clip = Mapping[str, Any]
"""Features [step, width] of each modality that the clip has: an array, or what makes one."""

STEPS_AT_ONCE = 1024
"""Padded steps of a batch over all modalities: bounds memory, and more is hardly faster."""
THREADS = 1024
"""More than these is a slip."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictions:
    """What the model says of clips.

    Attributes:
        labels: of the task.
        outputs: float32 [clip, output], as the model gives them.
        decisions: float64 [clip, label]: a number (regression, scores) or a probability.
    """

    labels: tuple[str, ...]
    outputs: np.ndarray
    decisions: np.ndarray

    def rows(self) -> list[dict[str, float]]:
        """Each clip's decision by label."""
        return [dict(zip(self.labels, row, strict=True)) for row in self.decisions.tolist()]


class Predictor:
    """A file of ``deadpan export RUN``, ready to predict.

    ::

        predictor = Predictor("runs/mosi/model.onnx")
        predictor([{"text": words, "audio": sounds}]).rows()

    Features are raw: the file scales them as in training. A model trained with ``--normalization
    group`` also needs to know whose clips are whose, and wants several of each speaker at once.

    Args:
        file: an ONNX file of ours.
        threads: of one operator, at least 1.

    Attributes:
        widths: features per step of each modality.
        task: regression, emotions, classes or scores.
        labels: of the task.
        facts: all that the file says of itself.

    Raises:
        DeadpanError: no onnxruntime, no such file, a damaged one, or one that is not ours.
    """

    def __init__(self, file: str | Path, *, threads: int = 1) -> None:
        if type(threads) is not int or not 1 <= threads <= THREADS:
            raise DeadpanError(
                f"threads must be a whole number from 1 to {THREADS:,}; got {threads!r}"
            )
        self.file = Path(file).expanduser()
        self._session = _opened(self.file, threads)
        self.facts = _facts(self.file, self._session)
        self.widths: dict[str, int] = self.facts["widths"]
        self.task: str = self.facts["task"]
        self.labels = tuple(self.facts["labels"])

    def __call__(
        self, clips: Sequence[Clip] | Clip, *, groups: Sequence[str] | None = None
    ) -> Predictions:
        """Predict clips of any lengths, in their order.

        Args:
            clips: a list of at least one; each holds float features [step, width] by modality. One
                that is left out, or has no step, is missing.
            groups: the speaker (or video) of each clip. Needed where the model was trained with
                ``--normalization group``: each one's median, over these clips, is taken off.

        Raises:
            DeadpanError: no clips, an unknown modality, another width, or what is no number.
        """
        if isinstance(clips, Mapping):
            raise DeadpanError("got one clip, wanted a list of clips; put it into [ ]")
        listed = isinstance(clips, Sequence)  # pyright: ignore[reportUnnecessaryIsInstance]
        if not listed or isinstance(clips, str | bytes):
            raise DeadpanError(f"got a {type(clips).__name__}, wanted a list of clips")
        if not clips:
            raise DeadpanError("got no clips, wanted at least one")
        read = [self._read(index, clip) for index, clip in enumerate(clips)]
        if first := self.facts["median_of_group_first"]:
            read = without_medians(read, groups, first)
        outputs = np.empty((len(read), self.facts["outputs"]), np.float32)
        for chosen in self._batches(read):
            feeds = self._padded([read[i] for i in chosen])
            outputs[chosen] = self._session.run(["prediction"], feeds)[0]
        return Predictions(
            labels=self.labels, outputs=outputs, decisions=decisions(self.task, outputs)
        )

    def _read(self, index: int, clip: Clip) -> dict[str, np.ndarray]:
        """The clip as float32, without modalities of no step."""
        if not isinstance(clip, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DeadpanError(
                f"clip {index}: got a {type(clip).__name__}, wanted features by modality, as in "
                f"{{'{next(iter(self.widths))}': array}}"
            )
        read: dict[str, np.ndarray] = {}
        for name, given in clip.items():
            if name not in self.widths:
                told = unknown_name("modality", str(name), self.widths)
                raise DeadpanError(f"clip {index}: {told}")
            width = self.widths[name]
            x = numbers(index, name, given)
            if x.size == 0 and x.ndim == 1:  # [] has no step
                continue
            if x.ndim != 2 or x.shape[1] != width:
                raise DeadpanError(
                    f"clip {index}: {name} has shape {list(x.shape)}, wanted [steps, {width}]; "
                    f"extract the features that the model was trained on"
                )
            if not np.isfinite(x).all():
                raise DeadpanError(
                    f"clip {index}: {name} holds NaN or infinity; set such values to 0"
                )
            if len(x):
                read[name] = x
        return read

    def _batches(self, clips: Sequence[Clip]) -> list[list[int]]:
        """Clips of similar length together, shortest first, each batch within ``STEPS_AT_ONCE``."""
        lengths = [[len(clip.get(name, ())) for name in self.widths] for clip in clips]
        found: list[list[int]] = []
        longest = np.zeros(len(self.widths), int)
        for i in sorted(range(len(clips)), key=lambda i: sum(lengths[i])):
            wanted = np.maximum(longest, lengths[i])
            if found and (len(found[-1]) + 1) * wanted.sum() <= STEPS_AT_ONCE:
                found[-1].append(i)
                longest = wanted
            else:
                found.append([i])
                longest = np.array(lengths[i])
        return found

    def _padded(self, clips: Sequence[Clip]) -> dict[str, np.ndarray]:
        """The inputs of the file, padded at the end; at least one step of each modality."""
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


def _opened(file: Path, threads: int) -> Any:  # noqa: ANN401 - onnxruntime is imported late
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise DeadpanError(
            "predicting from an exported file needs onnxruntime: pip install 'deadpan[onnx]'"
        ) from None
    if not file.is_file():
        what = "is a directory" if file.is_dir() else "no such file"
        raise DeadpanError(f"{file}: {what}; give a file written by 'deadpan export RUN'")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors are raised; warnings are of interest to nobody here
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    try:
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime raises many kinds, none of them public
        first_line = str(error).partition("\n")[0]
        raise DeadpanError(f"{file}: damaged, or no ONNX file ({first_line})") from error
    give_back("onnxruntime")
    return session


def _facts(file: Path, session: Any) -> dict[str, Any]:  # noqa: ANN401
    facts: Any = None
    try:
        facts = json.loads(session.get_modelmeta().custom_metadata_map["deadpan"])
        known = facts["version"] == 1
    except (KeyError, TypeError, ValueError):
        known = False
    if not known:
        raise DeadpanError(f"{file}: not written by 'deadpan export'; export the run again")
    return facts
