import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deadpan.data.containers.unpickling import read_pickle
from deadpan.data.formats.misa import (
    looks_like_misa,
    looks_like_misa_folder,
    misa_clips,
    misa_folder,
    misa_splits,
)
from deadpan.errors import DataError


def entry(count=2, *, label=1.5, segment="video[3]", **changes):
    """A clip of this many words as MISA writes it; None leaves the words themselves out."""
    features = {
        "words": np.arange(count),
        "visual": np.ones((count, 3)),
        "acoustic": np.full((count, 2), 2.0),
        "actual": [f"word{index}" for index in range(count)],
    }
    values = tuple(value for value in {**features, **changes}.values() if value is not None)
    return values, label, segment


def read(folder, content):
    path = folder / "file.pkl"
    path.write_bytes(pickle.dumps(content))
    return misa_clips(path, misa_splits(path, read_pickle(path)))


def refusal(folder, content):
    with pytest.raises(DataError) as caught:
        read(folder, content)
    text = str(caught.value)
    assert text.startswith(f"{folder / 'file.pkl'}: ")
    assert "\n" not in text
    return text


def test_the_layout_of_misa(tmp_path):
    label = np.array([[1.5]], np.float32)
    raw = read(tmp_path, {"train": [entry(label=label), entry(3)], "dev": [], "test": [entry(1)]})
    assert raw.widths == {"vision": 3, "audio": 2}
    assert [clip.split for clip in raw.clips] == ["train", "train", "test"]
    clip = raw.clips[0]
    assert (clip.name, clip.words) == (("video[3]",), ("word0", "word1"))
    assert clip.label.tolist() == [[1.5]]
    np.testing.assert_array_equal(clip.sequences["vision"], np.ones((2, 3)))
    np.testing.assert_array_equal(clip.sequences["audio"], np.full((2, 2), 2.0))
    assert (raw.padding, raw.ignored) == ({}, ())


def test_one_list_has_no_splits(tmp_path):
    assert [clip.split for clip in read(tmp_path, [entry(), entry()]).clips] == [None, None]


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
    clip = read(tmp_path, [entry(**changes)]).clips[0]
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
    np.testing.assert_array_equal(read(tmp_path, [entry(label=label)]).clips[0].label, wanted)


