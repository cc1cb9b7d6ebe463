import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deadpan
from deadpan.data.containers.unpickling import read_pickle
from deadpan.data.formats.mult import mult_splits
from deadpan.data.labels import IEMOCAP_EMOTIONS
from deadpan.errors import DataError

from ...refusals import refusal_of


def arrays(count=2, **changes):
    """A sound split of 3 steps of width 2, with these keys changed; None leaves one out."""
    table = {name: np.ones((count, 3, 2), np.float32) for name in ("text", "audio", "vision")}
    table |= {"labels": np.zeros((count, 1, 1)), "id": [f"v_{index}" for index in range(count)]}
    return {name: value for name, value in {**table, **changes}.items() if value is not None}


def read_splits(folder, content):
    path = folder / "file.pkl"
    path.write_bytes(pickle.dumps(content))
    return mult_splits(path, read_pickle(path))


def splits_refusal(folder, content):
    return refusal_of(f"{folder / 'file.pkl'}: ", read_splits, folder, content)


def test_reads_the_arrays_as_they_are(tmp_path):
    table = arrays(count=2, audio=np.arange(12, dtype=np.int16).reshape(2, 3, 2))
    splits = read_splits(tmp_path, {"train": table, "test": arrays(count=1)})
    assert list(splits) == ["train", "test"]
    assert len(splits["train"]) == 2
    assert list(splits["train"].sequences) == ["text", "audio", "vision"]
    np.testing.assert_array_equal(splits["train"].sequences["audio"], table["audio"])
    np.testing.assert_array_equal(splits["train"].labels, table["labels"])
    assert splits["train"].ids == (("v_0",), ("v_1",))
    assert splits["train"].ignored == ()


def test_sequences_of_different_lengths_need_no_labels(tmp_path):
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.ones((2, 2)), np.ones((3, 2))]
    table = arrays(text=ragged, audio=None, vision=None, labels=None, id=None)
    split = read_splits(tmp_path, {"test": table})["test"]
    assert split.sequences["text"].sum(axis=(1, 2)).tolist() == [4, 6]
    assert np.isnan(split.labels).all()


def test_a_split_may_lack_modalities_and_ids_and_be_empty(tmp_path):
    splits = read_splits(
        tmp_path, {b"train": arrays(audio=None, vision=None, id=None), b"valid": arrays(count=0)}
    )
    assert list(splits["train"].sequences) == ["text"]
    assert splits["train"].ids == ((), ())
    assert len(splits["valid"]) == 0


def test_keys_that_mean_nothing_are_told(tmp_path):
    splits = read_splits(tmp_path, {"train": arrays(visual=np.zeros((2, 3, 2)), raw=["a", "b"])})
    assert splits["train"].ignored == ("raw", "visual")


OBJECTS = np.empty((2, 3), dtype=object)
OBJECTS[:] = [["v", 0.5, 2], [b"w", 1.5, 3]]


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        (["v_1", b"v_2"], (("v_1",), ("v_2",))),
        ((7, 8), (("7",), ("8",))),
        (np.array([7, 8]), (("7",), ("8",))),
        (np.array(["a", "b"]), (("a",), ("b",))),
        (np.array([[b"a"], [b"b"]]), (("a",), ("b",))),
        (np.array([[["a"]], [["b"]]]), (("a",), ("b",))),
        (np.array([["v", "0", "1"], ["w", "1", "2"]]), (("v", "0", "1"), ("w", "1", "2"))),
        (OBJECTS, (("v", "0.5", "2"), ("w", "1.5", "3"))),
        ([np.array(["v", "0", "1"]), ["w", 1, 2]], (("v", "0", "1"), ("w", "1", "2"))),
        ([np.str_("a"), np.int64(3)], (("a",), ("3",))),
        (["caf\xe9", "\ud800"], (("caf\xe9",), ("\\ud800",))),
        ([b"caf\xe9", b"caf\xc3\xa9"], (("caf\\xe9",), ("caf\xe9",))),
    ],
)
def test_ids_of_every_form(ids, wanted, tmp_path):
    assert read_splits(tmp_path, {"train": arrays(id=ids)})["train"].ids == wanted


