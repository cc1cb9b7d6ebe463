"""Measuring recordings by recipes, each in one pass; a process that does nothing else may do it.

Words of several recordings are recognised together, for whose sake recordings come in jobs.
"""

import dataclasses
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol, runtime_checkable

from deadpan.data.containers.files import file_sha256
from deadpan.data.feature_recipe import FeatureRecipe
from deadpan.errors import DataError, DeadpanError, os_failure
from deadpan.extraction.covarep import covarep_meter
from deadpan.extraction.egemaps import egemaps_meter
from deadpan.extraction.faces import FACE_COLUMNS, FaceLandmarker
from deadpan.extraction.facet import FACET_RATE, like_facet
from deadpan.extraction.feature_cache import FeatureCache
from deadpan.extraction.media import AudioBlock, Frame, read
from deadpan.extraction.recipes import AUDIO, TEXT, VISION
from deadpan.extraction.recording_reader import SIDE
from deadpan.extraction.sequences import MeasuredSequence, absent
from deadpan.extraction.speakers import speakers_of
from deadpan.extraction.speech import SpeechAudio, SpeechDetector
from deadpan.extraction.tracks import FACE_RATE, FaceTrack, FaceTracker, thinned
from deadpan.extraction.utterances import Word
from deadpan.extraction.voice import VoiceMeter
from deadpan.extraction.words import Recognition, Recognizer

FRAMES_UNSEEN = 0.01
"""Frames per second where no modality looks at them: the fewer, the fewer are converted."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WantedRecording:
    """A recording that is to be measured.

    Attributes:
        path: of the file.
        modalities: that are measured; text: its words are recognised.
    """

    path: Path
    modalities: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the measuring of one recording ended.

    Attributes:
        recording: its SHA-256; "" where it could not be read.
        failure: why nothing could be measured; "" where it went well.
        remedy: what is to be mended before any recording can be measured; "" if nothing.
        warnings: sentences on what of it could not be read.
    """

    recording: str = ""
    failure: str = ""
    remedy: str = ""
    warnings: tuple[str, ...] = ()


class Models:
    """The models of some recordings, each loaded when it is first needed.

    Args:
        components: the folder of all components.
        language: that is spoken, as ISO 639-1 writes it.
    """

    def __init__(self, components: Path, *, language: str = "en") -> None:
        self._components, self._language = components, language

    @cached_property
    def landmarker(self) -> FaceLandmarker:
        """Finds faces."""
        return FaceLandmarker(self._components / "face-landmarker")

    @cached_property
    def detector(self) -> SpeechDetector:
        """Finds speech."""
        return SpeechDetector(self._components / "silero-vad")

    @cached_property
    def recognizer(self) -> Recognizer:
        """Recognises words."""
        return Recognizer(self._components / "whisper-base", language=self._language)


Hear = Callable[[SpeechAudio], None]
"""Takes a window of speech."""


def _ignore(speech: SpeechAudio) -> None:
    """Take a window of speech and do nothing with it."""


@runtime_checkable
class Meter(Protocol):
    """Measures one modality of a recording as its frames and blocks come.

    Attributes:
        fps: frames per second that it looks at.
    """

    fps: float

    def push(self, item: AudioBlock | Frame) -> None:
        """Take the next frame or block."""
        ...

    def finish(self) -> MeasuredSequence:
        """What was measured, once nothing more comes."""
        ...


@runtime_checkable
class _SoundMeter(Protocol):
    """Measures blocks of audio."""

    def push(self, block: AudioBlock) -> None: ...
    def finish(self) -> MeasuredSequence: ...


class Hearing:
    """Measures the sound of a recording and looks at no frame.

    Args:
        meter: of blocks of audio.
    """

    fps = FRAMES_UNSEEN

    def __init__(self, meter: _SoundMeter) -> None:
        self._meter = meter

    def push(self, item: AudioBlock | Frame) -> None:
        """Measure a block."""
        if isinstance(item, AudioBlock):
            self._meter.push(item)

    def finish(self) -> MeasuredSequence:
        """What the meter has measured."""
        return self._meter.finish()


