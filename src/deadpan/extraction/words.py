"""Words of speech with their times, recognised by Whisper through faster-whisper, offline."""

import dataclasses
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from deadpan.errors import DeadpanError, unknown_name
from deadpan.extraction.media import RATE
from deadpan.extraction.speech import SpeechAudio, SpeechWindow
from deadpan.extraction.utterances import Word

FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt")
WINDOW = 28 * RATE
"""Samples that are recognised at once: the encoder takes the time of 30 s whatever it gets."""
SILENCE = RATE // 2
"""Samples of silence between the windows of speech in it."""
LATE = 0.05
"""Seconds by which Whisper's word times are early: the median over 553 words of espeak-ng."""
ONSET = 0.09
"""Seconds by which speech may begin before its window: so it is in 95 of 100 windows of
espeak-ng."""
UNLIKELY = 0.2
"""Probability below which a word is dropped: of 172 such words of espeak-ng, with and without
noise, 19 % were right."""
FRAME = RATE // 100
"""Samples of which the level is measured together: 10 ms."""
QUIET = 0.2
"""Share of the way, in dB, from the window's floor to its loud parts; a frame below is quiet."""
GAP = 7
"""Quiet frames in a row that are a pause; the closure of a stop (p, t, k) is shorter."""
REPETITIVE = 2.4
"""Ratio of compression from which on text is a loop; Whisper's own threshold."""

WhisperModel = Any
"""The model of faster-whisper, which is not imported before it is needed."""
RecognizedWord = Any
"""A word of faster-whisper: ``word``, ``start`` and ``end`` in seconds, ``probability``."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recognition:
    """What was recognised in one window of speech.

    Attributes:
        source: the recording, as it was named to the recogniser.
        window: of the recording.
        words: on the recording's clock; none where nothing was understood.
    """

    source: str
    window: SpeechWindow
    words: tuple[Word, ...]


class Recognizer:
    """Recognises windows of speech, of one recording or of many, packed 28 s at a time.

    Text is not invented: nothing but speech is heard; a pack that Whisper itself holds for silence
    has no words (no speech with a probability over .6, mean log probability below -1); one that
    repeats itself is recognised again in halves, and a single window that does has no words; and a
    word is dropped that lies between the windows, or has a probability below .2.

    What else is in a pack may change a word; the same windows in the same order give the same.

    Args:
        folder: of a Whisper model in CTranslate2's format, as the component whisper-base is.
        language: that is spoken, as ISO 639-1 writes it.
        threads: that compute.

    Raises:
        DeadpanError: faster-whisper is not installed, the folder lacks a file, or the model does
            not know the language.
    """

    def __init__(self, folder: Path, *, language: str = "en", threads: int = 1) -> None:
        self._model = _model(folder, threads)
        if language not in (languages := self._model.supported_languages):
            raise DeadpanError(unknown_name("language", language, languages))
        self._language = language
        self._pack: list[tuple[str, SpeechAudio]] = []
        self._samples = 0

    def push(self, speech: SpeechAudio, *, source: str = "") -> list[Recognition]:
        """Take a window of speech; give what was recognised, in order, once a pack is full."""
        recognized: list[Recognition] = []
        if self._samples + len(speech.samples) > WINDOW:
            recognized = self.finish()
        self._pack.append((source, speech))
        self._samples += len(speech.samples) + SILENCE
        return recognized

    def finish(self) -> list[Recognition]:
        """Recognise what is still waiting. Other windows may follow."""
        pack, self._pack, self._samples = self._pack, [], 0
        words = self._recognized([speech for _, speech in pack])
        return [
            Recognition(source=source, window=speech.window, words=tuple(words))
            for (source, speech), words in zip(pack, words, strict=True)
        ]

    def _recognized(self, pack: Sequence[SpeechAudio]) -> list[list[Word]]:
        """Words of each window of a pack."""
        if not pack:
            return []
        lengths = np.array([len(speech.samples) for speech in pack])
        starts = np.cumsum([0, *(lengths[:-1] + SILENCE)]) / RATE
        ends = starts + lengths / RATE
        segments, _ = self._model.transcribe(
            _packed(pack),
            language=self._language,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            # With timestamps in the text, it sometimes ends early, and what is behind is lost.
            without_timestamps=True,
            word_timestamps=True,
        )
        segments = list(segments)
        if any(segment.compression_ratio > REPETITIVE for segment in segments):
            if len(pack) == 1:
                return [[]]
            half = len(pack) // 2
            return self._recognized(pack[:half]) + self._recognized(pack[half:])
        words: list[list[Word]] = [[] for _ in pack]
        quiet = [_quiet(speech.samples) for speech in pack]
        for word in itertools.chain.from_iterable(segment.words for segment in segments):
            overlaps = np.minimum(word.end, ends) - np.maximum(word.start, starts)
            index = int(np.argmax(overlaps))
            # A word that lies in the silence between windows was not said.
            if overlaps[index] < 0 or word.probability < UNLIKELY or not word.word.strip():
                continue
            timed = _timed(word, pack[index], start=float(starts[index]), quiet=quiet[index])
            _append(words[index], timed, glued=not word.word.startswith(" "))
        return words


def _packed(pack: Sequence[SpeechAudio]) -> Float32[np.ndarray, " sample"]:
    """Audio of windows with silence between them."""
    silence = np.zeros(SILENCE, np.float32)
    return np.concatenate([piece for speech in pack for piece in (speech.samples, silence)][:-1])


def _append(words: list[Word], word: Word, *, glued: bool) -> None:
    """Append a word to those of its window, or a piece without a space before it to the last word.

    Whisper says "ill", "-bred" and "3.", "5". Scripts without spaces are left as they are.
    """
    if glued and words and (word.text[0] == "-" or words[-1].text[-1] in ".,:'’/&@$-"):
        words[-1] = dataclasses.replace(
            words[-1],
            text=words[-1].text + word.text,
            end=word.end,
            probability=min(words[-1].probability, word.probability),
        )
    else:
        words.append(word)


def _timed(
    word: RecognizedWord, speech: SpeechAudio, *, start: float, quiet: Bool[np.ndarray, " frame"]
) -> Word:
    """A word of faster-whisper on the recording's clock, within the window of speech.

    Args:
        word: timed in the pack.
        speech: that it belongs to.
        start: of its audio, in seconds of the pack.
        quiet: which frames of the audio are.
    """
    earliest, latest = speech.window.start - ONSET, speech.time + len(speech.samples) / RATE
    shift = speech.time - start + LATE
    begin, end = (min(max(time + shift, earliest), latest) for time in (word.start, word.end))
    begin = speech.time + _after_pause(begin - speech.time, end - speech.time, quiet)
    return Word(
        text=sys.intern(word.word.strip()),  # most come again
        start=float(begin),
        end=float(end),
        probability=float(word.probability),
    )


def _quiet(samples: Float32[np.ndarray, " sample"]) -> Bool[np.ndarray, " frame"]:
    """Which frames of a window's audio are quiet."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-9)
    floor, loud = np.percentile(level, [5, 95])
    return level < floor + QUIET * (loud - floor)


