"""Windows of speech in a recording's audio, found by Silero's detector in one streaming pass."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from deadpan.errors import DeadpanError
from deadpan.extraction.media import RATE, AudioBlock

STEP = 512
"""Samples of which the detector says together whether they are speech: 32 ms."""
CONTEXT = 64
"""Samples before a step that the detector sees again."""
BEGIN = 0.5
"""Probability from which on a step begins a window; Silero's own threshold."""
STAY = 0.35
"""Probability below which a window's step is a pause; Silero's own, too."""
PAUSE = 10
"""Steps of pause (.32 s) that end a window; shorter pauses lie within one."""
SHORTEST = 3
"""Steps (.1 s) below which a window is a click or a breath."""
LONGEST = 820
"""Steps (26.2 s) after which a window without a pause is cut: the recogniser hears 30 s at once."""
PADDING = 6
"""Steps (.19 s) of audio that go along on each side: words begin softly."""

OnnxSession = Any
"""A session of onnxruntime, which is not imported before it is needed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpeechWindow:
    """A stretch of a recording in which someone speaks, with pauses of less than .32 s.

    Attributes:
        start: seconds from the recording's start.
        end: likewise.
        confidence: mean probability of speech over the window, in [0, 1].
    """

    start: float
    end: float
    confidence: float


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SpeechAudio:
    """The audio of a window of speech.

    Attributes:
        window: where speech is.
        time: seconds from the recording's start to the first sample, at most .19 s before the
            window.
        samples: in [-1, 1], 16,000 per second, to at most .19 s after the window.
    """

    window: SpeechWindow
    time: float
    samples: Float32[np.ndarray, " sample"]


class SpeechDetector:
    """Finds the windows of speech in audio that comes block by block.

    It holds the audio of the window that is open, 28 s at most. Where the blocks begin and end
    changes nothing. A gap in the recording ends a window.

    Args:
        folder: of the component silero-vad.

    Raises:
        DeadpanError: onnxruntime is not installed, or the component is not in the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._session = _session(folder / "silero_vad.onnx")
        self._stretch: _Stretch | None = None

    def push(self, block: AudioBlock) -> list[SpeechAudio]:
        """Take the next block, of 16,000 samples per second; give the windows that have ended.

        Raises:
            ValueError: the block begins before the last one ends.
        """
        ended: list[SpeechAudio] = []
        if self._stretch is not None:
            late = block.time - self._stretch.end
            if late < -1 / RATE:
                raise ValueError(f"block at {block.time} s after audio to {self._stretch.end} s")
            if late > 1 / RATE:
                ended = self.finish()
        if self._stretch is None:
            self._stretch = _Stretch(self._session, block.time)
        return ended + self._stretch.push(block.samples)

    def finish(self) -> list[SpeechAudio]:
        """End the audio; give the window that was still open. Other audio may follow."""
        stretch, self._stretch = self._stretch, None
        return [] if stretch is None else stretch.finish()


