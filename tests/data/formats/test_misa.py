import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deadpan
from deadpan.data.containers.unpickling import read_pickle
from deadpan.data.formats.misa import (
    looks_like_misa,
    looks_like_misa_folder,
    misa_clips,
    misa_dataset,
    misa_files,
    misa_folder_dataset,
    misa_splits,
)
from deadpan.errors import DataError

from ...refusals import refusal_of


def clip_entry(count=2, *, label=1.5, segment="video[3]", **changes):
    """A clip of this many words as MISA writes it; None leaves the words themselves out."""
    features = {
        "words": np.arange(count),
        "visual": np.ones((count, 3)),
        "acoustic": np.full((count, 2), 2.0),
        "actual": [f"word{index}" for index in range(count)],
    }
    values = tuple(value for value in {**features, **changes}.values() if value is not None)
    return values, label, segment


def read_clips(folder, content):
    path = folder / "file.pkl"
    path.write_bytes(pickle.dumps(content))
    return misa_clips(path, misa_splits(path, read_pickle(path)))


def clips_refusal(folder, content):
    return refusal_of(f"{folder / 'file.pkl'}: ", read_clips, folder, content)


def test_the_format_of_misa(tmp_path):
    label = np.array([[1.5]], np.float32)
    raw = read_clips(
        tmp_path,
        {"train": [clip_entry(label=label), clip_entry(3)], "dev": [], "test": [clip_entry(1)]},
    )
    assert raw.widths == {"vision": 3, "audio": 2}
    assert [clip.split for clip in raw.clips] == ["train", "train", "test"]
    clip = raw.clips[0]
    assert (clip.name, clip.words) == (("video[3]",), ("word0", "word1"))
    assert clip.label.tolist() == [[1.5]]
    np.testing.assert_array_equal(clip.sequences["vision"], np.ones((2, 3)))
    np.testing.assert_array_equal(clip.sequences["audio"], np.full((2, 2), 2.0))
    assert (raw.padding, raw.ignored) == ({}, ())


def test_one_list_has_no_splits(tmp_path):
    assert [clip.split for clip in read_clips(tmp_path, [clip_entry(), clip_entry()]).clips] == [
        None,
        None,
    ]


WORDS = np.empty((2, 1), dtype=object)
WORDS[:, 0] = [b"so", b"what"]
VECTORS = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("changes", "words", "text"),
    [
        ({}, ("word0", "word1"), None),
        ({"actual": None}, (), None),  # numbers of a vocabulary
        ({"words": [7, np.int64(8)], "actual": None}, (), None),
        ({"words": np.array([[7], [8]]), "actual": None}, (), None),
        ({"words": ["So", b"caf\xc3\xa9"], "actual": None}, ("So", "caf\xe9"), None),
        ({"words": np.array(["so", "what"]), "actual": None}, ("so", "what"), None),
        ({"words": WORDS, "actual": None}, ("so", "what"), None),
        ({"words": " so  what", "actual": None}, ("so", "what"), None),
        ({"actual": "so what"}, ("so", "what"), None),
        ({"words": VECTORS}, ("word0", "word1"), VECTORS),
        ({"words": VECTORS, "actual": None}, (), VECTORS),
    ],
)
def test_words_of_every_form(changes, words, text, tmp_path):
    clip = read_clips(tmp_path, [clip_entry(**changes)]).clips[0]
    assert clip.words == words
    assert ("text" in clip.sequences) == (text is not None)
    if text is not None:
        np.testing.assert_array_equal(clip.sequences["text"], text)


@pytest.mark.parametrize(
    ("label", "wanted"),
    [
        (np.array([[1.5]]), [[1.5]]),
        (np.array([1.5]), [1.5]),
        (np.float32(1.5), [1.5]),
        (-2, [-2]),
        ([1.5], [1.5]),
        ([[1.5]], [1.5]),
        (10**400, [np.inf]),
        (np.ones((1, 7)), [[1] * 7]),
        (np.nan, [np.nan]),
    ],
)
def test_labels_of_every_form(label, wanted, tmp_path):
    np.testing.assert_array_equal(
        read_clips(tmp_path, [clip_entry(label=label)]).clips[0].label, wanted
    )