class SpeakersFace:
    """Measures the face of who speaks: whose mouth moves most, or else of who is seen longest.

    Attributes:
        tracker: of all faces.

    Args:
        models: of which one finds faces.
        fps: frames and steps per second, a multiple of ``FACE_RATE``.
        columns: makes of all numbers of a face those that are wanted.
    """

    def __init__(
        self,
        models: Models,
        *,
        fps: float = FACE_RATE,
        columns: Callable[[MeasuredSequence], MeasuredSequence] = lambda face: face,
    ) -> None:
        self.fps, self._columns = fps, columns
        self.tracker, self._end = FaceTracker(models.landmarker, rate=fps), 0.0

    def push(self, item: AudioBlock | Frame) -> None:
        """Measure the faces of a frame."""
        if isinstance(item, Frame):
            self.tracker.push(item)
            self._end = item.time

    def finish(self) -> MeasuredSequence:
        """The numbers of that face; no step if there is none."""
        track = self.track()
        return self._columns(track.sequence if track else absent(FACE_COLUMNS, self.fps))

    def track(self) -> FaceTrack | None:
        """The face over the recording."""
        tracks = self.tracker.tracks()
        if not tracks:
            return None
        # Mouths move less from step to step where steps are shorter.
        alike = [thinned(track, round(self.fps / FACE_RATE)) for track in tracks]
        (speaker,) = speakers_of(alike, [(0.0, self._end)])
        return tracks[speaker or 0]


Meters = Mapping[str, Callable[[Models], Meter]]
"""What makes the meter of each modality but text, whose words are recognised."""
METERS: Mapping[str, Meters] = {
    "open-1": {AUDIO: lambda _: Hearing(VoiceMeter()), VISION: SpeakersFace},
    "egemaps": {AUDIO: lambda _: Hearing(egemaps_meter()), VISION: SpeakersFace},
    "glove-covarep-facet": {
        AUDIO: lambda _: Hearing(covarep_meter()),
        VISION: lambda models: SpeakersFace(models, fps=FACET_RATE, columns=like_facet),
    },
}
"""The meters of each recipe, by name; those of ``encoders`` need torch and are made elsewhere."""


def measure_recording(
    path: Path, meters: Meters, models: Models, hear: Hear | None = None
) -> tuple[dict[str, MeasuredSequence], tuple[str, ...]]:
    """Measure some modalities of a recording in one pass.

    Args:
        path: of the media file.
        meters: of these modalities.
        models: that may be needed.
        hear: takes each window of speech.

    Returns:
        A sequence for each, empty where the file has none of it, and sentences on what was cut off
        or damaged.

    Raises:
        DataError: the file cannot be read.
        DeadpanError: a package of the extra ``video`` is missing.
    """
    made = {name: make(models) for name, make in meters.items()}
    fps = max((meter.fps for meter in made.values()), default=FRAMES_UNSEEN)
    rest: list[SpeechAudio] = []
    with read(path, fps=fps, side=SIDE) as reader:
        try:
            for item in reader:
                for meter in made.values():
                    meter.push(item)
                if hear and isinstance(item, AudioBlock):
                    for window in models.detector.push(item):
                        hear(window)
        finally:  # also of a recording that is broken: the detector hears the next one
            if hear:
                rest = models.detector.finish()
    if hear:
        for window in rest:
            hear(window)
    return {name: meter.finish() for name, meter in made.items()}, tuple(reader.warnings)


class _JobWords:
    """The words of some recordings of a job, recognised together."""

    def __init__(self, models: Models, recordings: Sequence[int]) -> None:
        self._models = models
        self._words: dict[int, list[Word]] = {index: [] for index in recordings}

    def listener(self, index: int) -> Hear | None:
        """What takes a recording's windows of speech; None if its words are not wanted."""
        if index not in self._words:
            return None
        return lambda speech: self._take(self._models.recognizer.push(speech, source=str(index)))

    def finish(self) -> Mapping[int, Sequence[Word]]:
        """The words of each recording."""
        if self._words:
            self._take(self._models.recognizer.finish())
        return self._words

    def _take(self, recognitions: Sequence[Recognition]) -> None:
        for recognition in recognitions:
            self._words[int(recognition.source)] += recognition.words


