import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from deadpan.data import load
from deadpan.data.dataset import Clip, Dataset
from deadpan.data.recipe import EncodingOptions
from deadpan.data.store.writing import write_store
from deadpan.encoding import batches
from deadpan.encoding.run import encode_dataset, part_file
from deadpan.errors import DataError, DeadpanError
from deadpan.locks import beside

from ..held import held_elsewhere
from .test_batches import Log
from .tiny_encoders import save_encoder

ROWS = ("a,so good,1.5,train", "b,Bad movie!,-1,valid", "c,not sogood,0,test", "d, ,2,train")
LAYERS = EncodingOptions(layers="1-2")


@pytest.fixture
def table(tmp_path):
    """Three clips with a transcript, and one without."""
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "label.csv"
    path.write_text("\n".join(["id,text,label,split", *ROWS]))
    return path


def clips_of(dataset):
    return {clip.id: clip for clips in dataset.splits.values() for clip in clips}


def encode(table, bert, out="out.safetensors", options=LAYERS, **more):
    return encode_dataset(table, table.parents[1] / out, str(bert), options, **more)


def test_a_table_of_transcripts_becomes_a_store(table, bert, opened):
    dataset = encode(table, bert)
    clips = clips_of(dataset)
    assert {name: len(split) for name, split in dataset.splits.items()} == {
        "train": 2,
        "valid": 1,
        "test": 1,
    }
    assert dataset.widths == {"text": 8}
    assert clips["b"].words == ("Bad", "movie!")
    assert clips["b"].transcript == "Bad movie!"
    states = opened.hidden_states([opened.tokens("Bad movie!").ids], [1, 2])
    mean = ((states[1] + states[2])[0] / 2).numpy()
    wanted = np.stack([mean[1], mean[2:4].mean(0)]).astype(np.float16)
    np.testing.assert_array_equal(clips["b"].sequences["text"], wanted.astype(np.float32))
    assert clips["d"].sequences == {}
    assert dataset.warnings == (
        "text: 1 clip without a word in the transcript (first: 'd') lack it",
    )
    recipe = dataset.recipes["text"]
    assert (recipe.layers, recipe.blocks, recipe.name) == ("1-2", 1, "tiny")
    assert set(recipe.versions) == {"torch", "transformers", "tokenizers"}
    assert sorted(path.name for path in table.parents[1].iterdir()) == ["data", "out.safetensors"]


def test_a_store_says_that_its_tokenizer_may_be_anothers(table, tmp_path):
    lacking, said = encode(table, save_encoder(tmp_path / "other", vocab_size=200)).warnings
    assert said.startswith("text: the tokenizer of other has ")
    store = tmp_path / "out.safetensors"
    assert load(store).warnings == (lacking, said)
    # What was said of this encoder does not hold of the next.
    own = encode_dataset(store, tmp_path / "again", str(save_encoder(tmp_path / "own")), LAYERS)
    assert own.warnings == (lacking,)


def test_features_beside_the_table_are_kept_and_a_second_encoder_is_added(table, bert, gpt2):
    for clip in "abc":
        (table.parent / "audio").mkdir(exist_ok=True)
        np.save(table.parent / "audio" / f"{clip}.npy", np.ones((4, 2), np.float32))
    first = encode(table, bert)
    prompt = EncodingOptions(layers="3", states="last", template="{text}?", precision="single")
    store = table.parents[1] / "out.safetensors"
    both = encode_dataset(
        store, table.parents[1] / "both.safetensors", str(gpt2), prompt, modality="prompt"
    )
    assert both.widths == {"text": 8, "audio": 2, "prompt": 8}
    assert list(both.recipes) == ["text", "prompt"]
    for name, clip in clips_of(first).items():
        other = clips_of(both)[name]
        assert (other.words, other.transcript) == (clip.words, clip.transcript)
        for modality, steps in clip.sequences.items():
            np.testing.assert_array_equal(other.sequences[modality], steps)
    assert clips_of(both)["a"].sequences["prompt"].shape == (1, 8)
    assert both.recipes["text"] == first.recipes["text"]
    assert both.unscaled == dict.fromkeys(["text", "prompt"], "states of an encoder")


