"""A recording read in one pass: its words, its voice, its faces."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Protocol, runtime_checkable

from deadpan.data.containers.files import file_sha256
from deadpan.extraction.faces import FaceLandmarker
from deadpan.extraction.media import Frame, probe, read
from deadpan.extraction.recipes import check_components, component_files
from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.speech import SpeechAudio, SpeechDetector
from deadpan.extraction.stage import Stage
from deadpan.extraction.timeline import RecordingFacts
from deadpan.extraction.tracks import FACE_RATE, FaceTrack, FaceTracker
from deadpan.extraction.transcripts import Transcript, time_transcript
from deadpan.extraction.utterances import Word
from deadpan.extraction.voice import VoiceMeter
from deadpan.extraction.words import Recognition, Recognizer

COMPONENTS = ("face-landmarker", "silero-vad", "whisper-base")
"""Components that a recording is read with."""
SIDE = 1280
"""Pixels to which larger frames are reduced: smaller faces than a twentieth of it are not found."""


@runtime_checkable
class RecordingWatch(Protocol):
    """Follows the reading of a recording: a progress bar, a log, a test."""

    def begin(self, seconds: float) -> None:
        """Before the first frame, with the recording's duration."""

    def advance(self, seconds: float) -> None:
        """Each time that a second or more was read, with how much."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ReadRecording:
    """What one pass over a recording measures.

    Attributes:
        facts: of the file.
        language: that is spoken, as ISO 639-1 writes it.
        words: in order.
        voice: pitch and descriptors of the sound.
        tracks: the faces, a track for each person.
    """

    facts: RecordingFacts
    language: str
    words: tuple[Word, ...]
    voice: MeasuredSequence
    tracks: tuple[FaceTrack, ...]


class RecordingReader:
    """Reads recordings, one after the other, with models that are loaded once.

    Faces and words are measured in threads of their own, beside the decoder and the voice, which
    changes no number.

    Attributes:
        made_by: version of deadpan, and the hash of each component's files, by name.

    Args:
        components: the folder of all components.
        language: that is spoken, as ISO 639-1 writes it.
        threads: that recognise words.

    Raises:
        DataError: a component is not in the folder, or is damaged.
        DeadpanError: a library of the extra ``video`` is not installed.
    """

    def __init__(self, components: Path, *, language: str = "en", threads: int = 1) -> None:
        files = component_files(*COMPONENTS)
        check_components(files, components)
        self.made_by = {"deadpan": version("deadpan"), **_hash_by_component(files)}
        face, voice_activity, whisper = (components / name for name in COMPONENTS)
        self._language = language
        self._landmarker = FaceLandmarker(face)
        self._detector = SpeechDetector(voice_activity)
        self._recognizer = Recognizer(whisper, language=language, threads=threads)

    def read(
        self,
        path: Path,
        *,
        transcript: Transcript | None = None,
        watch: RecordingWatch | None = None,
    ) -> ReadRecording:
        """Read a recording; of its frames and its sound no more is held than a window.

        Args:
            path: of the file.
            transcript: what is said in it, in place of what is recognised, which times its words.
            watch: is called as the reading proceeds.

        Raises:
            DataError: nothing in it can be read, or the transcript is of another recording.
        """
        recording = probe(path)
        tracker, voice = FaceTracker(self._landmarker), VoiceMeter()
        words: list[Word] = []
        # What an error in the midst of an earlier recording left behind is no part of this one.
        self._detector.finish()
        self._recognizer.finish()

        def recognize(speech: SpeechAudio) -> None:
            words.extend(_words(self._recognizer.push(speech)))

        if watch:
            watch.begin(recording.duration)
        seconds = 0.0
        with (
            Stage(tracker.push) as faces,
            Stage(recognize) as recognition,
            read(path, fps=FACE_RATE, side=SIDE) as media,
        ):
            for item in media:
                if isinstance(item, Frame):
                    faces.put(item)
                else:
                    voice.push(item)
                    for speech in self._detector.push(item):
                        recognition.put(speech)
                if watch and item.time >= seconds + 1:
                    watch.advance(item.time - seconds)
                    seconds = item.time
            for speech in self._detector.finish():
                recognition.put(speech)
        words += _words(self._recognizer.finish())
        warnings = [*media.warnings]
        if transcript is not None:
            timed = time_transcript(transcript, words)
            words = [*timed.words]
            warnings += timed.warnings
        return ReadRecording(
            facts=RecordingFacts(
                file=path.name,
                sha256=file_sha256(path),
                duration=recording.duration,
                has_video=recording.video is not None,
                has_audio=recording.audio is not None,
                warnings=tuple(warnings),
            ),
            language=self._language,
            words=tuple(words),
            voice=voice.finish(),
            tracks=tuple(tracker.tracks()),
        )


def _hash_by_component(files: Mapping[str, str]) -> dict[str, str]:
    """One hash of all files of each component, by its name."""
    hashes: dict[str, str] = {}
    for name, sha256 in files.items():
        component = name.partition("/")[0]
        hashes[component] = hashes.get(component, "") + sha256
    return {name: hashlib.sha256(each.encode()).hexdigest() for name, each in hashes.items()}


def _words(recognitions: Iterable[Recognition]) -> list[Word]:
    return [word for recognition in recognitions for word in recognition.words]
