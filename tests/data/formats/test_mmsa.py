import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deadpan
from deadpan.data.containers.unpickling import read_pickle
from deadpan.data.formats.mmsa import looks_like_mmsa, mmsa_clips, mmsa_dataset
from deadpan.errors import DataError

from ...refusals import refusal_of

WIDTHS = {"text": 3, "audio": 2, "vision": 1}
STEPS = {"text": 5, "audio": 7, "vision": 9}


def padded_split(count=2, **changes):
    """A sound unaligned split of full sequences, with these keys changed; None leaves one out."""
    table = {m: np.ones((count, STEPS[m], w), np.float32) for m, w in WIDTHS.items()}
    table |= {
        "raw_text": np.array(["one two"] * count),
        "text_bert": np.ones((count, 3, STEPS["text"]), np.int64),
        "id": [f"v$_${index}" for index in range(count)],
        "audio_lengths": [STEPS["audio"]] * count,
        "vision_lengths": np.full(count, STEPS["vision"]),
        "annotations": ["Neutral"] * count,
        "classification_labels": np.ones(count),
        "regression_labels": np.zeros(count),
    }
    return {name: value for name, value in {**table, **changes}.items() if value is not None}


def read_clips(folder, content):
    path = folder / "file.pkl"
    path.write_bytes(pickle.dumps(content))
    repairs = Counter()
    return mmsa_clips(path, read_pickle(path), repairs), dict(repairs)


def clips_refusal(folder, content):
    return refusal_of(f"{folder / 'file.pkl'}: ", read_clips, folder, content)


def test_the_documented_format(tmp_path):
    raw, repairs = read_clips(tmp_path, {b"test": padded_split(1), "train": padded_split(2)})
    assert (raw.widths, raw.ignored, repairs) == (WIDTHS, (), {})
    assert [(clip.split, clip.name) for clip in raw.clips] == [
        ("train", ("v$_$0",)),
        ("train", ("v$_$1",)),
        ("test", ("v$_$0",)),
    ]
    for clip in raw.clips:
        assert {name: len(x) for name, x in clip.sequences.items()} == STEPS
        np.testing.assert_array_equal(clip.label, [0, np.nan, np.nan, np.nan])
        assert clip.words == ()


@st.composite
def ragged(draw):
    """Clips of sequences of lengths that differ, some missing; inner steps may be zero."""
    seed = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 4))
    clips = {}
    for name, width in WIDTHS.items():
        lengths = draw(st.lists(st.integers(0, STEPS[name]), min_size=count, max_size=count))
        clips[name] = []
        for length in lengths:
            sequence = seed.uniform(0.5, 2, (length, width)).astype(np.float32)
            if name != "text":
                sequence[1 : max(1, length - 1)] *= seed.integers(0, 2, (max(0, length - 2), 1))
            clips[name].append(sequence)
    return clips


def padded(sequences, steps, width, side):
    array = np.zeros((len(sequences), steps, width), np.float32)
    for row, sequence in zip(array, sequences, strict=True):
        start = steps - len(sequence) if side == "left" else 0
        row[start : start + len(sequence)] = sequence
    return array


@given(
    clips=ragged(),
    given_lengths=st.booleans(),
    given_mask=st.booleans(),
    side=st.sampled_from(["left", "right"]),
    protocol=st.sampled_from([2, 4, 5]),
)
def test_ragged_sequences_come_back(
    clips, given_lengths, given_mask, side, protocol, tmp_path_factory
):
    count = len(clips["text"])
    table = {name: padded(x, STEPS[name], WIDTHS[name], side) for name, x in clips.items()}
    table["regression_labels"] = np.linspace(-1, 1, count)[:, None]
    table["id"] = [f"v$_${index}" for index in range(count)]
    if given_lengths:
        table |= {f"{m}_lengths": [len(x) for x in clips[m]] for m in ("audio", "vision")}
    if given_mask:
        ones = [np.ones((len(x), 1)) for x in clips["text"]]
        mask = padded(ones, STEPS["text"], 1, side)[..., 0]
        table["text_bert"] = np.stack([mask * 101, mask, mask * 0], axis=1)
    path = tmp_path_factory.getbasetemp() / "file.pkl"
    path.write_bytes(pickle.dumps({"valid": table}, protocol=protocol))
    repairs = Counter()
    raw = mmsa_clips(path, read_pickle(path), repairs)
    assert not repairs
    assert raw.widths == WIDTHS
    for index, clip in enumerate(raw.clips):
        wanted = {m: x[index] for m, x in clips.items() if len(x[index])}
        assert list(clip.sequences) == list(wanted)
        for name, sequence in wanted.items():
            np.testing.assert_array_equal(clip.sequences[name], sequence)
        assert (clip.split, clip.name) == ("valid", (f"v$_${index}",))
        assert clip.label[0] == np.linspace(-1, 1, count)[index]
        assert np.isnan(clip.label[1:]).all()


