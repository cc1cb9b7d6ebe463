import pickle
from pathlib import Path

import numpy as np
import pytest

import deadpan
from deadpan.data.formats import OF_NAMED_FILES, PICKLES, detect_format, detect_pickle_format
from deadpan.data.formats.contextual import contextual_dataset
from deadpan.data.formats.dialogues import dialogues_dataset
from deadpan.data.formats.misa import misa_dataset
from deadpan.data.formats.mmsa import mmsa_dataset
from deadpan.data.formats.mult import mult_dataset
from deadpan.errors import DataError

PATH = Path("some.pkl")
CLIP = (([1], np.ones((1, 2)), np.ones((1, 2))), 0.0, "v[0]")


def test_each_format_is_recognised_by_value():
    contents = {
        mmsa_dataset: {"train": {"regression_labels": [], "labels": 1}},
        mult_dataset: {"train": {"labels": []}},
        misa_dataset: {"train": [CLIP]},
        dialogues_dataset: ({}, {}, {}, {}, {}, {}, {}, [], []),
        contextual_dataset: (np.ones((2, 3, 4)), np.ones((2, 3)), 0, 0, 3, [], []),
    }
    assert [make for _, _, make in PICKLES] == list(contents)
    for make, content in contents.items():
        assert detect_pickle_format(PATH, content) is make


LOOP: dict = {}
LOOP["again"] = LOOP


@pytest.mark.parametrize(
    ("content", "held"),
    [
        (
            {"train": {"text": np.ones((2, 3, 4), np.float32), "id": [1]}, "test": {}},
            "dict of train, test (first: dict of text, id (first: array of float32 [2, 3, 4]))",
        ),
        (dict.fromkeys(range(9), 1), "dict of 0, 1, 2, 3, 4, 5, ... (first: int)"),
        ([(1, 2), 3], "list of 2 (first: tuple of 2 (first: int))"),
        ([], "list"),
        (None, "NoneType"),
        (np.zeros(3), "array of float64 [3]"),
        ("a text", "str"),
        (LOOP, "dict of again (first: dict of again (first: dict of again (first: dict)))"),
        ({"a\nb": 1}, "dict of a\\nb (first: int)"),
    ],
)
def test_what_is_not_recognised_is_described(content, held):
    with pytest.raises(DataError) as caught:
        detect_pickle_format(PATH, content)
    text = str(caught.value)
    assert text.startswith(f"some.pkl: is a pickle of no known format, {held}; ")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("content", "nearest"),
    [
        ({"text": np.ones((2, 3, 4)), "labels": np.ones(2)}, "which has these keys in each split"),
        ({"clip1": np.ones((2, 3)), "clip2": np.ones((5, 3))}, "save each as audio/ID.npy"),
        (({}, {}, {}, {}, {}, {}, [], [], [], []), "nearest to conv-emotion's nine parts"),
        (np.zeros(3), "it is one array"),
        ({"a": 1}, "known: MMSA's (split"),
        ("a text", "known: MMSA's (split"),
    ],
)
def test_the_nearest_format_is_named(content, nearest):
    with pytest.raises(DataError) as caught:
        detect_pickle_format(PATH, content)
    assert nearest in str(caught.value)


def test_what_is_wrong_within_a_format_is_told_by_it(tmp_path):
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps({"trian": {"labels": 1}}))
    with pytest.raises(DataError, match="unknown split 'trian'; did you mean 'train'"):
        deadpan.load(path)


NAMED = (("train", "dev", "test"), ("text", "audio"))


@pytest.mark.parametrize("names", NAMED, ids=" ".join)
def test_own_data_beside_pickles_of_such_names_stay_own(names, tmp_path):
    for name in names:
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps([]))
    assert detect_format(tmp_path)[0] in OF_NAMED_FILES
    (tmp_path / "face").mkdir()
    for clip in "abc":
        np.save(tmp_path / "face" / f"{clip}.npy", np.arange(6.0).reshape(3, 2))
    (tmp_path / "labels.csv").write_text("id,label\na,1\nb,-2\nc,0.5\n")
    assert deadpan.load(tmp_path).widths == {"face": 2}
    (tmp_path / "more.csv").write_text("id,label\na,1\n")
    with pytest.raises(DataError, match=r"has 2 tables: labels\.csv, more\.csv; give one"):
        deadpan.load(tmp_path)


def test_every_format_says_that_its_text_is_not_scaled(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "benchmarks")
    from fuzz import corpus

    clips = [{m: np.ones((3, w)) for m, w in corpus.WIDTHS.items()} for _ in range(corpus.CLIPS)]
    formats = (
        *(corpus.mult, corpus.mmsa, corpus.misa, corpus.mfn, corpus.csd, corpus.dialogues),
        *(corpus.contextual, corpus.cim, corpus.ur_funny, corpus.mustard, corpus.mertools),
        *(corpus.table, corpus.own, corpus.store),
    )
    spoken = 0
    for write in formats:
        for sample in write(tmp_path, clips, np.linspace(-3, 3, corpus.CLIPS)):
            files = {name: tmp_path / file for name, file in sample.options.items()}
            dataset = deadpan.load(tmp_path / sample.path, **files, **sample.settings)
            assert set(dataset.unscaled) == dataset.widths.keys() & {"text"}
            spoken += "text" in dataset.widths
    assert spoken > 14