def test_a_clip_without_words_lacks_everything(tmp_path):
    empty = clip_entry(
        words=np.asarray([]), visual=np.asarray([]), acoustic=np.ones((0, 2)), actual=[]
    )
    raw = read_clips(tmp_path, [empty, clip_entry()])
    assert raw.clips[0].sequences == {}
    assert raw.widths == {"vision": 3, "audio": 2}


@st.composite
def corpora(draw):
    """Splits of clips in a form, and what is to come of them: name, label, words, sequences."""
    seed = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    form = draw(st.sampled_from(["numbers", "texts", "vectors", "both"]))
    content, wanted = {}, []
    for split in ("train", "dev", "test"):
        content[split] = []
        for index in range(draw(st.integers(1, 3))):
            count = draw(st.integers(1, 5))
            vision = seed.standard_normal((count, 3))
            audio = seed.standard_normal((count, 2)).astype(np.float32)
            numbers, text = seed.integers(0, 99, count), seed.standard_normal((count, 4))
            texts = draw(st.lists(st.text("abc'", min_size=1), min_size=count, max_size=count))
            words = {"numbers": numbers, "texts": texts, "vectors": text, "both": numbers}[form]
            features = (words, vision, audio) + ((texts,) if form == "both" else ())
            label = np.float32(seed.uniform(-3, 3))
            segment = f"{split}[{index}]"
            content[split].append((features, np.array([[label]]), segment))
            sequences = {"vision": vision, "audio": audio}
            sequences |= {"text": text} if form == "vectors" else {}
            wanted.append((segment, label, texts if form in ("texts", "both") else [], sequences))
    return content, wanted


@settings(max_examples=40)
@given(
    corpus=corpora(), shape=st.sampled_from(["dict", "list", "folder"]), protocol=st.integers(2, 5)
)
def test_clips_come_back(corpus, shape, protocol, tmp_path_factory):
    content, wanted = corpus
    path = tmp_path_factory.getbasetemp() / "misa"
    path.mkdir(exist_ok=True)
    if shape == "folder":
        for split, entries in content.items():
            (path / f"{split}.pkl").write_bytes(pickle.dumps(entries, protocol=protocol))
        assert looks_like_misa_folder(path)
        splits = {split: read_pickle(file) for split, file in misa_files(path).items()}
    else:
        whole = (
            content if shape == "dict" else [clip for clips in content.values() for clip in clips]
        )
        (path / "file.pkl").write_bytes(pickle.dumps(whole, protocol=protocol))
        value = read_pickle(path / "file.pkl")
        assert looks_like_misa(value)
        splits = misa_splits(path, value)
    clips = misa_clips(path, splits).clips
    assert len(clips) == len(wanted)
    for clip, (segment, label, words, sequences) in zip(clips, wanted, strict=True):
        assert clip.name == (segment,)
        told = {"train": "train", "dev": "valid", "test": "test"}[segment.partition("[")[0]]
        assert clip.split == (None if shape == "list" else told)
        assert clip.label.item() == label
        assert list(clip.words) == words
        assert clip.sequences.keys() == sequences.keys()
        for name, sequence in sequences.items():
            np.testing.assert_array_equal(clip.sequences[name], sequence)