def _after_pause(start: float, end: float, quiet: Bool[np.ndarray, " frame"]) -> float:
    """Where a word starts, in seconds of its audio: behind a pause that its first half holds.

    Whisper counts the pause before a word, and the end of the word before that, to the word. Of 654
    words of espeak-ng, 97.1 % started within .15 s of the truth before this, and 98.0 % since.
    """
    seconds = FRAME / RATE
    index = round(start / seconds)
    while index < (start + end) / 2 / seconds:
        length = int(np.argmin(np.append(quiet[index:], False)))
        back = int(np.argmin(np.append(quiet[:index][::-1], False)))
        if length and back + length >= GAP:
            after = (index + length) * seconds
            return after if after < end - 4 * seconds else start
        index += max(length, 1)
    return start


def _model(folder: Path, threads: int) -> WhisperModel:
    """The model, from local files only."""
    try:
        import faster_whisper
    except ImportError:
        raise DeadpanError(
            "recognising words needs faster-whisper; run: pip install 'deadpan[video]'"
        ) from None
    # Without its tokenizer.json, faster-whisper would ask the network for it.
    for name in FILES:
        if not (folder / name).is_file():
            raise DeadpanError(
                f"{folder / name}: is not there; run: deadpan components fetch whisper-base"
            )
    try:
        return faster_whisper.WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=threads
        )
    except (RuntimeError, ValueError) as error:
        raise DeadpanError(
            f"{folder}: is damaged ({error}); run: deadpan components fetch whisper-base"
        ) from error