def aligned(**changes):
    """Two clips of 4 and 3 tokens of 6: the special tokens have no voice and no face."""
    real = np.array([[0, 1, 1, 0, 0, 0], [0, 1, 0, 0, 0, 0]], np.float32)[..., None]
    mask = np.array([[1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0]])
    arrays = {"text": np.ones((2, 6, 3)) * mask[..., None]}
    arrays |= {"audio": real * np.ones(2), "vision": real}
    bert = np.stack([mask, mask, mask], axis=1)
    lengths = {"audio_lengths": None, "vision_lengths": None}
    return padded_split(**{**arrays, **lengths, "text_bert": bert, **changes})


def test_an_aligned_file_stays_aligned(tmp_path):
    raw, _ = read_clips(tmp_path, {"train": aligned(), "test": aligned()})
    assert [[len(x) for x in clip.sequences.values()] for clip in raw.clips] == [
        [4] * 3,
        [3] * 3,
    ] * 2
    np.testing.assert_array_equal(raw.clips[0].sequences["vision"], [[0], [1], [1], [0]])
    assert raw.alignment == "steps are aligned: every array has those of BERT's mask"


def test_without_a_mask_zeros_tell_whether_it_is_aligned(tmp_path):
    # Text begins before the rest and ends after it, by its special tokens.
    tokens, _ = read_clips(tmp_path, {"train": aligned(text_bert=None)})
    assert [len(x) for x in tokens.clips[0].sequences.values()] == [4, 4, 4]
    assert tokens.alignment.startswith("steps are aligned (9")
    rates = {"audio": np.ones((2, 6, 1)), "vision": np.ones((2, 6, 1))}
    rates["vision"][:, 3:] = 0
    apart, _ = read_clips(tmp_path, {"train": aligned(text_bert=None, **rates)})
    assert [len(x) for x in apart.clips[1].sequences.values()] == [3, 6, 3]
    assert apart.alignment.startswith("steps are not aligned (9")
    words = np.array([[1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0]], np.float32)[..., None]
    audio = words.copy()
    audio[0, 2] = 0
    together, _ = read_clips(
        tmp_path, {"train": aligned(text_bert=None, text=words, audio=audio, vision=words)}
    )
    assert [len(x) for x in together.clips[0].sequences.values()] == [3, 3, 3]


def test_words_are_given_where_each_has_a_step(tmp_path):
    texts = ["a b c d E", b"only two"]
    raw, _ = read_clips(tmp_path, {"train": padded_split(raw_text=texts, text_bert=None)})
    assert [clip.words for clip in raw.clips] == [("a", "b", "c", "d", "E"), ()]
    tokens, _ = read_clips(tmp_path, {"train": padded_split(raw_text=texts)})
    assert [clip.words for clip in tokens.clips] == [(), ()]  # a step is a token of BERT
    assert [clip.transcript for clip in tokens.clips] == ["a b c d E", "only two"]
    other = np.ones((2, 3, 4))  # tokens are not what the five steps of text are
    words, _ = read_clips(tmp_path, {"train": padded_split(raw_text=texts, text_bert=other)})
    assert [len(clip.words) for clip in words.clips] == [5, 0]