ONES = np.ones((2, 3, 2))


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"audio": ONES[:1]}, "split 'train': 'audio' has 1 clips, 'labels' 2"),
        ({"id": ["a"]}, "split 'train': 'id' has 1 clips, 'labels' 2"),
        ({"vision": ONES[0]}, "'vision' has shape (3, 2); wanted [clip, step, width]"),
        ({"vision": np.ones((2, 3, 0))}, "wanted a width of 1 or more"),
        ({"text": [[[1]], [["a"]]]}, "split 'train': 'text' holds a str; wanted numbers"),
        ({"text": ONES.astype(str)}, "split 'train': 'text' is an array of str"),
        (
            {"labels": None, "text": None, "audio": None, "vision": None},
            "split 'train': has no 'labels' (found id)",
        ),
        ({"labels": ["a", "b"]}, "split 'train': 'labels' holds a str; wanted numbers"),
        ({"labels": [[1], [1, 2]]}, "'labels' has lists of different lengths; wanted one shape"),
        ({"labels": 1}, "split 'train': 'labels' is a int; wanted an array of numbers"),
        ({"labels": np.array(1.0)}, "'labels' is a single number"),
        ({"labels": np.zeros((10**12, 0))}, "'labels' has shape (1000000000000, 0)"),
        ({"id": "ab"}, "'id' is a str"),
        ({"id": [None, "a"]}, "an id is a NoneType"),
        ({"id": [["a", ["b", "c"]], "d"]}, "an id is a list"),
    ],
)
def test_arrays_that_do_not_fit_are_named(changes, wanted, tmp_path):
    assert wanted in splits_refusal(tmp_path, {"train": arrays(**changes)})


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ([1, 2], "holds no splits"),
        ({}, "holds no splits"),
        ({"train": 1}, "split 'train' is no dict"),
        ({"trian": arrays()}, "unknown split 'trian'; did you mean 'train'?"),
        (
            {"train": arrays(), "test": arrays(text=np.ones((2, 3, 5)))},
            "'text' has width 2 in train, 5 in test; wanted one width",
        ),
        ({"train": arrays(text=None, audio=None, vision=None)}, "has none of text, audio, vision"),
    ],
)
def test_formats_that_do_not_fit_are_named(content, wanted, tmp_path):
    assert wanted in splits_refusal(tmp_path, content)


def test_an_id_that_holds_itself_is_refused(tmp_path):
    loop = []
    loop.append(loop)
    assert "holds itself" in splits_refusal(tmp_path, {"train": arrays(id=[loop, "a"])})


WIDTHS = {"text": 4, "audio": 3, "vision": 2}


def split(count=2, *, video="v", **changes):
    """A sound split of 3 steps, with these keys changed; None leaves one out."""
    table = {name: np.ones((count, 3, width), np.float32) for name, width in WIDTHS.items()}
    table |= {
        "labels": np.zeros((count, 1, 1), np.float32),
        "id": np.array([f"{video}_{index}" for index in range(count)]),
    }
    return {name: value for name, value in {**table, **changes}.items() if value is not None}


def load(folder, splits):
    path = folder / "file.pkl"
    path.write_bytes(pickle.dumps(splits))
    return deadpan.load(path)


def refusal(folder, splits):
    return refusal_of(f"{folder / 'file.pkl'}: ", load, folder, splits)


def padded(sequences, width, extra, side):
    """[clip, step, width] with zeros on one side; None is a clip without the modality."""
    steps = max((len(x) for x in sequences if x is not None), default=0) + extra
    array = np.zeros((len(sequences), steps, width), np.float32)
    for row, sequence in zip(array, sequences, strict=True):
        if sequence is not None:
            start = steps - len(sequence) if side == "left" else 0
            row[start : start + len(sequence)] = sequence
    return array


@st.composite
def ragged(draw):
    """Sequences whose outer steps are not zero, some missing, of lengths that differ."""
    seed = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 5))
    clips = {}
    for modality, width in WIDTHS.items():
        lengths = draw(st.lists(st.integers(0, 6), min_size=count, max_size=count))
        clips[modality] = [
            seed.uniform(0.5, 2, (length, width)).astype(np.float32) if length else None
            for length in lengths
        ]
    return clips