LOOP: list = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("clip", "wanted"),
    [
        (
            clip_entry(visual=np.ones((3, 3))),
            "has 3 steps of 'visual' for 2 words; wanted one for each",
        ),
        (clip_entry(acoustic=np.ones((1, 2))), "has 1 steps of 'acoustic' for 2 words"),
        (clip_entry(actual=["one"]), "has 1 words for 2 words"),
        (clip_entry(visual=np.ones((0, 3))), "has 0 steps of 'visual' for 2 words"),
        (clip_entry(visual=np.ones(2)), "'visual' has shape (2,); wanted [word, width]"),
        (clip_entry(visual=np.ones((2, 0))), "'visual' has shape (2, 0)"),
        (clip_entry(visual=np.ones((10**12, 0))), "'visual' has shape (1000000000000, 0)"),
        (clip_entry(visual=np.ones((2, 4))), "vision has width 4; wanted 3 as before"),
        (clip_entry(visual=[[1, 2, 3], [1]]), "'visual' has lists of different lengths"),
        (clip_entry(acoustic=np.array([["a"], ["b"]])), "'acoustic' is an array of str"),
        (clip_entry(acoustic=np.array(1.0)), "'acoustic' has shape ()"),
        (clip_entry(words=3), "words are a int"),
        (clip_entry(words=np.array(3)), "words are an array of int64 ()"),
        (clip_entry(words=np.ones((2, 2, 2))), "words are an array of float64 (2, 2, 2)"),
        (
            clip_entry(words=np.ones((10**12, 0))),
            "words are an array of float64 (1000000000000, 0)",
        ),
        (clip_entry(words=[1.5, 2.5]), "words hold a float"),
        (clip_entry(words=[True, False]), "words hold a bool"),
        (clip_entry(words=["a", None]), "words hold a str"),
        (
            clip_entry(actual=None),
            "words are numbers of a vocabulary; wanted texts, as in the clips",
        ),
        (clip_entry(actual=[1, 2]), "the fourth feature holds numbers of a vocabulary"),
        (clip_entry(label="x"), "'label' holds a str"),
        (clip_entry(label=np.array(["x"])), "'label' is an array of str"),
        (clip_entry(segment=None), "an id is a NoneType"),
        (clip_entry(segment=["a", ["b", "c"]]), "an id is a list"),
        (((1, 2), 3, "v"), "is no such clip; wanted ((words, visual, acoustic), label, segment)"),
        ((clip_entry()[0], 1.0), "is no such clip"),
        (7, "is no such clip"),
        (None, "is no such clip"),
    ],
)
def test_what_does_not_fit_is_named(clip, wanted, tmp_path):
    text = clips_refusal(tmp_path, {"test": [clip_entry(), clip]})
    assert "split 'test': clip 1" in text
    assert wanted in text


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (
            {"train": [clip_entry()], "dve": [clip_entry()]},
            "unknown split 'dve'; did you mean 'dev'?",
        ),
        ({"dev": [clip_entry()], "Valid": [clip_entry()]}, "has two splits 'valid'"),
        ({"train": [clip_entry()], "test": 5}, "split 'test': is a int; wanted a list of ((words,"),
        ([clip_entry(), clip_entry(visual=np.ones((3, 3)))], "clip 1 ('video[3]'): has 3 steps"),
        ("abc", "is a str; wanted a list"),
        ({}, "is a dict; wanted a list"),
    ],
)
def test_splits_that_do_not_fit_are_named(content, wanted, tmp_path):
    assert wanted in clips_refusal(tmp_path, content)


def test_the_format_is_recognised_by_its_first_clips():
    for content in ([clip_entry()], {"train": [clip_entry()], "dev": []}, (list(clip_entry()), 3)):
        assert looks_like_misa(content)
    for content in (
        *([], {}, {"train": []}, {"train": {}}, 3, None, [3], [(1, 2, 3)], LOOP),
        *(
            [((1, 2), 3, 4)],
            {"train": [clip_entry()], "dev": [3]},
            {"train": [clip_entry()], "dev": 3},
        ),
    ):
        assert not looks_like_misa(content)