def test_tokens_without_text_are_of_no_use(tmp_path):
    raw, _ = read_clips(tmp_path, {"train": padded_split(text=None, more=1)})
    assert raw.ignored == ("more", "text_bert")
    assert list(raw.widths) == ["audio", "vision"]


def test_labels_of_single_modalities(tmp_path):
    table = padded_split(
        regression_labels_V=[np.array([[0.2]]), [np.float32(0.4)]],
        regression_labels_T=np.ones((2, 1)),
    )
    raw, _ = read_clips(tmp_path, {"train": table})
    np.testing.assert_allclose(raw.clips[1].label, [0, 1, np.nan, 0.4], rtol=1e-6)


def test_lengths_that_lie_are_counted(tmp_path):
    table = padded_split(audio_lengths=[1, 2**70], vision_lengths=np.array([0, -(2**62)]))
    raw, repairs = read_clips(tmp_path, {"train": table})
    assert {name: len(x) for name, x in raw.clips[0].sequences.items()} == STEPS
    assert repairs == {
        "audio: lengths that leave out steps replaced by where zeros begin": 1,
        "audio: lengths beyond the array taken as its end": 1,
        "vision: lengths that leave out steps replaced by where zeros begin": 2,
    }


ONES = np.ones((2, 5, 3))


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"regression_labels": None}, "has no 'regression_labels' (found annotations, audio, "),
        ({"regression_labels": 1.0}, "'regression_labels' is a float"),
        ({"regression_labels": np.array(1.0)}, "'regression_labels' is a single number"),
        ({"regression_labels": np.ones((2, 2))}, "has shape (2, 2); wanted one number per clip"),
        ({"regression_labels": np.ones((10**12, 0))}, "has shape (1000000000000, 0)"),
        ({"regression_labels": ["a", "b"]}, "'regression_labels' holds a str"),
        ({"regression_labels": [None, [1, 2]]}, "'regression_labels' holds a NoneType"),
        (
            {"regression_labels_T": [1.0]},
            "'regression_labels_T' has 1 clips, 'regression_labels' 2",
        ),
        ({"audio_lengths": [1]}, "'audio_lengths' has 1 clips"),
        ({"audio_lengths": [1.5, 2]}, "'audio_lengths' holds 1.5; wanted whole numbers of steps"),
        ({"vision_lengths": [1, np.nan]}, "'vision_lengths' holds nan; wanted whole numbers"),
        ({"vision_lengths": "ab"}, "'vision_lengths' is a str"),
        ({"vision_lengths": ["3", "4"]}, "'vision_lengths' holds a str"),
        ({"vision_lengths": np.ones((2, 3))}, "'vision_lengths' has shape (2, 3)"),
        ({"text": [[["a"]], [["b"]]]}, "'text' holds a str; wanted numbers"),
        ({"text": ONES[0]}, "'text' has shape (5, 3); wanted [clip, step, width]"),
        ({"audio": ONES[:1]}, "'audio' has 1 clips, 'regression_labels' 2"),
        ({"audio": ONES.astype(str)}, "'audio' is an array of str"),
        ({"id": ["a"]}, "'id' has 1 clips, 'regression_labels' 2"),
        ({"id": np.ones((10**12, 0))}, "'id' has shape (1000000000000, 0)"),
        ({"id": {}}, "'id' is a dict"),
        ({"raw_text": ["a"]}, "'raw_text' has 1 clips"),
        ({"raw_text": [1, 2]}, "'raw_text' holds a int"),
        ({"raw_text": "ab"}, "'raw_text' is a str"),
        ({"text_bert": [1, 2]}, "'text_bert' has shape (2,); wanted [2, 3, step]"),
        ({"text_bert": ONES}, "'text_bert' has shape (2, 5, 3); wanted [2, 3, step]"),
        ({"text_bert": np.ones((1, 3, 5))}, "'text_bert' has shape (1, 3, 5)"),
        ({"text_bert": np.full((2, 3, 5), 2)}, "a mask of other values than 0 and 1"),
    ],
)
def test_what_does_not_fit_is_named(changes, wanted, tmp_path):
    text = clips_refusal(tmp_path, {"train": padded_split(**changes)})
    assert wanted in text
    assert "split 'train': " in text


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ([], "holds no splits"),
        ({"train": []}, "split 'train' is no dict; wanted text, audio, vision, regression_labels"),
        ({"dve": padded_split()}, "unknown split 'dve'"),
        ({"dev": padded_split(), "VAL": padded_split()}, "has two splits 'valid'; wanted one"),
        (
            {"train": padded_split(), "test": padded_split(audio=np.ones((2, 3, 5)))},
            "'audio' has width 2 in train, 5 in test; wanted one width",
        ),
        (
            {"train": padded_split(text=None, audio=None, vision=None)},
            "has none of text, audio, vision",
        ),
    ],
)
def test_splits_that_do_not_fit_are_named(content, wanted, tmp_path):
    assert wanted in clips_refusal(tmp_path, content)