@given(clips=ragged(), side=st.sampled_from(["left", "right"]), extra=st.integers(0, 3))
def test_ragged_sequences_come_back(clips, side, extra, tmp_path_factory):
    # Lengths of the arrays that differ: else some draws would look word-aligned.
    arrays = {
        name: padded(sequences, WIDTHS[name], extra + 7 * place, side)
        for place, (name, sequences) in enumerate(clips.items())
    }
    count = len(clips["text"])
    dataset = load(tmp_path_factory.getbasetemp(), {"train": split(count, **arrays)})
    assert dataset.widths == WIDTHS
    assert dataset.repairs == {}
    for index, clip in enumerate(dataset["train"]):
        wanted = {m: x[index] for m, x in clips.items() if x[index] is not None}
        assert list(clip.sequences) == list(wanted)
        for modality, sequence in wanted.items():
            got = clip.sequences[modality]
            assert got.dtype == np.float32
            np.testing.assert_array_equal(got, sequence)


def test_zeros_within_a_sequence_are_kept(tmp_path):
    text = np.zeros((1, 6, 4), np.float32)
    text[0, 2, 1], text[0, 4, 3] = 5, 7
    clip = load(tmp_path, {"train": split(1, text=text)})["train"][0]
    np.testing.assert_array_equal(clip.sequences["text"], text[0, 2:5])


def test_a_word_aligned_file_stays_aligned(tmp_path):
    # Three clips of 4, 3 and 2 words; in the last, the first word has no vector and no face.
    real = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]], bool)
    arrays = {name: np.ones((3, 4, w), np.float32) * real[..., None] for name, w in WIDTHS.items()}
    arrays["text"][2, 2] = 0
    arrays["vision"][2] = 0
    clips = load(tmp_path, {"train": split(3, **arrays)})["train"]
    assert [len(clip.sequences["audio"]) for clip in clips] == [4, 3, 2]
    np.testing.assert_array_equal(clips[2].sequences["text"], [[0] * 4, [1] * 4])
    assert "vision" not in clips[2].sequences


def test_arrays_of_one_length_that_are_not_aligned_lose_their_own_padding(tmp_path):
    arrays = {name: np.ones((2, 4, width), np.float32) for name, width in WIDTHS.items()}
    arrays["text"][:, :2] = 0
    arrays["audio"][:, :1] = 0
    clip = load(tmp_path, {"train": split(2, **arrays)})["train"][0]
    lengths = {name: len(sequence) for name, sequence in clip.sequences.items()}
    assert lengths == {"text": 2, "audio": 3, "vision": 4}


@pytest.mark.parametrize("side", ["left", "right"])
def test_right_padded_streams_of_their_own_lengths_are_not_aligned(side, tmp_path):
    real = {"text": 5, "audio": 30, "vision": 17}
    arrays = {
        name: padded([np.ones((steps, WIDTHS[name]))] * 8, WIDTHS[name], 40 - steps, side)
        for name, steps in real.items()
    }
    dataset = load(tmp_path, {"train": split(8, **arrays)})
    for clip in dataset["train"]:
        assert {name: len(x) for name, x in clip.sequences.items()} == real
    assert dataset.alignment.startswith("steps are not aligned (9")


def late_face(count, rng):
    """Words that begin anywhere; a face that is found some words late, or never."""
    audio, vision = np.ones((count, 20, 3)), np.ones((count, 20, 2))
    for index in range(count):
        start = rng.integers(1, 8)
        audio[index, :start] = 0
        vision[index, : start + (3 if index % 3 else 0)] = 0
        if index % 10 == 9:
            vision[index] = 0
    return split(count, text=None, audio=audio, vision=vision)


def test_a_face_found_late_leaves_a_file_aligned(tmp_path):
    rng = np.random.default_rng(0)
    dataset = load(tmp_path, {name: late_face(30, rng) for name in ("train", "valid", "test")})
    assert "audio and vision begin together in 27 of 81 clips that tell" in dataset.alignment
    for index, clip in enumerate(dataset["train"]):
        assert len({len(x) for x in clip.sequences.values()}) == 1
        assert ("vision" in clip.sequences) is (index % 10 != 9)
    vision = dataset["train"][1].sequences["vision"]
    assert vision.any(axis=1).tolist() == [False] * 3 + [True] * (len(vision) - 3)


