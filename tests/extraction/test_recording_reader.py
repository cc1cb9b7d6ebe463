"""A recording read in one pass, and what its readings say of made-up twins."""

from pathlib import Path

import numpy as np
import pytest

from deadpan.extraction import media
from deadpan.extraction.faces import FaceLandmarker
from deadpan.extraction.media import Frame
from deadpan.extraction.readings import NO_SMILE_ON_POSITIVE, SMILE_ON_NEGATIVE
from deadpan.extraction.recording_reader import COMPONENTS, ReadRecording, RecordingReader
from deadpan.extraction.timeline import RecordingFacts
from deadpan.extraction.tracks import FACE_RATE, FaceTracker
from deadpan.extraction.training_free import training_free_timeline
from deadpan.extraction.utterances import Word
from deadpan.extraction.words import Recognition

from ..recordings.sounds import write_wav
from ..refusals import refusal_of
from .made_up import steady_voice

SPEECH = Path(__file__).with_name("sense_and_sensibility.opus")
CLIP = "media/pyfeat_WolfgangLanger_Pexels.mp4"
CRYING, SMILING = (6.0, 9.2), (12.0, 15.2)
"""Seconds of the clip, of one woman: tears with a hand at the face, and a broad smile."""
HAPPY = "This is the most wonderful and beautiful present, I love it"
SAD = "This is the most terrible and painful loss, I hate it"
GLADNESS = [
    HAPPY,
    "I am so happy that you are here today",
    "What a wonderful day this was for us",
    "We had a great time with good friends",
    "The food was delicious and the people lovely",
    "She won the prize and we celebrated",
    "Thank you, that is very kind of you",
    "I really enjoyed every minute of this film",
    "Everything went well and I feel fantastic",
    "It is the best gift I ever got",
]
SORROW = [
    SAD,
    "I am so sad that he is gone",
    "What a horrible day this was for us",
    "We lost our home and it hurts",
    "The food was disgusting and the people rude",
    "She failed again and we are worried",
    "This is awful, I cannot bear the pain",
    "I really hated every minute of this film",
    "Everything went wrong and I feel miserable",
    "It is the worst news I ever got",
]


@pytest.fixture(scope="module")
def tracks(component, shared):
    """The faces of both parts of the clip, each as a recording of its own."""
    pytest.importorskip("av", reason="needs PyAV, of the extra video")
    landmarker = FaceLandmarker(component("face-landmarker"))
    parts = {}
    for name, (start, end) in {"crying": CRYING, "smiling": SMILING}.items():
        tracker = FaceTracker(landmarker)
        with media.read(shared / CLIP, fps=FACE_RATE, side=640) as reader:
            for item in reader:
                if isinstance(item, Frame) and start <= item.time < end:
                    tracker.push(Frame(time=item.time - start, image=item.image))
        parts[name] = tracker.tracks()
    return parts


@pytest.mark.parametrize(
    ("script", "face", "kind"),
    [
        (HAPPY, "smiling", ""),
        (SAD, "crying", ""),
        (SAD, "smiling", SMILE_ON_NEGATIVE),
        (HAPPY, "crying", NO_SMILE_ON_POSITIVE),
    ],
)
def test_twins(script, face, kind, tracks):
    """One script, happy and sad, on smiling and crying faces: signs and mismatches."""
    said = read(script, tracks[face])
    assert np.sign(said.readings["text"].value) == (1 if script == HAPPY else -1)
    assert np.sign(said.readings["vision"].value) == (1 if face == "smiling" else -1)
    assert said.incongruity == kind


@pytest.mark.parametrize("face", ["smiling", "crying"])
def test_congruent_utterances_are_not_flagged(face, tracks):
    """Ten of each: happy words with a smile, sad ones with tears."""
    for script in {"smiling": GLADNESS, "crying": SORROW}[face]:
        said = read(script, tracks[face])
        assert (said.text, said.incongruity) == (script, "")


def read(script, tracks):
    """The one utterance of a recording in which somebody says this, five words a second."""
    texts = script.split()
    words = tuple(
        Word(text=text, start=0.2 * k, end=0.2 * k + 0.2, probability=0.9)
        for k, text in enumerate(texts)
    )
    recording = ReadRecording(
        facts=RecordingFacts(
            file="twin.mp4", sha256="", duration=3.2, has_video=True, has_audio=True
        ),
        language="en",
        words=words,
        voice=steady_voice(3.2),
        tracks=tuple(tracks),
    )
    (said,) = training_free_timeline(recording, made_by={}).utterances
    return said