def test_the_format_is_recognised_by_its_labels():
    assert looks_like_mmsa({"train": padded_split()})
    assert looks_like_mmsa({b"train": {b"regression_labels": 1}})
    assert looks_like_mmsa({"train": {"classification_labels": 1}})  # which can say what it lacks
    for other in (
        {},
        [],
        3,
        {"train": 1},
        {"train": {"labels": 1}},
        {"a": padded_split(), "b": {}},
    ):
        assert not looks_like_mmsa(other)


@given(
    value=st.recursive(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-(2**80), 2**80),
            st.floats(),
            st.text(max_size=3),
            st.binary(max_size=3),
            st.sampled_from([np.ones(2), np.ones((2, 3, 5)), np.zeros((2, 0)), np.array("a")]),
            st.sampled_from([np.array([b"a", None], dtype=object), np.float32(2), np.bool_(0)]),
        ),
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=2), st.dictionaries(st.text(max_size=2), inner)
        ),
        max_leaves=4,
    ),
    key=st.sampled_from(sorted(padded_split(regression_labels_T=[0.0, 0.0]))),
)
def test_any_value_at_any_key_is_read_or_refused_in_one_line(value, key, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "file.pkl"
    try:
        mmsa_clips(path, {"train": {**padded_split(), key: value}}, Counter())
    except DataError as error:
        assert str(error).startswith(str(path))
        assert len(str(error).splitlines()) == 1


def split(labels, *, video="v", **changes):
    """A split with these labels, and these keys besides."""
    count = len(labels)
    table = {m: np.ones((count, 3, 2), np.float32) for m in ("text", "audio", "vision")}
    table |= {
        "regression_labels": np.array(labels, np.float32),
        "id": np.array([f"{video}$_${index}" for index in range(count)]),
        "raw_text": ["one two three"] * count,
        "audio_lengths": [2] * count,
        "vision_lengths": [3] * count,
        "annotations": ["Positive"] * count,
        "classification_labels": [0] * count,  # not held against the others
    }
    return {**table, **changes}


def load(folder, splits, **options):
    path = folder / "mosi.pkl"
    path.write_bytes(pickle.dumps(splits))
    return mmsa_dataset(path, read_pickle(path), **options)


def sims(labels=(0.2, -1.0), **changes):
    ones = {
        f"regression_labels_{name}": np.full(len(labels), value)
        for name, value in {"T": 0, "A": 0.4, "V": 1}.items()
    }
    return split(labels, **{**ones, **changes})


def test_mosi(tmp_path):
    dataset = load(tmp_path, {"train": split([-3, 1.5]), "valid": split([0.2], video="w")})
    assert (dataset.name, dataset.task, dataset.labels) == ("mosi", "regression", ("sentiment",))
    assert dataset.layout == "a pickle in MMSA's format"
    assert dataset.widths == {"text": 2, "audio": 2, "vision": 2}
    clip = dataset["train"][1]
    assert (clip.id, clip.group, clip.label.tolist()) == ("v$_$1", "v", [1.5])
    assert {name: len(x) for name, x in clip.sequences.items()} == {
        "text": 3,
        "audio": 3,
        "vision": 3,
    }
    assert clip.words == ("one", "two", "three")
    assert [len(dataset[name]) for name in ("train", "valid", "test")] == [2, 1, 0]
    assert dataset.warnings == ()
    assert dataset.repairs == {
        "audio: lengths that leave out steps replaced by where zeros begin": 3
    }
    assert dataset.padding["vision"].side == "none"


def test_small_labels_alone_are_still_sentiment_in_three(tmp_path):
    assert load(tmp_path, {"train": split([0.2, -1])}).task == "regression"


def test_ch_sims_has_scores_whichever_label_is_chosen(tmp_path):
    splits = {"train": sims(), "test": sims([0.6], video="w")}
    wanted = {"M": [[0.2], [-1.0]], "T": [[0]] * 2, "A": [[0.4]] * 2, "V": [[1]] * 2}
    for label, values in wanted.items():
        dataset = load(tmp_path, splits, label=label)
        assert (dataset.task, dataset.labels) == ("scores", ("sentiment",))
        np.testing.assert_allclose(np.stack([c.label for c in dataset["train"]]), values, rtol=1e-6)


def test_one_label_beyond_one_makes_all_of_them_sentiment_in_three(tmp_path):
    splits = {"train": sims(), "test": sims([0.6], regression_labels_V=[1.2])}
    for label in "MTAV":
        assert load(tmp_path, splits, label=label).task == "regression"


@pytest.mark.parametrize(
    ("splits", "label", "wanted"),
    [
        ({"train": split([0, 1])}, "T", "unknown label 'T'; known: M"),
        ({"train": sims()}, "t", "unknown label 't'; did you mean 'T'? known: A, M, T, V"),
        ({"train": sims(regression_labels_T=[np.nan] * 2)}, "T", "known: A, M, V"),
        ({"train": sims(regression_labels_T=[np.nan, 0])}, "T", "1 labels are NaN (first: v$_$0)"),
        ({"train": sims(), "test": split([0])}, "A", "split 'test': 1 labels are NaN"),
        ({"train": split([0, np.nan])}, "M", "1 labels are NaN (first: v$_$1)"),
        (
            {"train": split([0, 3.5])},
            "M",
            "1 labels are unusable (first: v$_$1); wanted numbers in",
        ),
        ({"train": sims([1e30, 0])}, "M", "1 labels are unusable"),
    ],
)
def test_labels_that_cannot_be_used_are_named(splits, label, wanted, tmp_path):
    for table in splits.values():
        table["regression_labels"] = list(table["regression_labels"])
    with pytest.raises(DataError) as caught:
        load(tmp_path, splits, label=label)
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_door_for_pickles_knows_the_format(tmp_path):
    path = tmp_path / "sims.pkl"
    path.write_bytes(pickle.dumps({"train": sims(), "test": sims(video="w")}))
    assert deadpan.load(path).task == "scores"
    assert deadpan.load(path, label="V")["train"][0].label.tolist() == [1.0]


def test_a_file_without_labels_is_for_prediction(tmp_path):
    labels = dict.fromkeys(("regression_labels", "classification_labels"))
    path = tmp_path / "new.pkl"
    path.write_bytes(pickle.dumps({"TEST": padded_split(**labels)}))
    dataset = deadpan.load(path)
    assert dataset.layout == "a pickle in MMSA's format"
    assert (dataset.labels, dataset.unsplit, len(dataset["test"])) == ((), False, 2)


def test_label_and_labels_are_one_option(tmp_path):
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps({"train": sims()}))
    assert deadpan.load(path, labels="T").labels == deadpan.load(path, label="T").labels
    with pytest.raises(DataError, match="got label and labels, which are one option"):
        deadpan.load(path, label="M", labels="T")


def test_a_file_without_labels_is_for_prediction_whatever_label_is_asked(tmp_path):
    path = tmp_path / "file.pkl"
    content = padded_split(regression_labels=None, classification_labels=None)
    path.write_bytes(pickle.dumps({"test": content}))
    assert deadpan.load(path, labels="T").labels == ()
