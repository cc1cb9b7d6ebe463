"""A recording read in one pass: its words, its voice, its faces."""

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Protocol, runtime_checkable

from deadpan.data.containers.files import file_sha256
from deadpan.errors import DataError
from deadpan.extraction.faces import FaceLandmarker
from deadpan.extraction.media import RATE, Frame, Recording, probe, read
from deadpan.extraction.recipes import check_components, component_files
from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.speech import SpeechAudio, SpeechDetector
from deadpan.extraction.stage import Stage
from deadpan.extraction.timeline import RecordingFacts
from deadpan.extraction.tracks import FACE_RATE, FaceTrack, FaceTracker
from deadpan.extraction.transcripts import Transcript, time_transcript
from deadpan.extraction.utterances import Word
from deadpan.extraction.voice import VoiceMeter
from deadpan.extraction.words import SILENCE, WINDOW, Recognition, Recognizer

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
        (recording,) = self.read_each([path], watch=watch)
        if transcript is None:
            return recording
        timed = time_transcript(transcript, recording.words)
        warnings = (*recording.facts.warnings, *timed.warnings)
        facts = dataclasses.replace(recording.facts, warnings=warnings)
        return dataclasses.replace(recording, facts=facts, words=tuple(timed.words))

    def read_each(
        self, paths: Sequence[Path], *, watch: RecordingWatch | None = None
    ) -> Iterator[ReadRecording]:
        """Read recordings, and give each as soon as its words are recognised, in order.

        Those of :func:`recognized_together` share a window of recognition.

        Args:
            paths: of the files.
            watch: is called as the reading proceeds, for each recording anew.

        Raises:
            DataError: nothing in one can be read; those before it were given.
        """
        # What an error in the midst of an earlier recording left behind is no part of these.
        self._detector.finish()
        self._recognizer.finish()
        for group in recognized_together(paths):
            read: list[_Pass] = []
            try:
                for path, header in group:
                    read.append(self._pass(path, header, str(len(read)), watch))
            except DataError:
                yield from self._recognized(read)
                raise
            yield from self._recognized(read)

    def _pass(
        self, path: Path, header: Recording, source: str, watch: RecordingWatch | None
    ) -> "_Pass":
        """Measure a recording in one pass; the recogniser may still hold the last of its speech."""
        tracker, voice = FaceTracker(self._landmarker), VoiceMeter()
        recognized: list[Recognition] = []

        def recognize(speech: SpeechAudio) -> None:
            recognized.extend(self._recognizer.push(speech, source=source))

        if watch:
            watch.begin(header.duration)
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
        return _Pass(
            facts=RecordingFacts(
                file=path.name,
                sha256=file_sha256(path),
                duration=header.duration,
                has_video=header.video is not None,
                has_audio=header.audio is not None,
                warnings=tuple(media.warnings),
            ),
            source=source,
            recognized=recognized,
            voice=voice.finish(),
            tracks=tuple(tracker.tracks()),
        )

    def _recognized(self, group: Sequence["_Pass"]) -> Iterator[ReadRecording]:
        """Recordings that share windows of recognition, with their words."""
        rest = self._recognizer.finish()
        recognized = [*(each for one in group for each in one.recognized), *rest]
        for one in group:
            yield ReadRecording(
                facts=one.facts,
                language=self._language,
                words=tuple(
                    word for each in recognized if each.source == one.source for word in each.words
                ),
                voice=one.voice,
                tracks=one.tracks,
            )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Pass:
    """What one pass over a recording measured.

    Attributes:
        facts: of the file.
        source: the recording, as it was named to the recogniser.
        recognized: what the recogniser gave meanwhile, of recordings before this one too.
        voice: pitch and descriptors of the sound.
        tracks: the faces, a track for each person.
    """

    facts: RecordingFacts
    source: str
    recognized: Sequence[Recognition]
    voice: MeasuredSequence
    tracks: tuple[FaceTrack, ...]


def recognized_together(paths: Sequence[Path]) -> Iterator[list[tuple[Path, Recording]]]:
    """Group recordings by the window of recognition that they share, in order.

    Each window takes as long to recognise as 28 s of speech, whatever is in it. Short recordings
    that follow each other share one: as many as last 28 s together, with half a second between
    them. What else is in a window may change a word. A longer recording is a group of its own.

    Args:
        paths: of the files.

    Returns:
        The files of each group, with what is in each.

    Raises:
        DataError: one cannot be read; those before it were given.
    """
    group: list[tuple[Path, Recording]] = []
    samples = 0.0
    for path in paths:
        try:
            header = probe(path)
        except DataError:
            if group:
                yield group
            raise
        length = header.duration * RATE + SILENCE
        if group and samples + length > WINDOW + SILENCE:
            yield group
            group, samples = [], 0.0
        group.append((path, header))
        samples += length
    if group:
        yield group


def _hash_by_component(files: Mapping[str, str]) -> dict[str, str]:
    """One hash of all files of each component, by its name."""
    hashes: dict[str, str] = {}
    for name, sha256 in files.items():
        component = name.partition("/")[0]
        hashes[component] = hashes.get(component, "") + sha256
    return {name: hashlib.sha256(each.encode()).hexdigest() for name, each in hashes.items()}
