"""Labels mean the same in every format: one table of what is stored and what it means."""

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from deadpan.data import load
from deadpan.data.assembly import RawClip, RawClips
from deadpan.data.labels import IEMOCAP_EMOTIONS, MOSEI_LABELS, infer_task, interpret_labels

from ..refusals import refusal_of
from .formats.csd.computational_sequences import in_a_row, write_csd

HERE = Path("file")
SPLITS = ("train", "valid", "test")
COUNT = 6  # clips of each split


def interpret(values, *, task="auto", labels="", **options):
    clips = [
        RawClip(name=(f"v_{i}",), split="train", sequences={}, label=np.asarray(row, float))
        for i, row in enumerate(values)
    ]
    raw, meaning = interpret_labels(
        HERE, RawClips(clips=clips, widths={}), task=task, labels=labels, **options
    )
    return meaning, np.stack([clip.label for clip in raw.clips])


def refusal(values, **options):
    return refusal_of("file: ", interpret, values, **options)


STRENGTHS = [[-2.0, 0, 1 / 3, 0, 3, 0, 0], [1, 1, 0, 0, 0, 0, 2]]


@pytest.mark.parametrize(
    ("values", "task", "names", "wanted", "warned"),
    [
        ([-3, 1.5], "regression", ("sentiment",), [[-3], [1.5]], ""),
        ([np.nan, 3], "regression", ("sentiment",), [[np.nan], [3]], ""),
        ([-1, 0, 1], "regression", ("sentiment",), [[-1], [0], [1]], "-1, 0, 1 and was taken as"),
        ([0, 1], "classes", ("0", "1"), [[1, 0], [0, 1]], "is only ever 0, 1 and was taken as"),
        ([1, -1], "classes", ("-1", "1"), [[0, 1], [1, 0]], "only ever -1, 1 and was taken as"),
        ([2, 0, 1], "classes", ("0", "1", "2"), [[0, 0, 1], [1, 0, 0], [0, 1, 0]], "1, 2 and was"),
        ([0, 1, np.nan], "classes", ("0", "1"), [[1, 0], [0, 1], [np.nan] * 2], "0, 1 and was"),
        ([0, 2], "regression", ("sentiment",), [[0], [2]], "0, 2 and was taken as regression"),
        ([1, 5, 3], "scores", ("rating",), [[1], [5], [3]], "if these are classes, give"),
        ([-4.5, 4], "scores", ("sentiment",), [[-4.5], [4]], ""),
        ([[0, 1], [1, 0]], "classes", ("0", "1"), [[0, 1], [1, 0]], "a 1 for just one of 2 labels"),
        ([[0, 1], [1, 1]], "emotions", ("label 1", "label 2"), [[0, 1], [1, 1]], ""),
        ([[0, 1], [0, 1]], "emotions", ("label 1", "label 2"), [[0, 1], [0, 1]], ""),
        ([[0, 1], [1, 0.5]], "scores", ("label 1", "label 2"), [[0, 1], [1, 0.5]], ""),
        ([[[1, 0]] * 4, [[0, 1]] * 4], "emotions", IEMOCAP_EMOTIONS, [[0] * 4, [1] * 4], ""),
        ([[[1, 0]], [[0, 1]]], "emotions", ("emotion 1",), [[0], [1]], ""),
        (STRENGTHS, "regression", ("sentiment",), [[-2], [1]], "sentiment was taken: for the"),
        ([row[1:] for row in STRENGTHS], "scores", MOSEI_LABELS[1:],
         [row[1:] for row in STRENGTHS], "to predict which are present (above 0), give"),
    ],
)  # fmt: skip
def test_what_labels_mean(values, task, names, wanted, warned):
    meaning, got = interpret(values)
    assert (meaning.task, meaning.names) == (task, names)
    np.testing.assert_array_equal(got, wanted)
    assert (warned in "".join(meaning.warnings)) if warned else not meaning.warnings
    assert len(meaning.warnings) <= 1