def test_a_missing_component_is_named_with_the_way_to_get_it(tmp_path):
    missing = tmp_path / "face-landmarker" / "face_landmarker.task"
    message = refusal_of(f"{missing}: ", RecordingReader, tmp_path)
    assert "deadpan components fetch face-landmarker silero-vad whisper-base" in message


def test_a_component_of_other_bytes_is_refused(component, tmp_path):
    """The timeline says by which files it was made: they are compared, not only counted."""
    for name in COMPONENTS:
        (tmp_path / name).symlink_to(component(name))
    changed = tmp_path / "silero-vad"
    content = bytearray((changed / "silero_vad.onnx").read_bytes())
    content[-1] ^= 1
    changed.unlink()
    changed.mkdir()
    (changed / "silero_vad.onnx").write_bytes(content)
    message = refusal_of(f"{changed / 'silero_vad.onnx'}: ", RecordingReader, tmp_path)
    assert "run: deadpan components fetch silero-vad" in message


def test_what_an_error_left_is_no_part_of_the_next_recording(component, tmp_path):
    """Ctrl-C after seven seconds of a reading, of which the first sentence was heard."""
    for module in ("ai_edge_litert", "av", "faster_whisper", "swift_f0"):
        pytest.importorskip(module, reason="needs the extra video")

    class Interrupting:
        def begin(self, seconds):
            self.seconds = 0.0

        def advance(self, seconds):
            self.seconds += seconds
            if self.seconds > 7.5:
                raise KeyboardInterrupt

    reader = RecordingReader([component(name) for name in COMPONENTS][0].parent)
    with pytest.raises(KeyboardInterrupt):
        reader.read(SPEECH, watch=Interrupting())
    silence = write_wav(tmp_path / "silence.wav", np.zeros(16_000))
    assert reader.read(silence).words == ()


class Packs:
    """A recogniser that understands, of each window of speech, which recording it is of."""

    def __init__(self):
        self.packs, self._pack = [], []

    def push(self, speech, *, source=""):
        self._pack.append(
            Recognition(
                source=source,
                window=speech.window,
                words=(Word(text=source, start=0.0, end=0.1, probability=1.0),),
            )
        )
        return []

    def finish(self):
        pack, self._pack = self._pack, []
        if pack:
            self.packs.append(sorted({each.source for each in pack}))
        return pack


@pytest.fixture
def spoken(tmp_path):
    """Makes a recording of some seconds of speech."""
    pytest.importorskip("av", reason="needs PyAV, of the extra video")
    blocks = [item.samples for item in media.read(SPEECH) if not isinstance(item, Frame)]
    sound = np.tile(np.concatenate(blocks), 3)
    return lambda name, seconds: write_wav(tmp_path / name, sound[: seconds * media.RATE])


@pytest.fixture
def packing(component, monkeypatch):
    """A reader whose recogniser is ``Packs``."""
    for module in ("ai_edge_litert", "av", "faster_whisper", "swift_f0"):
        pytest.importorskip(module, reason="needs the extra video")
    reader = RecordingReader([component(name) for name in COMPONENTS][0].parent)
    monkeypatch.setattr(reader, "_recognizer", Packs())
    return reader


def test_short_recordings_are_recognised_together_and_long_ones_alone(packing, spoken):
    """Of 13, 13, 3, 29 and 3 s the first two fill 28 s, with half a second after each."""
    seconds = [13, 13, 3, 29, 3]
    paths = [spoken(f"{index}.wav", length) for index, length in enumerate(seconds)]
    read_each = list(packing.read_each(paths))
    assert [each.facts.file for each in read_each] == [path.name for path in paths]
    assert packing._recognizer.packs == [["0", "1"], ["0"], ["0"], ["0"]]
    assert [{word.text for word in each.words} for each in read_each] == [
        {"0"}, {"1"}, {"0"}, {"0"}, {"0"},
    ]  # fmt: skip


def test_a_broken_recording_does_not_cost_those_it_would_be_recognised_with(
    packing, spoken, tmp_path
):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"")
    read_each = packing.read_each([spoken("a.wav", 3), spoken("b.wav", 3), broken])
    assert [next(read_each).facts.file, next(read_each).facts.file] == ["a.wav", "b.wav"]
    assert "is empty" in refusal_of(f"{broken}: ", next, read_each)