class JobMeasurer:
    """Measures jobs: recordings whose words are recognised together.

    A recording's words may depend on the others' in its job: where one lacks its words, those of
    all are recognised anew, so that they are those of a job that was never interrupted.

    Args:
        recipes: of the modalities, by name; that of text is of its words.
        cache: what it has is not measured again.
        models: that may be needed.
        meters: of the modalities; None: those of the recipes in ``METERS``.
    """

    def __init__(
        self,
        recipes: Mapping[str, FeatureRecipe],
        cache: FeatureCache,
        models: Models,
        meters: Meters | None = None,
    ) -> None:
        self._recipes, self._cache, self._models = recipes, cache, models
        self._meters = meters or {
            name: METERS[recipe.name][name] for name, recipe in recipes.items() if name != TEXT
        }

    def outcomes(self, job: Sequence[WantedRecording]) -> list[Outcome]:
        """Measure what the cache lacks of a job; whatever goes wrong is in the outcomes."""
        outcomes = [_hashed(wanted.path) for wanted in job]
        words = _JobWords(self._models, self._unrecognized(job, outcomes))
        for index, wanted in enumerate(job):
            if not outcomes[index].failure:
                recording = outcomes[index].recording
                outcomes[index] = self._measured(wanted, recording, words.listener(index))
        try:
            for index, of_recording in words.finish().items():
                if recording := outcomes[index].recording:
                    self._cache.save_words(recording, self._recipes[TEXT], of_recording)
        except Exception as error:  # noqa: BLE001 - whatever it was, other jobs go on
            return [_fault(wanted.path, error) for wanted in job]
        return outcomes

    def _unrecognized(self, job: Sequence[WantedRecording], outcomes: list[Outcome]) -> list[int]:
        """Indices of the recordings whose words are to be recognised: all that have any, or none.

        Recordings that turn out to be broken get their outcome: they never have words, and must not
        have those of the others recognised each time.
        """
        spoken = [
            index
            for index, wanted in enumerate(job)
            if TEXT in wanted.modalities and not outcomes[index].failure
        ]
        lacking = [
            index
            for index in spoken
            if self._cache.load_words(outcomes[index].recording, self._recipes[TEXT]) is None
        ]
        if len(lacking) == len(spoken):
            return spoken
        for index in lacking:
            outcome = self._measured(job[index], outcomes[index].recording, _ignore)
            if outcome.failure:
                outcomes[index] = outcome
        whole = [index for index in lacking if not outcomes[index].failure]
        return spoken if whole else []

    def _measured(self, wanted: WantedRecording, recording: str, hear: Hear | None) -> Outcome:
        """Measure what the cache lacks of one recording."""
        try:
            cached = {
                name: self._cache.load(recording, self._recipes[name])
                for name in wanted.modalities
                if name != TEXT
            }
            missing = {name: self._meters[name] for name, entry in cached.items() if entry is None}
            warnings = [text for entry in cached.values() if entry for text in entry[1]]
            if missing or hear:
                sequences, texts = measure_recording(wanted.path, missing, self._models, hear)
                warnings += texts
                for name, sequence in sequences.items():
                    self._cache.save(recording, self._recipes[name], sequence, texts)
            return Outcome(recording=recording, warnings=tuple(dict.fromkeys(warnings)))
        except Exception as error:  # noqa: BLE001 - whatever it was, other recordings are measured
            return _fault(wanted.path, error)


def _hashed(path: Path) -> Outcome:
    """The SHA-256 of a recording, or why it cannot be read."""
    try:
        return Outcome(recording=file_sha256(path))
    except OSError as error:
        return Outcome(failure=os_failure(error))


def _fault(path: Path, error: Exception) -> Outcome:
    """What an error means for a recording, or for all."""
    if isinstance(error, DataError):
        return Outcome(failure=str(error))
    if isinstance(error, DeadpanError):  # a missing package: no recording can be measured
        return Outcome(remedy=str(error))
    if isinstance(error, OSError):  # of the cache: a full disk
        return Outcome(remedy=os_failure(error))
    reason = traceback.format_exception_only(error)[-1].strip()
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return Outcome(failure=f"{path}: {reason} ({Path(frame.filename).name}:{frame.lineno})")


def measure_on_demand(
    pipe: Connection,
    recipes: Mapping[str, FeatureRecipe],
    cache: Path,
    components: Path,
    meters: Meters | None = None,
    language: str = "en",
) -> None:
    """Measure the jobs that come through a pipe, and send back the outcomes of each.

    Args:
        pipe: to the process that wants it; when that closes it or ends, this returns.
        recipes: of the modalities to measure.
        cache: folder of the cache.
        components: folder of all components.
        meters: of the modalities; None: those of the recipes in ``METERS``.
        language: that is spoken.
    """
    models = Models(components, language=language)
    measurer = JobMeasurer(recipes, FeatureCache(cache), models, meters)
    try:
        while True:
            pipe.send(measurer.outcomes(pipe.recv()))
    except (EOFError, OSError):  # nobody is there any more
        return