def test_a_clip_without_words_lacks_everything(tmp_path):
    empty = entry(words=np.asarray([]), visual=np.asarray([]), acoustic=np.ones((0, 2)), actual=[])
    raw = read(tmp_path, [empty, entry()])
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
        splits = {split: read_pickle(file) for split, file in misa_folder(path).items()}
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
        (entry(visual=np.ones((3, 3))), "has 3 steps of 'visual' for 2 words; wanted one for each"),
        (entry(acoustic=np.ones((1, 2))), "has 1 steps of 'acoustic' for 2 words"),
        (entry(actual=["one"]), "has 1 words for 2 words"),
        (entry(visual=np.ones((0, 3))), "has 0 steps of 'visual' for 2 words"),
        (entry(visual=np.ones(2)), "'visual' has shape (2,); wanted [word, width]"),
        (entry(visual=np.ones((2, 0))), "'visual' has shape (2, 0)"),
        (entry(visual=np.ones((10**12, 0))), "'visual' has shape (1000000000000, 0)"),
        (entry(visual=np.ones((2, 4))), "vision has width 4; wanted 3 as before"),
        (entry(visual=[[1, 2, 3]] * 2), "'visual' is a list"),
        (entry(acoustic=np.array([["a"], ["b"]])), "'acoustic' is an array of str"),
        (entry(acoustic=np.array(1.0)), "'acoustic' has shape ()"),
        (entry(words=3), "words are a int"),
        (entry(words=np.array(3)), "words are an array of int64 ()"),
        (entry(words=np.ones((2, 2, 2))), "words are an array of float64 (2, 2, 2)"),
        (entry(words=np.ones((10**12, 0))), "words are an array of float64 (1000000000000, 0)"),
        (entry(words=[1.5, 2.5]), "words hold a float"),
        (entry(words=[True, False]), "words hold a bool"),
        (entry(words=["a", None]), "words hold a str"),
        (entry(words=LOOP * 2), "words hold a list"),
        (entry(actual=None), "words are numbers of a vocabulary; wanted texts, as in the clips"),
        (entry(actual=[1, 2]), "the fourth feature holds numbers of a vocabulary"),
        (entry(label="x"), "'label' holds a str"),
        (entry(label=None), "'label' holds a NoneType"),
        (entry(label=np.array(["x"])), "'label' is an array of str"),
        (entry(label=LOOP), "'label' holds a list"),
        (entry(segment=None), "an id is a NoneType"),
        (entry(segment=["a", ["b", "c"]]), "an id is a list"),
        (((1, 2), 3, "v"), "is no such clip; wanted ((words, visual, acoustic), label, segment)"),
        ((entry()[0], 1.0), "is no such clip"),
        (7, "is no such clip"),
        (LOOP, "is no such clip"),
        (None, "is no such clip"),
    ],
)
def test_what_does_not_fit_is_named(clip, wanted, tmp_path):
    text = refusal(tmp_path, {"test": [entry(), clip]})
    assert "split 'test': clip 1" in text
    assert wanted in text


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ({"train": [entry()], "dve": [entry()]}, "unknown split 'dve'; did you mean 'dev'?"),
        ({"dev": [entry()], "valid": [entry()]}, "has both 'dev' and 'valid'"),
        ({"train": [entry()], "test": 5}, "split 'test': is a int; wanted a list of ((words,"),
        ([entry(), entry(visual=np.ones((3, 3)))], "clip 1 ('video[3]'): has 3 steps"),
        ("abc", "is a str; wanted a list"),
        ({}, "is a dict; wanted a list"),
    ],
)
def test_splits_that_do_not_fit_are_named(content, wanted, tmp_path):
    assert wanted in refusal(tmp_path, content)


def test_the_layout_is_recognised_by_its_first_clips():
    for content in ([entry()], {"train": [entry()], "dev": []}, (list(entry()), 3)):
        assert looks_like_misa(content)
    for content in (
        *([], {}, {"train": []}, {"train": {}}, 3, None, [3], [(1, 2, 3)], LOOP),
        *([((1, 2), 3, 4)], {"train": [entry()], "dev": [3]}, {"train": [entry()], "dev": 3}),
    ):
        assert not looks_like_misa(content)


def test_a_folder_needs_a_pickle_for_each_split(tmp_path):
    folder = tmp_path / "misa"
    assert not looks_like_misa_folder(folder)
    folder.mkdir()
    for name in ("train", "valid", "test"):
        assert not looks_like_misa_folder(folder)
        (folder / f"{name}.pkl").write_bytes(pickle.dumps([entry()]))
    assert looks_like_misa_folder(folder)
    assert misa_folder(folder)["valid"] == folder / "valid.pkl"
    (folder / "dev.pkl").write_bytes(pickle.dumps([entry()]))
    with pytest.raises(DataError, match=r"has both dev\.pkl and valid\.pkl; wanted one file for"):
        misa_folder(folder)
    (folder / "dev.pkl").unlink()
    (folder / "valid.pkl").unlink()
    with pytest.raises(DataError, match=r"has neither of dev\.pkl and valid\.pkl"):
        misa_folder(folder)
    (folder / "train.pkl").write_text("{}")
    assert not looks_like_misa_folder(folder)
    (folder / "train.pkl").unlink()
    with pytest.raises(DataError, match=r"has no train\.pkl; wanted one file for split 'train'"):
        misa_folder(folder)


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
    clip = entry()
    features = [*clip[0]]
    if place < 4:
        features[place] = value
    label, segment = (value if place == at else clip[at - 3] for at in (4, 5))
    content = [entry(), (features, label, segment)]
    content = value if place == 6 else content
    assert looks_like_misa(content) or place == 6
    try:
        misa_clips(path, misa_splits(path, content))
    except DataError as error:
        assert str(error).startswith(str(path))
        assert len(str(error).splitlines()) == 1