def test_a_folder_needs_a_pickle_for_each_split(tmp_path):
    folder = tmp_path / "misa"
    assert not looks_like_misa_folder(folder)
    folder.mkdir()
    for name in ("train", "valid", "test"):
        assert not looks_like_misa_folder(folder)
        (folder / f"{name}.pkl").write_bytes(pickle.dumps([clip_entry()]))
    assert looks_like_misa_folder(folder)
    assert misa_files(folder)["valid"] == folder / "valid.pkl"
    (folder / "dev.pkl").write_bytes(pickle.dumps([clip_entry()]))
    with pytest.raises(DataError, match=r"has both dev\.pkl and valid\.pkl; wanted one file for"):
        misa_files(folder)
    (folder / "dev.pkl").unlink()
    (folder / "valid.pkl").unlink()
    with pytest.raises(DataError, match=r"has neither of dev\.pkl and valid\.pkl"):
        misa_files(folder)
    (folder / "train.pkl").write_text("{}")
    assert not looks_like_misa_folder(folder)
    (folder / "train.pkl").unlink()
    with pytest.raises(DataError, match=r"has no train\.pkl; wanted one file for split 'train'"):
        misa_files(folder)


values = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.floats()),
        *(st.text(max_size=3), st.binary(max_size=3), st.just(np.float32(2)), st.just(LOOP)),
        st.sampled_from([np.ones(2), np.ones((2, 3)), np.zeros((2, 0)), np.array("a"), WORDS]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner, inner),
        st.dictionaries(st.sampled_from(["train", "dev"]), inner),
    ),
    max_leaves=5,
)


