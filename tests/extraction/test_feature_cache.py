import dataclasses

import numpy as np
import pytest

from deadpan.data.feature_recipe import Column, FeatureRecipe
from deadpan.extraction.feature_cache import TAG, FeatureCache
from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.utterances import Word

COLUMNS = tuple(
    Column(name=name, unit="", source="a test", low=0.0, high=1.0) for name in ("one", "two")
)
RECIPE = FeatureRecipe(name="test-1", rate=12.5, columns=COLUMNS, files={})
OTHER = dataclasses.replace(RECIPE, name="test-2")
RECORDING = "a1" * 32


def sequence(steps=3):
    present = np.arange(steps) != 1
    return MeasuredSequence(
        columns=COLUMNS,
        rate=12.5,
        first=7,
        values=np.arange(2 * steps, dtype=np.float32).reshape(steps, 2) * present[:, None],
        present=present,
        confidence=np.linspace(0, 1, steps, dtype=np.float32) * present,
    )


@pytest.mark.parametrize("steps", [3, 0])
def test_what_was_kept_comes_back_as_it_was(tmp_path, steps):
    cache = FeatureCache(tmp_path / "cache")
    cache.save(RECORDING, RECIPE, sequence(steps), ("a warning",))
    loaded, warnings = cache.load(RECORDING, RECIPE)
    assert warnings == ("a warning",)
    for field in dataclasses.fields(MeasuredSequence):
        value, wanted = (getattr(x, field.name) for x in (loaded, sequence(steps)))
        assert np.array_equal(value, wanted) if isinstance(value, np.ndarray) else value == wanted
        assert getattr(value, "dtype", None) == getattr(wanted, "dtype", None)


def test_views_of_larger_arrays_come_back_as_they_were(tmp_path):
    numbers = np.arange(20, dtype=np.float32).reshape(4, 5) / 20
    view = dataclasses.replace(
        sequence(4), values=numbers[:, :2], confidence=numbers[:, 3], present=np.ones(8, bool)[::2]
    )
    cache = FeatureCache(tmp_path)
    cache.save(RECORDING, RECIPE, view, ())
    loaded, _ = cache.load(RECORDING, RECIPE)
    assert np.array_equal(loaded.values, numbers[:, :2])
    assert np.array_equal(loaded.confidence, numbers[:, 3])
    assert loaded.present.all()


def test_nothing_is_kept_of_another_recording_or_recipe(tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    assert cache.load(RECORDING, RECIPE) is None
    cache.save(RECORDING, RECIPE, sequence(), ())
    assert cache.load("b2" * 32, RECIPE) is None
    assert cache.load(RECORDING, OTHER) is None
    assert cache.load(RECORDING, RECIPE) is not None


@pytest.mark.parametrize("damage", [lambda x: x[:-5], lambda x: b"", lambda x: b"\0" * len(x)])
def test_what_is_damaged_counts_as_not_kept(tmp_path, damage):
    cache = FeatureCache(tmp_path)
    cache.save(RECORDING, RECIPE, sequence(), ())
    (path,) = tmp_path.glob("*.safetensors")
    path.write_bytes(damage(path.read_bytes()))
    assert cache.load(RECORDING, RECIPE) is None


def test_a_sequence_of_other_columns_counts_as_not_kept(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.save(RECORDING, RECIPE, dataclasses.replace(sequence(), values=np.ones((3, 1), "f4")), ())
    assert cache.load(RECORDING, RECIPE) is None


def test_the_folder_says_what_it_is(tmp_path):
    FeatureCache(tmp_path).save(RECORDING, RECIPE, sequence(), ())
    first, second, *_ = (tmp_path / TAG).read_text().splitlines()
    assert first == "Signature: 8a477f597d28d172789f06886806bc55"
    assert "may be removed" in second


def test_words_come_back_as_they_were(tmp_path):
    cache = FeatureCache(tmp_path)
    words = (Word(text="Don\u2019t", start=0.5, end=1.0, probability=0.75),)
    assert cache.load_words(RECORDING, RECIPE) is None
    for kept in (words, ()):
        cache.save_words(RECORDING, RECIPE, kept)
        assert cache.load_words(RECORDING, RECIPE) == kept
    assert cache.load_words(RECORDING, OTHER) is None
    (path,) = tmp_path.glob("*.json")
    for damaged in ("[{}]", "null", "[1", '[{"text": 1}]'):
        path.write_text(damaged)
        assert cache.load_words(RECORDING, RECIPE) is None