def test_the_same_data_give_the_same_bytes_interrupted_or_not(table, bert, monkeypatch):
    monkeypatch.setattr(batches, "TOKENS_AT_ONCE", 4)
    encode(table, bert)
    with pytest.raises(KeyboardInterrupt):
        encode(table, bert, "again.safetensors", watch=Log(stop=2))
    again = table.parents[1] / "again.safetensors"
    assert part_file(again).is_file()
    assert not again.exists()
    log = Log()
    encode(table, bert, "again.safetensors", watch=log)
    assert log.began[1] > 0
    assert again.read_bytes() == (table.parents[1] / "out.safetensors").read_bytes()
    assert not part_file(again).exists()


def test_a_text_that_is_encoded_again_loses_what_was_said_of_it(table, bert):
    data = encode(table, bert)
    long = dataclasses.replace(clips_of(data)["a"], transcript="good bad " * 10)
    data = dataclasses.replace(data, splits={"train": [long]}, repairs={"text: NaN": 1, "b: x": 2})
    store = table.parents[1] / "long.safetensors"
    write_store(data, store, source={})
    once = encode_dataset(store, table.parents[1] / "once", str(bert), LAYERS)
    assert once.repairs == {"b: x": 2}
    assert once.warnings == (
        "text: 1 transcript (first: 'a') longer than tiny reads: split between words, or in a word "
        "too long by itself, into 2 pieces, which were encoded by themselves and joined",
    )
    assert clips_of(once)["a"].sequences["text"].shape == (20, 8)
    twice = encode_dataset(table.parents[1] / "once", table.parents[1] / "twice", str(bert), LAYERS)
    assert twice.warnings == once.warnings


def test_times_and_truth_stay_where_the_steps_do(tmp_path, bert):
    options = {"clips": 10, "text_width": 4, "audio_width": 4, "vision_width": 4}
    before = clips_of(load("controlled", **options))
    for states, same in (("word", True), ("token", False)):
        how = EncodingOptions(layers="1", states=states)
        after = encode_dataset("controlled", tmp_path / states, str(bert), how, **options)
        for name, clip in clips_of(after).items():
            assert clip.words == (before[name].words if same else ())
            assert ("text" in clip.times, "text" in clip.truth.salient) == (same, same)
            assert "audio" in clip.times
    assert not after.alignment


def test_an_encoder_that_is_not_that_of_the_recipe_is_refused(table, bert, tmp_path):
    recipe = encode(table, bert).recipes["text"]
    copy = shutil.copytree(bert, tmp_path / "copy")
    again = encode(table, copy, "again.safetensors", recipe)
    assert again.recipes["text"].difference(recipe) == ""
    other = save_encoder(tmp_path / "other", seed=1)
    with pytest.raises(DataError, match=r"the recipe is of another \(encoder other \(.*, not tiny"):
        encode(table, other, "third.safetensors", recipe)
    assert not part_file(tmp_path / "third.safetensors").exists()


def test_data_without_transcripts_are_refused(table, bert):
    table.write_text("id,label,split\na,1,train")
    (table.parent / "audio").mkdir()
    np.save(table.parent / "audio" / "a.npy", np.ones((4, 2)))
    with pytest.raises(DataError, match=r"no clip has a transcript; .*--data_options.text NAME"):
        encode(table, bert)


def test_what_cannot_be_written_is_refused_before_anything_is_encoded(table, bert):
    (table.parents[1] / "there").touch()
    with pytest.raises(DataError, match="exists already"):
        encode(table, bert, "there")
    with pytest.raises(DataError, match="modality 'a b': a name has letters"):
        encode(table, bert, modality="a b")
    for name in ("values", "keys", "training"):
        with pytest.raises(DataError, match=f"modality '{name}': no model takes one of this name"):
            encode(table, bert, modality=name)
    with pytest.raises(DataError, match="a store holds the whole data set"):
        encode(table, bert, leave_out="a")
    with pytest.raises(DataError, match="no layer 9"):
        encode(table, bert, "layers", EncodingOptions(layers="9"))
    busy = table.parents[1] / "busy"
    with held_elsewhere(beside(busy)), pytest.raises(DeadpanError, match="busy: another 'deadpan'"):
        encode(table, bert, "busy")
    assert sorted(path.name for path in table.parents[1].iterdir()) == ["data", "there"]