@given(value=values, place=st.integers(0, 6))
def test_any_value_anywhere_is_read_or_refused_in_one_line(value, place, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "file.pkl"
    clip = clip_entry()
    features = [*clip[0]]
    if place < 4:
        features[place] = value
    label, segment = (value if place == at else clip[at - 3] for at in (4, 5))
    content = [clip_entry(), (features, label, segment)]
    content = value if place == 6 else content
    assert looks_like_misa(content) or place == 6
    try:
        misa_clips(path, misa_splits(path, content))
    except DataError as error:
        assert str(error).startswith(str(path))
        assert len(str(error).splitlines()) == 1


def entry(texts, label=1.0, segment="a[0]", **changes):
    count = len(texts)
    features = {
        "words": np.arange(count),
        "visual": np.ones((count, 3)),
        "acoustic": np.ones((count, 2)),
        "actual": list(texts),
    }
    values = tuple(value for value in {**features, **changes}.values() if value is not None)
    return values, label, segment


@pytest.fixture
def splits():
    """Three splits of short clips, one of them without words."""
    return {
        "train": [entry(["So", "well"], segment="a[0]"), entry([], segment=b"a[1]")],
        "dev": [entry(["what"], [[-3.0]], segment="b[0]")],
        "test": [entry(["well", "what"], np.array([[0.5]]), segment="c[12]")],
    }


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("so 1.0 2.0\nwhat 3.0 4.0\n")
    return path


def load(folder, content, **options):
    path = folder / "mosi.pkl"
    path.write_bytes(pickle.dumps(content))
    return misa_dataset(path, read_pickle(path), **options)


def refusal(folder, content, **options):
    with pytest.raises(DataError) as caught:
        load(folder, content, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_words_become_text_by_way_of_vectors(splits, vectors, tmp_path):
    dataset = load(tmp_path, splits, vectors=vectors)
    assert (dataset.name, dataset.task, dataset.labels) == ("mosi", "regression", ("sentiment",))
    assert list(dataset.widths.items()) == [("text", 2), ("audio", 2), ("vision", 3)]
    assert dataset.warnings == ()
    assert dataset.repairs == {"text: words without a vector set to 0": 2}
    clip = dataset["train"][0]
    assert (clip.id, clip.group, clip.words) == ("a_0", "a", ("So", "well"))
    assert clip.sequences["text"].tolist() == [[1, 2], [0, 0]]
    assert clip.sequences["vision"].shape == (2, 3)
    assert (dataset["train"][1].id, dataset["train"][1].sequences) == ("a_1", {})
    assert [clip.label.tolist() for clip in dataset["valid"]] == [[-3]]
    assert dataset["test"][0].id == "c_12"


def test_without_vectors_text_is_left_out_and_the_option_named(splits, tmp_path):
    dataset = load(tmp_path, splits)
    assert list(dataset.widths) == ["audio", "vision"]
    assert all(clip.words == () for clip in dataset["train"])
    assert dataset.warnings == (
        "text was left out, the file has words and no vectors: give --data_options.vectors FILE",
    )


def test_numbers_of_a_vocabulary_cannot_become_text(vectors, tmp_path):
    content = [entry(["so"], segment=f"{video}[0]", actual=None) for video in "abcdef"]
    told = "text was left out: its words are numbers of a vocabulary that is not in the file"
    assert told in load(tmp_path, content).warnings
    text = refusal(tmp_path, content, vectors=vectors)
    assert "vectors of words are of no use; leave out the option vectors" in text


def test_vectors_in_the_file_are_its_text(vectors, tmp_path):
    content = {"train": [entry(["so"], words=np.array([[5.0, 6.0, 7.0]]))]}
    dataset = load(tmp_path, content)
    assert dataset["train"][0].sequences["text"].tolist() == [[5, 6, 7]]
    assert dataset["train"][0].words == ("so",)
    assert dataset.warnings == ()
    assert "holds vectors of the words itself" in refusal(tmp_path, content, vectors=vectors)


def test_one_list_is_split_by_video(tmp_path):
    content = [entry(["so"], segment=f"video{n}[{m}]") for n in range(10) for m in range(2)]
    dataset = load(tmp_path, content)
    assert {name: len(clips) for name, clips in dataset.splits.items()} == {
        "train": 12,
        "valid": 4,
        "test": 4,
    }
    assert any("the file has no splits" in text for text in dataset.warnings)


def test_the_first_of_seven_labels_is_the_sentiment(tmp_path):
    label = np.array([[-1.5, 1, 0, 0, 2, 0, 0]], np.float32)
    dataset = load(tmp_path, {"train": [entry(["so"], label)]})
    assert dataset["train"][0].label.tolist() == [-1.5]
    assert any("seven numbers" in text for text in dataset.warnings)


@pytest.mark.parametrize(
    ("label", "wanted"),
    [
        (np.ones((1, 0)), "the label of a clip has shape (0,) in train, (1,) in train"),
        (np.inf, "1 labels are unusable (first: a_0); wanted finite numbers"),
        (np.nan, "1 labels are NaN (first: a_0)"),
    ],
)
def test_labels_that_cannot_be_used_are_named(label, wanted, tmp_path):
    assert wanted in refusal(tmp_path, {"train": [entry(["so"], 1.0), entry(["so"], label)]})


@pytest.mark.parametrize("label", [None, np.nan, np.full((1, 1), np.nan, np.float32)])
def test_clips_without_labels_are_for_prediction(label, tmp_path):
    dataset = load(tmp_path, [entry(["so"], label)])
    assert (dataset.labels, dataset.unsplit, len(dataset["test"])) == ((), True, 1)


def test_a_folder_of_pickles(splits, vectors, tmp_path):
    folder = tmp_path / "mosi"
    folder.mkdir()
    for name, entries in splits.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(entries))
    dataset = misa_folder_dataset(folder, vectors=vectors)
    assert dataset.name == "mosi"
    assert {name: [clip.id for clip in clips] for name, clips in dataset.splits.items()} == {
        "train": ["a_0", "a_1"],
        "valid": ["b_0"],
        "test": ["c_12"],
    }
    assert dataset.widths["text"] == 2
    (folder / "test.pkl").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(DataError, match="split 'test': is a dict; wanted a list of"):
        misa_folder_dataset(folder)


def test_the_door_for_pickles_knows_the_format(splits, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(pickle.dumps(splits))
    assert deadpan.load(path).layout == "pickles in MISA's format"


def test_one_of_three_pickles_leads_to_their_folder(tmp_path):
    clip = (([1], np.ones((1, 2)), np.ones((1, 2))), 0.5, "v[0]")
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.pkl").write_bytes(pickle.dumps([clip]))
    warnings = deadpan.load(tmp_path / "train.pkl").warnings
    assert any("train.pkl is one of three pickles; give their folder" in x for x in warnings)
    assert not any("one of three" in text for text in deadpan.load(tmp_path).warnings)