@pytest.mark.parametrize(
    ("values", "options", "names", "wanted"),
    [
        ([0, 1], {"task": "regression"}, ("sentiment",), [[0], [1]]),
        ([0, 1], {"task": "scores"}, ("rating",), [[0], [1]]),
        ([0, 1], {"task": "emotions"}, ("sentiment",), [[0], [1]]),
        ([1, 5, 3], {"task": "classes"}, ("1", "3", "5"), np.eye(3)[[0, 2, 1]]),
        ([[0, 1], [1, 0]], {"task": "emotions"}, ("label 1", "label 2"), [[0, 1], [1, 0]]),
        ([[0, 1], [1, 0]], {"task": "scores"}, ("label 1", "label 2"), [[0, 1], [1, 0]]),
        ([[[1, 0], [0, 1]]] * 2, {"task": "classes"}, ("emotion 1", "emotion 2"), [[0, 1]] * 2),
        (STRENGTHS, {"task": "scores"}, MOSEI_LABELS, STRENGTHS),
        (STRENGTHS, {"task": "emotions"}, MOSEI_LABELS[1:], np.sign(STRENGTHS)[:, 1:]),
        (STRENGTHS, {"labels": "fear, sad"}, ("fear", "sad"), [[0, 1 / 3], [2, 0]]),
        (STRENGTHS, {"labels": "fear", "task": "emotions"}, ("fear",), [[0], [1]]),
        ([[1, 9], [2, 8.5]], {"labels": "label 2"}, ("label 2",), [[9], [8.5]]),
        ([[1, 9], [2, 8.5]], {"names": ("a", "b"), "labels": "b"}, ("b",), [[9], [8.5]]),
        ([[1, 9], [2, 8.5]], {"names": ("a", "a")}, ("label 1", "label 2"), [[1, 9], [2, 8.5]]),
    ],
)
def test_the_user_decides(values, options, names, wanted):
    meaning, got = interpret(values, **options)
    assert meaning.names == names
    assert meaning.task == options.get("task", "scores")
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("values", "options", "wanted"),
    [
        ([0, 1], {"task": "clases"}, "unknown task 'clases'; did you mean 'classes'?"),
        ([[0, 9], [1, 2]], {"labels": "label 3"}, "unknown label 'label 3'"),
        ([[0, 9], [1, 2]], {"task": "regression"}, "regression wants one label, not label 1, lab"),
        ([1, 1], {"task": "classes"}, "the label is 1 in every clip; wanted two classes or more"),
        ([[1, 2], 3], {}, "the label of a clip has shape () in train, (2,) in train; wanted one"),
    ],
)
def test_what_cannot_be_is_refused(values, options, wanted):
    assert wanted in refusal(values, **options)


EMOTIONS = ("happy", "sad", "angry")


@pytest.mark.parametrize(
    ("values", "options", "task", "names", "wanted"),
    [
        ([0, 2, 1], {}, "classes", EMOTIONS, np.eye(3)[[0, 2, 1]]),
        ([0, 1, 1], {}, "classes", EMOTIONS, np.eye(3)[[0, 1, 1]]),
        ([0, 2, 1], {"task": "classes"}, "classes", EMOTIONS, np.eye(3)[[0, 2, 1]]),
        ([0, 2, 1], {"task": "emotions"}, "emotions", EMOTIONS, np.eye(3)[[0, 2, 1]]),
        ([0, 2, 1], {"task": "scores"}, "scores", ("rating",), [[0], [2], [1]]),
        ([0, 2, 1], {"task": "regression"}, "regression", ("sentiment",), [[0], [2], [1]]),
        ([0, 3, 1], {}, "regression", ("sentiment",), [[0], [3], [1]]),
        ([0, 2, 1], {"labels": "angry,happy"}, "classes", ("angry", "happy"), [[0, 1], [1, 0]]),
        ([0, 2], {"labels": "sad", "task": "emotions"}, "emotions", ("sad",), [[0], [0]]),
        ([0, np.nan], {}, "classes", EMOTIONS, [[1, 0, 0], [np.nan] * 3]),
    ],
)
def test_numbers_of_named_classes(values, options, task, names, wanted):
    meaning, got = interpret(values, classes=EMOTIONS, **options)
    assert (meaning.task, meaning.names) == (task, names)
    np.testing.assert_array_equal(got, wanted)


def test_clips_of_classes_that_are_not_wanted_are_told_and_one_class_is_refused():
    meaning, _ = interpret([0, 2, 1, 2], classes=EMOTIONS, labels="happy,sad")
    assert meaning.warnings == ("2 clips are of other classes; they were left out",)
    text = refusal([0, 1, 2], classes=EMOTIONS, labels="sad")
    assert "got the class 'sad' alone; wanted two classes or more" in text
    assert "unknown label 'joy'" in refusal([0, 1, 2], classes=EMOTIONS, labels="joy,sad")