def killed_before_the_part_file_is_removed(monkeypatch, table, bert, out, **more):
    part, unlink = part_file(table.parents[1] / out), Path.unlink

    def stop(path, **options):
        if path == part:
            raise KeyboardInterrupt
        unlink(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", stop)
        with pytest.raises(KeyboardInterrupt):
            encode(table, bert, out, **more)
    assert part.is_file()
    return part


def test_an_encoding_that_was_killed_before_it_cleaned_up_is_finished(table, bert, monkeypatch):
    part = killed_before_the_part_file_is_removed(monkeypatch, table, bert, "out")
    content = (table.parents[1] / "out").read_bytes()
    assert clips_of(encode(table, bert, "out"))["b"].words == ("Bad", "movie!")
    assert (table.parents[1] / "out").read_bytes() == content
    assert not part.exists()
    with pytest.raises(DataError, match="exists already"):
        encode(table, bert, "out")


def test_a_file_that_another_command_wrote_there_stays_and_so_does_the_part_file(
    table, bert, monkeypatch
):
    part = killed_before_the_part_file_is_removed(monkeypatch, table, bert, "out")
    out = table.parents[1] / "out"
    with pytest.raises(DataError, match="exists already"):
        encode(table, bert, "out", EncodingOptions(layers="1"))
    with pytest.raises(DataError, match="exists already"):
        encode(table, bert, "out", modality="other")
    table.write_text(table.read_text() + "\ne,good,1,train")
    with pytest.raises(DataError, match="exists already"):
        encode(table, bert, "out")
    out.write_bytes(b"no store")
    with pytest.raises(DataError, match="exists already"):
        encode(table, bert, "out")
    assert part.is_file()


def test_a_store_does_not_depend_on_where_the_encoder_lies(table, bert, tmp_path, monkeypatch):
    elsewhere = shutil.copytree(bert, tmp_path / "elsewhere" / bert.name)
    assert encode(table, bert, "one").recipes["text"].encoder == bert.name
    encode(table, elsewhere, "two")
    monkeypatch.chdir(elsewhere)
    encode(table, ".", "three")
    one, *others = ((table.parents[1] / name).read_bytes() for name in ("one", "two", "three"))
    assert others == [one, one]


def toy(tmp_path, clips, alignment=""):
    """The path of a store of clips of text and audio."""
    dataset = Dataset(
        name="toy",
        task="regression",
        labels=("sentiment",),
        widths={"text": 3, "audio": 1},
        splits={"train": clips},
        alignment=alignment,
    )
    write_store(dataset, tmp_path / "store", source={})
    return tmp_path / "store"


def toy_clip(name, steps, **fields):
    sequences = {"text": np.ones((steps, 3), np.float32), "audio": np.ones((2, 1), np.float32)}
    times = {m: np.zeros((len(x), 2)) for m, x in sequences.items()}
    label = np.float32([1])
    return Clip(id=name, sequences=sequences, label=label, **{"times": times, **fields})


def test_times_of_other_steps_than_those_encoded_are_dropped(tmp_path, bert):
    clips = [
        toy_clip("unknown", 2, transcript="so good"),  # its steps need not be its words
        toy_clip("empty", 2, transcript=" "),
        toy_clip("same", 2, transcript="so good", words=("so", "good")),
        toy_clip("more", 3, transcript="so good", words=("so", "good")),
    ]
    source = toy(tmp_path, clips)
    for modality, states, timed in (
        ("text", "word", {"same"}),
        ("text", "token", set()),
        ("audio", "word", set()),  # words are the steps of text
    ):
        how = EncodingOptions(layers="1", states=states)
        out = tmp_path / f"{modality}{states}"
        clips = clips_of(encode_dataset(source, out, str(bert), how, modality=modality))
        assert {name for name, clip in clips.items() if modality in clip.times} == timed
        assert all("audio" in c.times or modality == "audio" for c in clips.values())


def test_words_without_a_transcript_become_one_before_a_step_is_no_word(tmp_path, bert):
    source = toy(tmp_path, [toy_clip("a", 2, words=("so", "good"))])
    tokens = EncodingOptions(layers="1", states="token")
    (clip,) = clips_of(encode_dataset(source, tmp_path / "out", str(bert), tokens)).values()
    assert (clip.words, clip.transcript) == ((), "so good")


@pytest.mark.parametrize("transcript", ["", " \n"])
def test_a_clip_without_a_transcript_does_not_decide_on_alignment(transcript, tmp_path, bert):
    clips = [
        toy_clip("a", 2, words=("so", "good")),
        dataclasses.replace(toy_clip("b", 2), transcript=transcript),
    ]
    source = toy(tmp_path, clips, alignment="steps are aligned: one for each word")
    encoded = encode_dataset(source, tmp_path / "out", str(bert), LAYERS)
    assert encoded.alignment == "steps are aligned: one for each word"


@pytest.mark.parametrize(
    ("states", "alignment"),
    [
        ("word", "steps are aligned: one for each word"),
        ("token", "steps are not aligned: those of text were encoded by themselves"),
    ],
)
def test_data_stay_aligned_where_the_steps_are_as_many(states, alignment, tmp_path, bert):
    clip = toy_clip("a", 2, words=("so", "sogood"))
    source = toy(tmp_path, [clip], alignment="steps are aligned: one for each word")
    how = EncodingOptions(layers="1", states=states)
    encoded = encode_dataset(source, tmp_path / "out", str(bert), how)
    assert encoded.alignment == alignment


TALK = ("a,so good,1.5,train,v", "b,Bad movie!,-1,train,v", "c,not so,0,valid,w", "d,bad,2,test,x")


def test_clips_are_encoded_behind_those_before_them_in_their_group(table, bert, opened):
    table.write_text("\n".join(["id,text,label,split,group", *TALK]))
    how = EncodingOptions(layers="1-2", context=3, precision="single")
    dataset = encode(table, bert, options=how)
    clips = clips_of(dataset)
    states = opened.hidden_states([opened.tokens("so good Bad movie!").ids], [1, 2])
    mean = ((states[1] + states[2])[0] / 2).numpy()
    wanted = np.stack([mean[3], mean[4:6].mean(0)])  # behind a special token and two words
    np.testing.assert_allclose(clips["b"].sequences["text"], wanted, rtol=1e-5, atol=1e-6)
    assert clips["b"].words == ("Bad", "movie!")
    assert clips["b"].transcript == "Bad movie!"
    assert dataset.recipes["text"].context == 3
    assert dataset.warnings == ()
    # A store keeps transcripts and groups, so that it is encoded with the same context.
    store = table.parents[1] / "out.safetensors"
    again = encode_dataset(store, table.parents[1] / "again", str(bert), dataset.recipes["text"])
    for name, clip in clips_of(again).items():
        np.testing.assert_array_equal(clip.sequences["text"], clips[name].sequences["text"])
    plain = encode_dataset(store, table.parents[1] / "plain", str(bert), LAYERS)
    assert plain.recipes["text"].difference(dataset.recipes["text"]) == "context 0, not 3"


def test_a_clip_without_another_of_its_group_before_it_is_encoded_alone(table, bert):
    plain = encode(table, bert)
    dataset = encode(table, bert, "context", dataclasses.replace(LAYERS, context=2))
    for name, clip in clips_of(dataset).items():
        for modality, steps in clip.sequences.items():
            np.testing.assert_array_equal(steps, clips_of(plain)[name].sequences[modality])
    lacking, alone = dataset.warnings
    assert lacking == plain.warnings[0]
    assert alone.startswith("text: no clip has context")
    again = encode_dataset(
        table.parents[1] / "context", table.parents[1] / "again", str(bert), LAYERS
    )
    assert again.warnings == plain.warnings