class _Stretch:
    """Audio without a gap. Steps are counted from its start.

    Attributes:
        end: seconds from the recording's start to the sample after the last one.
    """

    def __init__(self, session: OnnxSession, start: float) -> None:
        self._session, self._start = session, start
        self._state = np.zeros((2, 1, 128), np.float32)
        self._input = np.zeros((1, CONTEXT + STEP), np.float32)
        self._count = 0  # samples so far
        self._rest = np.zeros(0, np.float32)  # samples that do not fill a step yet
        self._first = 0  # index of the first step that is held
        self._steps: list[Float32[np.ndarray, " sample"]] = []
        self._probabilities: list[float] = []
        self._begin: int | None = None  # first step of the open window
        self._pause: int | None = None  # first step of the pause at its end

    @property
    def end(self) -> float:
        return self._start + self._count / RATE

    def push(self, samples: Float32[np.ndarray, " sample"]) -> list[SpeechAudio]:
        self._count += len(samples)
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) - len(samples) % STEP
        self._rest = samples[whole:]
        ended = [self._take(step) for step in samples[:whole].reshape(-1, STEP)]
        return [speech for speech in ended if speech is not None]

    def finish(self) -> list[SpeechAudio]:
        missing = -len(self._rest) % STEP
        step = np.concatenate([self._rest, np.zeros(missing, np.float32)])
        last = [self._take(step)] if missing else []
        if self._begin is not None:
            end = self._first + len(self._steps) if self._pause is None else self._pause
            last.append(self._closed(self._begin, end))
        return [speech for speech in last if speech is not None]

    def _take(self, samples: Float32[np.ndarray, " sample"]) -> SpeechAudio | None:
        """Take a step; give the window that ends with it."""
        probability = self._probability(samples)
        self._steps.append(samples)
        self._probabilities.append(probability)
        step = self._first + len(self._steps) - 1
        if self._begin is None:
            if probability < BEGIN:
                self._forget(step + 1 - PADDING)
                return None
            self._begin = step
        if probability >= BEGIN:
            self._pause = None
        elif probability < STAY and self._pause is None:
            self._pause = step
        if self._pause is not None and step + 1 - self._pause >= PAUSE:
            return self._closed(self._begin, self._pause)
        if step + 1 - self._begin >= LONGEST:
            return self._cut(self._begin)
        return None

    def _probability(self, samples: Float32[np.ndarray, " sample"]) -> float:
        """Probability that a step is speech."""
        self._input[0, :CONTEXT] = self._input[0, -CONTEXT:]
        self._input[0, CONTEXT:] = samples
        output, self._state = self._session.run(
            None, {"input": self._input, "state": self._state, "sr": np.array(RATE, np.int64)}
        )
        return float(output[0, 0])

    def _closed(self, begin: int, end: int) -> SpeechAudio | None:
        """The open window; None if it is too short. Nothing is open afterwards."""
        speech = self._speech(begin, end) if end - begin >= SHORTEST else None
        self._begin = self._pause = None
        self._forget(self._first + len(self._steps) - PADDING)
        return speech

    def _cut(self, begin: int) -> SpeechAudio:
        """The open window up to the step of its second half that is least like speech."""
        half = begin - self._first + LONGEST // 2
        middle = self._first + half + int(np.argmin(self._probabilities[half:]))
        # Audio on the other side of a cut is not silence: it would be recognised twice.
        speech = self._speech(begin, middle, padding=0)
        self._begin = middle
        self._forget(middle)
        return speech

    def _speech(self, begin: int, end: int, padding: int = PADDING) -> SpeechAudio:
        """Audio of a window from one step to before another one."""
        confidence = np.mean(self._probabilities[begin - self._first : end - self._first])
        first = max(begin - PADDING, self._first)
        samples = np.concatenate(self._steps[first - self._first : end + padding - self._first])
        samples = samples[: self._count - first * STEP]
        return SpeechAudio(
            window=SpeechWindow(
                start=self._time(begin), end=self._time(end), confidence=float(confidence)
            ),
            time=self._time(first),
            samples=samples,
        )

    def _time(self, step: int) -> float:
        return self._start + min(step * STEP, self._count) / RATE

    def _forget(self, before: int) -> None:
        """Drop the steps before one."""
        count = before - self._first
        if count > 0:
            del self._steps[:count], self._probabilities[:count]
            self._first = before


def _session(file: Path) -> OnnxSession:
    """The detector, on one thread."""
    try:
        import onnxruntime
    except ImportError:
        raise DeadpanError(
            "finding speech needs onnxruntime; run: pip install 'deadpan[video]'"
        ) from None
    if not file.is_file():
        raise DeadpanError(f"{file}: is not there; run: deadpan components fetch silero-vad")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its warnings do not concern a user
    try:
        return onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # onnxruntime raises many types, none of them public
        raise DeadpanError(
            f"{file}: is damaged or no ONNX file; run: deadpan components fetch silero-vad"
        ) from error
