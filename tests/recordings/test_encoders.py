import itertools
import shutil

import numpy as np
import pytest

from deadpan.data.feature_recipe import Column
from deadpan.data.store.reading import store_dataset
from deadpan.encoding.media_encoder import open_media_encoder
from deadpan.encoding.text_encoder import open_encoder
from deadpan.errors import DataError
from deadpan.extraction.measuring import METERS, Models
from deadpan.extraction.media import Frame, read
from deadpan.recordings.encoders import BEST_LAYERS, EncoderChoice, FaceStates, encoder_choices
from deadpan.recordings.run import cache_folder, extract_dataset

from ..encoding.tiny_encoders import save_encoder
from ..encoding.tiny_media_encoders import save_clip, save_wavlm
from ..refusals import refusal_of
from .sounds import labelled_clips, tone, write_wav

pytest.importorskip("av", reason="needs PyAV, of the extra video")
pytest.importorskip("PIL", reason="needs pillow, of the extra video")
COLUMN = Column(name="layer_2", unit="", source="clip", low=-1e4, high=1e4, count=8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoders")
    return {
        "text": save_encoder(folder / "bert"),
        "audio": save_wavlm(folder / "wavlm"),
        "vision": save_clip(folder / "clip"),
    }


def chosen(folders, **layers):
    return {
        name: EncoderChoice(encoder=str(folders[name]), layers=text)
        for name, text in layers.items()
    }


def extract(tmp_path, encoders, out="out.safetensors", **options):
    options = {"components": tmp_path / "no components", "recipe": "encoders"} | options
    table, path = tmp_path / "labels.csv", tmp_path / out
    return extract_dataset(tmp_path / "clips", table, path, encoders=encoders, **options)


def clips_of(dataset):
    return {clip.id: clip for clip in itertools.chain.from_iterable(dataset.splits.values())}


class Watch:
    def __init__(self):
        self.lines = []

    def begin(self, recordings):
        self.lines.append("begins")

    def advance(self, recordings):
        pass

    def say(self, line):
        self.lines.append(line)


def test_tokens_and_five_states_of_sound_a_second_become_a_store(folders, tmp_path):
    labelled_clips(tmp_path / "clips", 3, text=True)
    write_wav(tmp_path / "clips" / "clip1.wav", tone(seconds=1.1))
    watch = Watch()
    encoders = chosen(folders, text="2", audio="1,2-3")
    dataset = extract(tmp_path, encoders, watch=watch)
    assert watch.lines[0].startswith("2 s of recordings: their states take up to text 0.0 MB, aud")
    assert watch.lines[1] == "begins"
    assert dataset.widths == {"text": 8, "audio": 16}
    assert dataset.unscaled == dict.fromkeys(("text", "audio"), "states of an encoder")
    assert dataset.alignment == (
        "steps are not aligned: text has a step per token, audio 5 steps per second"
    )
    clip = clips_of(dataset)["clip1"]
    assert clip.transcript == "I don't like 1"
    assert (clip.words, set(clip.times)) == ((), {"audio"})
    encoder = open_encoder(str(folders["text"]))
    ids = encoder.tokens(clip.transcript).ids
    states = encoder.hidden_states([ids], [2])[2][0, 1:-1].numpy()  # without special tokens
    assert np.allclose(clip.sequences["text"], states, atol=2e-3)
    sound = (tone(seconds=1.1) * 32767).astype("<i2").astype("f4") / 32768
    wanted = open_media_encoder(folders["audio"], "audio").states(sound, [[1], [2, 3]])[0, ::10]
    assert np.allclose(clip.sequences["audio"], wanted, atol=2e-3)
    assert clip.times["audio"][[0, -1], 0].tolist() == [0, 1]
    recipe = dataset.recipes["audio"]
    assert (recipe.rate, recipe.blocks, recipe.dtype) == (5, 2, "<f2")
    assert [column.name for column in recipe.columns] == ["layer_1", "layers_2-3"]
    assert {len(sha256) for sha256 in recipe.files.values()} == {64}
    assert dataset.recipes["text"].states == "token"


def test_a_store_says_that_the_tokenizer_may_be_anothers(folders, tmp_path):
    labelled_clips(tmp_path / "clips", 3, text=True)
    other = save_encoder(tmp_path / "other", vocab_size=200)
    dataset = extract(tmp_path, chosen({**folders, "text": other}, text="2"))
    (said,) = [text for text in dataset.warnings if "tokenizer" in text]
    assert said.startswith("text: the tokenizer of other has ")


def test_what_was_measured_is_not_measured_again_but_for_other_layers(folders, tmp_path):
    labelled_clips(tmp_path / "clips", 3, text=True)
    extract(tmp_path, chosen(folders, text="all", audio="all"))
    content = (tmp_path / "out.safetensors").read_bytes()
    assert store_dataset(tmp_path / "out.safetensors").widths == {"text": 32, "audio": 32}
    cache = cache_folder(tmp_path / "out.safetensors")
    kept = {path: path.stat().st_mtime_ns for path in cache.glob("*.safetensors")}
    extract(tmp_path, chosen(folders, text="all", audio="all"), "again", cache=cache)
    assert (tmp_path / "again").read_bytes() == content
    assert {path: path.stat().st_mtime_ns for path in cache.glob("*.safetensors")} == kept
    extract(tmp_path, chosen(folders, audio="1"), "other", cache=cache)
    assert len(list(cache.glob("*.safetensors"))) == 2 * len(kept)


def test_the_face_of_who_speaks_is_encoded_three_times_a_second(component, shared, folders):
    pytest.importorskip("ai_edge_litert", reason="needs LiteRT, of the extra video")
    models = Models(component("face-landmarker").parent)
    meters = {
        "face": METERS["open-1"]["vision"](models),
        "states": FaceStates(models, folder=folders["vision"], groups=((2,),), columns=(COLUMN,)),
    }
    frames = [
        item
        for item in read(shared / "media" / "pyfeat_single_face.mp4", fps=15)
        if isinstance(item, Frame)
    ]
    for frame in frames:
        for meter in meters.values():
            meter.push(frame)
    face, states = (meter.finish() for meter in meters.values())
    assert (states.rate, states.values.shape[1]) == (3, 8)
    seen = np.unique((face.first + np.flatnonzero(face.present)) // 5)
    assert (states.first + np.flatnonzero(states.present)).tolist() == seen.tolist()
    # The first face, measured and encoded by itself.
    first = models.landmarker.find(frames[0].image)[0]
    encoder = open_media_encoder(folders["vision"], "vision")
    assert np.allclose(states.values[0], encoder.states(first.crop[None], [[2]])[0, 0], atol=0.05)
    assert (states.confidence[states.present] > 0.5).all()


def test_a_recording_without_sound_or_face_lacks_the_modality(component, folders, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="needs LiteRT, of the extra video")
    labelled_clips(tmp_path / "clips", 3)
    components = component("face-landmarker").parent
    dataset = extract(tmp_path, chosen(folders, audio="1", vision="1"), components=components)
    assert dataset.widths == {"audio": 8}
    write_wav(tmp_path / "clips" / "clip0.wav", tone(seconds=0.02))  # shorter than a state
    extract(tmp_path, chosen(folders, audio="1"), "b")
    failures = (tmp_path / "b.failures.csv").read_text()
    assert "clip0" in failures
    assert "has no modality" in failures


def test_what_cannot_be_encoded_is_refused_before_anything_is_read(folders, tmp_path):
    labelled_clips(tmp_path / "clips", 3, text=True)
    empty = tmp_path / "empty"
    shutil.copytree(folders["audio"], empty)
    (empty / "model.safetensors").unlink()
    for encoders, options, message in (
        ({}, {}, "needs an encoder for text, audio, vision; give --text_encoder, --audio_encoder"),
        (
            chosen(folders, audio="1"),
            {"modalities": ["audio", "text"]},
            "needs an encoder for text",
        ),
        (chosen(folders, audio="9"), {}, "wavlm: layers 9: the encoder has no layer 9; give layer"),
        (chosen(folders, audio="x"), {}, "is no layer and no range of them"),
        (chosen({"audio": empty}, audio="1"), {}, "has no weights"),
        (chosen({"vision": folders["text"]}, vision="1"), {}, "is no encoder of vision: bert"),
        (chosen({"text": folders["vision"]}, text="1"), {}, "is no text encoder"),
        (chosen(folders, audio="1"), {"recipe": "open-1"}, "open-1 reads no encoder for audio"),
        (chosen(folders, audio="1"), {"modalities": ["audoi"]}, "did you mean 'audio'?"),
    ):
        assert message in refusal_of("", extract, tmp_path, encoders, **options)
    kinds = {path.name for path in tmp_path.iterdir()}
    assert kinds == {"clips", "labels.csv", "empty"}


def test_layers_without_an_encoder_are_refused_and_the_best_ones_are_the_default():
    none = dict.fromkeys(BEST_LAYERS)
    with pytest.raises(DataError, match="audio_layers 3: of no encoder; give --audio_encoder"):
        encoder_choices(none, {**none, "audio": "3"})
    choices = encoder_choices({**none, "text": "bert"}, none)
    assert choices == {"text": EncoderChoice(encoder="bert", layers="20")}