def test_the_user_may_say_that_steps_are_aligned(tmp_path):
    path = tmp_path / "file.pkl"
    text = padded([np.ones((n, 4)) for n in (5, 6)], 4, 2, "left")
    audio = padded([np.ones((n, 3)) for n in (3, 6)], 3, 2, "left")
    path.write_bytes(pickle.dumps({"train": split(text=text, audio=audio, vision=None)}))

    def lengths(aligned):
        dataset = deadpan.load(path, aligned=aligned)
        assert "--data_options.aligned says so" in dataset.alignment
        return [[len(x) for x in clip.sequences.values()] for clip in dataset["train"]]

    assert lengths(True) == [[5, 5], [6, 6]]
    assert lengths(False) == [[5, 3], [6, 6]]
    with pytest.raises(DataError, match="give --data_options.aligned true or"):
        deadpan.load(path)


@pytest.mark.parametrize("shape", [(2, 1, 1), (2, 1), (2,)])
def test_sentiment_in_every_shape(shape, tmp_path):
    labels = np.array([-3, 1.5]).reshape(shape)
    dataset = load(tmp_path, {"train": split(labels=labels)})
    assert (dataset.task, dataset.labels) == ("regression", ("sentiment",))
    got = np.stack([clip.label for clip in dataset["train"]])
    np.testing.assert_array_equal(got, [[-3], [1.5]])
    assert got.dtype == np.float32


def test_emotions_are_the_second_of_each_pair(tmp_path):
    labels = np.zeros((2, 4, 2), np.int64)
    labels[0, :, 0] = 1
    labels[1] = [[1, 0], [0, 1], [1, 0], [0, 1]]
    dataset = load(tmp_path, {"train": split(labels=labels)})
    assert (dataset.task, dataset.labels) == ("emotions", IEMOCAP_EMOTIONS)
    assert [clip.label.tolist() for clip in dataset["train"]] == [[0, 0, 0, 0], [0, 1, 0, 1]]
    other = load(tmp_path, {"train": split(labels=labels[:, :2])})
    assert other.labels == ("emotion 1", "emotion 2")


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        (
            [[np.nan], [1]],
            "split 'train': 1 labels are NaN (first: v_0); wanted numbers in [-3, 3]",
        ),
        ([[0], [-np.inf]], "1 labels are unusable (first: v_1); wanted finite numbers"),
        ([[0], [1e300]], "1 labels are unusable (first: v_1)"),
        (
            [[[1, 0]], [[1, 1]]],
            "1 labels are unusable (first: v_1); wanted 0 or 1 for each emotion",
        ),
        ([[[0, 0]], [[0.5, 0.5]]], "2 labels are unusable"),
        ([[[1, 0]], [[np.nan, 1]]], "1 labels are NaN (first: v_1)"),
        (np.ones((2, 3, 4)), "the label of a clip has shape (3, 4) in train; wanted one number, "),
        (np.ones((2, 2, 2, 2)), "the label of a clip has shape (2, 2, 2) in train; wanted one"),
    ],
)
def test_labels_that_cannot_be_used_are_named(labels, wanted, tmp_path):
    assert wanted in refusal(tmp_path, {"train": split(labels=np.array(labels))})


def test_labels_of_two_kinds_are_refused(tmp_path):
    mixed = {"train": split(), "test": split(labels=np.ones((2, 4, 2)))}
    assert "(4, 2) in test, (1, 1) in train" in refusal(tmp_path, mixed)


def test_features_that_are_not_finite_are_mended_and_counted(tmp_path):
    audio = np.ones((2, 3, 3))
    audio[0, 0, 0], audio[1, 1, :2], audio[1, 2, 2] = -np.inf, np.nan, np.inf
    audio[0, 2] = -np.inf  # a step that becomes zeros is still a step
    dataset = load(tmp_path, {"train": split(audio=audio)})
    np.testing.assert_array_equal(
        dataset["train"][0].sequences["audio"], [[0, 1, 1], [1, 1, 1], [0, 0, 0]]
    )
    assert dataset.repairs == {
        "audio: -inf set to 0": 4,
        "audio: +inf set to 0": 1,
        "audio: NaN set to 0": 2,
    }


