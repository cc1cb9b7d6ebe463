import csv
import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest

from deadpan.data.containers.files import file_sha256
from deadpan.data.store.reading import store_source
from deadpan.errors import DataError, DeadpanError
from deadpan.extraction.feature_cache import FeatureCache
from deadpan.extraction.media import AudioBlock
from deadpan.extraction.recipes import feature_recipes, words_recipe
from deadpan.extraction.utterances import Word
from deadpan.extraction.voice import VoiceMeter
from deadpan.extraction.word_vectors import GloveVectors
from deadpan.recordings.run import cache_folder, extract_dataset, failures_file

from ..refusals import refusal_of
from .sounds import labelled_clips, tone, write_wav

pytest.importorskip("av", reason="needs PyAV, of the extra video")
pytest.importorskip("swift_f0", reason="needs swift-f0, of the extra video")
RECIPES = feature_recipes("open-1")


def extract(tmp_path, out="out.safetensors", **options):
    options = {"components": tmp_path / "no components", "modalities": ["audio"]} | options
    return extract_dataset(tmp_path / "clips", tmp_path / "labels.csv", tmp_path / out, **options)


def clips_of(dataset):
    return {clip.id: clip for clip in itertools.chain.from_iterable(dataset.splits.values())}


def failures(tmp_path):
    with failures_file(tmp_path / "out.safetensors").open(newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


@pytest.fixture
def table(tmp_path):
    return labelled_clips(tmp_path / "clips")


def test_clips_have_what_was_measured_of_their_recordings(table, tmp_path):
    dataset = extract(tmp_path)
    assert {name: len(clips) for name, clips in dataset.splits.items()} == {
        "train": 2,
        "valid": 2,
        "test": 2,
    }
    assert (dataset.task, dataset.name, dataset.widths) == ("regression", "clips", {"audio": 25})
    assert dataset.recipes == {"audio": RECIPES["audio"]}
    assert dataset.layout == "recordings measured by open-1"
    clip = clips_of(dataset)["clip4"]
    assert (clip.label.tolist(), clip.group) == ([2.5], "valid0")
    meter = VoiceMeter()
    samples = (tone(190) * 32767).astype("<i2").astype("f4") / 32768
    meter.push(AudioBlock(time=0.0, samples=samples))
    assert np.array_equal(clip.sequences["audio"], meter.finish().values)
    assert clip.times["audio"].tolist() == [[k / 12.5, (k + 1) / 12.5] for k in range(6)]
    assert not failures_file(tmp_path / "out.safetensors").exists()
    assert dataset.warnings == ()


def test_words_of_transcripts_are_steps_of_text(component, tmp_path):
    table = labelled_clips(tmp_path / "clips", 3, text=True)
    table.write_text(table.read_text().replace("I don't like 2", "xqzzk wow"))
    components = component("glove-6b-50d").parent
    dataset = extract(tmp_path, components=components, modalities=["text", "audio"])
    assert dataset.widths == {"text": 51, "audio": 25}
    assert dataset.recipes == {name: RECIPES[name] for name in ("text", "audio")}
    assert dataset.unscaled == {"text": "word vectors"}
    assert "text has a step per word, audio 12.5 steps per second" in dataset.alignment
    assert dataset.repairs == {"text: words without a vector set to 0": 1}
    clip = clips_of(dataset)["clip0"]
    assert clip.words == ("i", "don't", "like", "0")
    assert clip.transcript == "I don't like 0"
    vectors = GloveVectors(components / "glove-6b-50d", clip.words)
    for word, step in zip(clip.words, clip.sequences["text"], strict=True):
        assert np.array_equal(step[:50], vectors[word])
        assert step[50] == 1
    assert (clips_of(dataset)["clip2"].sequences["text"][0, :50] == 0).all()


def test_own_vectors_are_the_words_of_a_recipe_that_takes_them(tmp_path):
    labelled_clips(tmp_path / "clips", 3, text=True)
    vectors = tmp_path / "tiny.txt"
    vectors.write_text("like 0.5 1 2\ndo -1 0 3\nn't 1 0 1\n")
    options = {"recipe": "glove-covarep-facet", "modalities": ["text", "audio"]}
    components = tmp_path / "components"
    dataset = extract(tmp_path, components=components, vectors=vectors, **options)
    assert dataset.widths == {"text": 3, "audio": 29}
    assert dataset.recipes["text"] == feature_recipes("glove-covarep-facet", vectors)["text"]
    steps = clips_of(dataset)["clip0"].sequences["text"].tolist()
    assert steps == [[0, 0, 0], [0, 0, 2], [0.5, 1, 2], [0, 0, 0]]  # i don't like 0
    assert dataset.repairs == {"text: words without a vector set to 0": 6}
    assert "tiny.txt" in str(store_source(tmp_path / "out.safetensors")["options"])
    with pytest.raises(DataError, match="the recipe open-1 has vectors of its own"):
        extract(tmp_path, "b", components=components, vectors=vectors)
    assert not (tmp_path / "b").exists()


def test_opensmiles_licence_is_said_where_it_is_chosen(table, tmp_path):
    licence = "openSMILE is for private, research and educational use"
    try:
        import opensmile  # noqa: F401
    except ImportError:
        with pytest.raises(DeadpanError, match=licence):
            extract(tmp_path, recipe="egemaps")
        return
    dataset = extract(tmp_path, recipe="egemaps")
    assert dataset.widths == {"audio": 25}
    assert licence in dataset.warnings[0]


def test_words_are_recognised_where_there_is_no_transcript(component, tmp_path):
    pytest.importorskip("faster_whisper", reason="needs faster-whisper, of the extra video")
    labelled_clips(tmp_path / "clips", 3)
    (tmp_path / "clips" / "clip1.wav").unlink()
    spoken = Path(__file__).parents[1] / "extraction" / "sense_and_sensibility.opus"
    shutil.copy(spoken, tmp_path / "clips" / "clip1.opus")
    for name in ("glove-6b-50d", "silero-vad"):
        component(name)
    components = component("whisper-base").parent
    dataset = extract(tmp_path, components=components, modalities=["text"])
    (clip,) = clips_of(dataset).values()  # a buzz has no word
    assert (clip.id, dataset.widths) == ("clip1", {"text": 51})
    assert len(clip.words) == len(clip.times["text"]) == len(clip.sequences["text"]) > 50
    assert clip.transcript == " ".join(clip.words)
    assert (np.diff(clip.times["text"]) >= 0).all()
    assert clip.sequences["text"][:, 50].max() <= 1
    assert (clip.sequences["text"][:, :50] != 0).any(axis=1).mean() > 0.9


HEARD = [
    Word(text=text, start=start, end=start + 0.1, probability=0.75)
    for text, start in {"I": 0.0, "don't": 0.1, "like": 0.2, "this.": 0.3}.items()
]


@pytest.fixture
def heard(component, tmp_path):
    """Six clips in all of which the same four words were recognised, and the components."""
    pytest.importorskip("faster_whisper", reason="needs faster-whisper, of the extra video")
    labelled_clips(tmp_path / "clips", 6, text=True)
    cache = FeatureCache(cache_folder(tmp_path / "out.safetensors"))
    for path in (tmp_path / "clips").iterdir():
        cache.save_words(file_sha256(path), words_recipe(), HEARD)
    return [component(x) for x in ("glove-6b-50d", "silero-vad", "whisper-base")][0].parent


def untold(tmp_path, *clips):
    """Take the transcripts of clips out of the table."""
    table = tmp_path / "labels.csv"
    for clip in clips:
        table.write_text(table.read_text().replace(f"I don't like {clip}", ""))


def test_words_of_files_beside_recordings_take_their_times_from_those_heard(heard, tmp_path):
    untold(tmp_path, 0, 1, 2, 3)
    folder = tmp_path / "clips"
    (folder / "clip0.srt").write_text("1\n00:00:00,000 --> 00:00:00,500\nI do like THIS\n")
    (folder / "clip1.txt").write_text("Quite another text, which nobody says.")
    (folder / "clip2.vtt").write_text("WEBVTT\n\n00:00:00.500 --> 00:00:00.100\nI like\n")
    clips = clips_of(extract(tmp_path, components=heard, modalities=["text"]))
    assert clips["clip0"].words == ("I", "do", "like", "THIS")
    assert clips["clip0"].transcript == "I do like THIS"
    starts = clips["clip0"].times["text"][:, 0]
    assert starts == pytest.approx([0, 0.1, 0.2, 0.3])
    # "do" stands where "don't" is heard: its probability is the share of words that are the same.
    assert clips["clip0"].sequences["text"][:, 50].tolist() == [1, 0.75, 1, 1]
    assert (clips["clip1"].words[0], clips["clip1"].times) == ("Quite", {})
    assert clips["clip2"].words == clips["clip3"].words == ("I", "don't", "like", "this.")
    assert clips["clip4"].words == ("i", "don't", "like", "4")  # the table's, as it was before
    assert clips["clip4"].times == {}
    table = failures(tmp_path)
    assert table.keys() == {"clip1", "clip2"}
    assert {row["left_out"] for row in table.values()} == {"no"}
    assert "only 0% are heard in the recording" in table["clip1"]["reason"]
    assert table["clip1"]["reason"].endswith("its words have no times")
    assert table["clip2"]["reason"].endswith("its words were recognised")


def test_words_of_the_table_take_times_where_that_is_wanted(heard, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text(table.read_text().replace("I don't like 1", "[nobody speaks]"))
    dataset = extract(tmp_path, components=heard, modalities=["text"], word_times=True)
    clip = clips_of(dataset)["clip4"]
    assert (clip.words, clip.transcript) == (("I", "don't", "like", "4"), "I don't like 4")
    assert clip.times["text"][:, 0] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert clip.sequences["text"][:, 50].tolist() == [1, 1, 1, 0.75]
    assert clips_of(dataset)["clip1"].times == {}
    source = store_source(tmp_path / "out.safetensors")
    assert (source["options"]["language"], source["options"]["word_times"]) == ("en", True)


def test_words_of_another_language_are_kept_apart(heard, tmp_path):
    untold(tmp_path, *range(6))
    cache = cache_folder(tmp_path / "out.safetensors")
    assert len(extract(tmp_path, components=heard, modalities=["text"])["train"]) == 2
    with pytest.raises(DataError, match="no recording could be measured.*no word"):
        # A buzz has no word, and what was heard in English is not taken.
        extract(tmp_path, "b", components=heard, modalities=["text"], language="de", cache=cache)
    spoken = Path(__file__).parents[1] / "extraction" / "sense_and_sensibility.opus"
    (tmp_path / "clips" / "clip0.wav").unlink()
    shutil.copy(spoken, tmp_path / "clips" / "clip0.opus")
    with pytest.raises(DeadpanError, match="unknown language 'eng'; did you mean 'en'"):
        extract(tmp_path, "c", components=heard, modalities=["text"], language="eng")
    assert not (tmp_path / "c").exists()


def test_transcripts_need_the_component_of_the_recipe(tmp_path):
    labelled_clips(tmp_path / "clips", 3, text=True)
    with pytest.raises(DataError, match=r"is not there; run: deadpan components fetch glove-6b"):
        extract(tmp_path, modalities=["text"])
    for file in RECIPES["text"].files:
        path = tmp_path / "no components" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"another")
    with pytest.raises(DataError, match=r"is not the file that deadpan was made with; remove it"):
        extract(tmp_path, modalities=["text"])


def test_all_components_that_are_missing_are_named(table, tmp_path):
    message = (
        "components fetch glove-6b-50d silero-vad whisper-base face-landmarker, or give the folder"
    )
    with pytest.raises(DataError, match=message):
        extract(tmp_path, modalities=[])


def test_recordings_that_fail_are_left_out_and_listed(table, tmp_path):
    clips = tmp_path / "clips"
    (clips / "clip1.wav").write_bytes(b"")
    (clips / "clip2.wav").unlink()
    write_wav(clips / "clip5.wav", [])
    dataset = extract(tmp_path)
    assert sorted(clips_of(dataset)) == ["clip0", "clip3", "clip4"]
    assert dataset.warnings == (
        "3 clips could not be measured (first: 'clip1'): they were left out",
    )
    rows = failures(tmp_path)
    assert {row["left_out"] for row in rows.values()} == {"yes"}
    assert rows["clip1"]["file"] == str(clips / "clip1.wav")
    assert "is empty (0 bytes)" in rows["clip1"]["reason"]
    assert rows["clip2"]["file"] == ""
    assert rows["clip2"]["reason"] == "no recording of this name in the folder"
    assert set(rows) == {"clip1", "clip2", "clip5"}


def test_a_recording_shorter_than_a_step_has_no_modality(table, tmp_path):
    write_wav(tmp_path / "clips" / "clip5.wav", tone(seconds=0.05))
    extract(tmp_path)
    assert failures(tmp_path)["clip5"]["reason"].startswith("has no modality: no face")


def test_a_table_of_failures_that_holds_no_more_is_removed(table, tmp_path):
    (tmp_path / "clips" / "clip1.wav").write_bytes(b"")
    extract(tmp_path)
    write_wav(tmp_path / "clips" / "clip1.wav", tone())
    (tmp_path / "out.safetensors").unlink()
    assert len(clips_of(extract(tmp_path))) == 6
    assert not failures_file(tmp_path / "out.safetensors").exists()


def test_the_store_is_the_same_whatever_was_measured_before_and_by_how_many(table, tmp_path):
    extract(tmp_path)
    content = (tmp_path / "out.safetensors").read_bytes()
    extract(tmp_path, "again.safetensors", workers=2)
    assert (tmp_path / "again.safetensors").read_bytes() == content
    cache = cache_folder(tmp_path / "out.safetensors")
    kept = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert len(kept) == 6  # five tones, of which one twice; and the tag
    next(cache.glob("*.safetensors")).unlink()
    extract(tmp_path, "third.safetensors", cache=cache)
    assert (tmp_path / "third.safetensors").read_bytes() == content
    changed = [path.name for path in cache.iterdir() if kept[path.name] != path.stat().st_mtime_ns]
    assert len(changed) == 1
    assert not cache_folder(tmp_path / "third.safetensors").exists()


def test_the_store_says_what_it_was_made_of(table, tmp_path):
    extract(tmp_path)
    source = store_source(tmp_path / "out.safetensors")
    assert source["name"] == "labels.csv"
    write_wav(tmp_path / "clips" / "clip0.wav", tone(200))
    extract(tmp_path, "other.safetensors")
    other = store_source(tmp_path / "other.safetensors")
    assert other["sha256"] == source["sha256"]
    assert other["recordings"] != source["recordings"]


def test_a_column_of_files_is_enough(tmp_path):
    labelled_clips(tmp_path / "clips", 3)
    rows = [f"clip{n}.wav,{n},{split}" for n, split in enumerate(("train", "valid", "test"))]
    (tmp_path / "labels.csv").write_text("\n".join(["File,label,split", *rows]))
    assert sorted(clips_of(extract(tmp_path))) == ["clip0.wav", "clip1.wav", "clip2.wav"]
    ids = [f"{row},row{n}" for n, row in enumerate(rows)]
    (tmp_path / "labels.csv").write_text("\n".join(["File,label,split,id", *ids]))
    assert sorted(clips_of(extract(tmp_path, "b"))) == ["row0", "row1", "row2"]


def test_recordings_without_labels_are_for_prediction(tmp_path):
    labelled_clips(tmp_path / "clips", 3)
    (tmp_path / "labels.csv").write_text("id\nclip2\nclip0")
    dataset = extract(tmp_path)
    assert dataset.unsplit
    assert list(clips_of(dataset)) == ["clip2", "clip0"]


def test_what_does_not_fit_is_refused_before_anything_is_measured(table, tmp_path):
    folder = tmp_path / "clips"
    for options, message in (
        ({"recipe": "open-9"}, "unknown recipe 'open-9'; did you mean 'open-1'?"),
        ({"modalities": ["audoi"]}, "unknown modality of open-1 'audoi'; did you mean 'audio'?"),
        ({"labl": "x"}, "unknown option of a table of recordings 'labl'; did you mean 'label'?"),
        ({"out": "clips/out"}, f"{folder / 'out'}: is inside {folder}, of which it would become"),
        ({"label": "x"}, f"{table}: unknown column 'x'"),
    ):
        assert message in refusal_of("", extract, tmp_path, **options)
    (tmp_path / "out.safetensors").touch()
    assert "exists already" in refusal_of("", extract, tmp_path)
    assert "no such table" in refusal_of(
        "none.csv", extract_dataset, folder, "none.csv", tmp_path / "b", components=tmp_path
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "clips",
        "labels.csv",
        "out.safetensors",
    ]


def test_no_store_is_written_where_no_recording_can_be_measured(table, tmp_path):
    for path in (tmp_path / "clips").iterdir():
        path.write_bytes(b"")
    message = r"clips: no recording could be measured \(first: 'clip0': .*is empty"
    with pytest.raises(DataError, match=message):
        extract(tmp_path)
    assert len(failures(tmp_path)) == 6
    assert not (tmp_path / "out.safetensors").exists()