@pytest.mark.parametrize("options", [{"task": "classes"}, {"labels": "happy"}, {}])
def test_where_no_clip_has_a_label_there_is_none_to_refuse(options):
    meaning, _ = interpret([np.nan] * 4, **options)
    assert meaning.names == ()
    assert "unknown task" in refusal([np.nan] * 4, task="clases")


def test_an_infinite_label_among_missing_ones_is_a_label():
    meaning, _ = interpret([np.inf] + [np.nan] * 29)
    assert meaning.task == "scores"  # which refuses it


def test_scales_that_sentiment_does_not_have_are_told():
    values = np.linspace(-3, 3, 100)[:, None]
    assert infer_task(values, ["x"]) == ("regression", [])
    values[0] = 300
    task, (warning,) = infer_task(values, ["x"])
    assert task == "scores"
    assert "1 % of labels are beyond [-3, 3] (they reach from -2.93939 to 300)" in warning
    task, (warning,) = infer_task(np.linspace(0, 1, 100)[:, None], ["x"])
    assert task == "regression"
    assert "'x' is never below 0, so Acc-2 and F1 tell nothing" in warning


def mult(folder, labels):
    def split(part):
        x = np.ones((len(part), 3, 2))
        return {"text": x, "audio": x, "labels": part}

    path = folder / "mult.pkl"
    path.write_bytes(pickle.dumps(dict(zip(SPLITS, map(split, labels), strict=True))))
    return path


def mmsa(folder, labels):
    def split(part):
        x = np.ones((len(part), 3, 2))
        return {"audio": x, "vision": x, "regression_labels": part}

    path = folder / "mmsa.pkl"
    path.write_bytes(pickle.dumps(dict(zip(SPLITS, map(split, labels), strict=True))))
    return path


def misa(folder, labels):
    def clip(label):
        return (np.ones((3, 2)), np.ones((3, 2)), np.ones((3, 2))), label, "v[1]"

    path = folder / "misa.pkl"
    parts = zip(("train", "dev", "test"), labels, strict=True)
    path.write_bytes(pickle.dumps({name: [*map(clip, part)] for name, part in parts}))
    return path


def mfn(folder, labels):
    for split, part in zip(SPLITS, labels, strict=True):
        for name, array in (("audio", np.ones((len(part), 3, 2))), ("y", part)):
            with h5py.File(folder / f"{name}_{split}.h5", "w") as file:
                file["data"] = array
    return folder


def csd(folder, labels):
    every = np.concatenate(labels)
    times = in_a_row(*range(len(every) + 1))
    write_csd(folder / "audio.csd", "COVAREP", {"v": (np.ones((len(every), 2)), times)})
    write_csd(
        folder / "labels.csd",
        "Opinion Segment Labels",
        {"v": (every.reshape(len(every), -1), times)},
    )
    return folder


def own(folder, labels):
    every = np.concatenate(labels).reshape(len(SPLITS) * COUNT, -1)
    names = ["label"] if every.shape[1] == 1 else [f"label_{i}" for i in range(every.shape[1])]
    (folder / "audio").mkdir()
    rows = [",".join(["id", *names])]
    for index, row in enumerate(every.tolist()):
        np.save(folder / "audio" / f"c{index}.npy", np.ones((3, 2)))
        rows.append(",".join(map(str, [f"c{index}", *row])))
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


@pytest.mark.parametrize("write", [mult, mmsa, misa, mfn, csd, own])
@pytest.mark.parametrize(
    ("label", "task"),
    [
        (lambda i: i % 2, "classes"),
        (lambda i: 2 * (i % 2) - 1, "classes"),
        (lambda i: i % 4, "classes"),
        (lambda i: i / 6 - 1.5, "regression"),
        (lambda i: np.eye(4)[i % 4], "classes"),
    ],
)
def test_labels_mean_the_same_in_every_format(write, label, task, tmp_path):
    every = np.array([label(i) for i in range(len(SPLITS) * COUNT)], np.float64)
    if write is mmsa and every.ndim > 1:
        pytest.skip("one number a clip by its layout")
    every = every.reshape(len(every), -1)
    source = write(tmp_path, np.split(every, len(SPLITS)))
    dataset = load(source)
    assert dataset.task == task
    assert len(dataset.labels) == len(np.unique(every, axis=0)) if task == "classes" else 1
    assert any("taken as classes" in text for text in dataset.warnings) is (task == "classes")
    assert load(source, task="scores").task == "scores"
    if every.shape[1] > 1:
        name = load(source, task="scores").labels[1]
        assert load(source, task="emotions", labels="label_1" if write is own else name).labels == (
            name,
        )