def test_a_modality_missing_everywhere_has_no_width(tmp_path):
    train, test = split(audio=None, vision=None), split(audio=None, video="w")
    dataset = load(tmp_path, {"test": test, "train": train})
    assert list(dataset.widths) == ["text", "vision"]
    assert {name: len(clips) for name, clips in dataset.splits.items()} == {
        "train": 2,
        "valid": 0,
        "test": 2,
    }
    assert list(dataset["train"][0].sequences) == ["text"]
    assert len(dataset["valid"]) == 0


def test_splits_that_share_a_video_are_told(tmp_path):
    dataset = load(tmp_path, {"train": split(2), "test": split(1, id=["v_9"])})
    assert dataset["test"][0].group == "v"
    assert len(dataset.warnings) == 1
    assert "'v'" in dataset.warnings[0]
    assert "train and test" in dataset.warnings[0]


def test_repeated_ids_and_unknown_keys_are_told(tmp_path):
    train = split(2, id=[5, 5], extra=[1, 2])
    dataset = load(tmp_path, {"train": train})
    assert [clip.id for clip in dataset["train"]] == ["5", "5#2"]
    assert dataset.warnings == (
        "1 clips repeat an id; they were renamed 'id#2'",
        "unknown keys were ignored: extra",
    )


def test_clips_without_ids_are_named_by_split_and_place(tmp_path):
    dataset = load(tmp_path, {"train": split(id=None), "test": split(1, id=None)})
    assert [clip.id for clip in (*dataset["train"], *dataset["test"])] == [
        "train:0",
        "train:1",
        "test:0",
    ]
    assert dataset.warnings == ()


def test_padding_is_not_kept_alive(tmp_path):
    audio = np.zeros((2, 1000, 3), np.float32)
    audio[:, -2:] = 1
    for clip in load(tmp_path, {"train": split(audio=audio)})["train"]:
        assert clip.sequences["audio"].base is None
        assert clip.sequences["audio"].shape == (2, 3)


def test_mosi229(shared: Path):
    dataset = deadpan.load(shared / "data" / "mosi" / "mosi229_aligned.pkl")
    assert [len(dataset[name]) for name in ("train", "valid", "test")] == [134, 55, 40]
    assert [len({c.group for c in dataset[n]}) for n in ("train", "valid", "test")] == [6, 2, 2]
    assert dataset.widths == {"text": 300, "audio": 74, "vision": 47}
    assert (dataset.name, dataset.task) == ("mosi229_aligned", "regression")
    assert (dataset.repairs, dataset.warnings) == ({}, ())
    clip = dataset["train"][0]
    assert (clip.id, clip.group) == ("WKA5OygbEKI_1", "WKA5OygbEKI")
    np.testing.assert_allclose(clip.label, [1.8], atol=1e-6)
    clips = [clip for split in dataset.splits.values() for clip in split]
    for clip in clips:
        assert len({len(sequence) for sequence in clip.sequences.values()}) == 1
        assert list(clip.sequences) == ["text", "audio", "vision"]
    assert len({clip.id for clip in clips}) == 229


def test_ravdess4(shared: Path):
    dataset = deadpan.load(shared / "data" / "ravdess" / "ravdess4.pkl")
    assert [len(dataset[name]) for name in ("train", "valid", "test")] == [568, 144, 144]
    assert [len({c.group for c in dataset[n]}) for n in ("train", "valid", "test")] == [16, 4, 4]
    assert dataset.widths == {"text": 300, "audio": 25, "vision": 35}
    assert (dataset.task, dataset.labels) == ("emotions", ("Neutral", "Happy", "Sad", "Angry"))
    assert (dataset.repairs, dataset.warnings) == ({}, ())
    # The third field of RAVDESS's names is the emotion: neutral and calm, happy, sad, angry.
    columns = {"01": 0, "02": 0, "03": 1, "04": 2, "05": 3}
    for clips in dataset.splits.values():
        for clip in clips:
            assert clip.sequences["vision"].shape == (1, 35)
            assert clip.label.tolist() == np.eye(4)[columns[clip.id.split("-")[2]]].tolist()


@pytest.mark.parametrize("options", [{"task": "classes"}, {"labels": "happy"}, {}])
def test_a_file_without_labels_is_for_prediction_whatever_is_asked(options, tmp_path):
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps({"test": arrays(labels=None)}))
    assert deadpan.load(path, **options).labels == ()
