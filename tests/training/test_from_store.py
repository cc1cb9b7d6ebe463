"""A run from a store is the run from memory, bit for bit, from the first step to the scores."""

import json

import pytest

import deadpan
from deadpan.data.dataset import Dataset, LazyClips
from deadpan.training import run as running

from .tiny import DATA, run_contents, train


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "store"
    deadpan.convert("controlled", path, **DATA)
    return str(path)


@pytest.mark.parametrize("normalization", ["robust", "group"])
def test_a_run_from_a_store_is_the_run_from_memory(normalization, store, tmp_path, monkeypatch):
    seen = []
    fit = running.fit

    def watched(fabric, network, state, task, dataset: Dataset, *more, **options):
        seen.append({name: isinstance(clips, LazyClips) for name, clips in dataset.splits.items()})
        fit(fabric, network, state, task, dataset, *more, **options)

    monkeypatch.setattr(running, "fit", watched)
    same = {"epochs": 2, "normalization": normalization}
    memory = train(tmp_path / "memory", **same).path
    stored = train(tmp_path / "stored", data=store, data_options={}, **same).path
    assert seen == [dict.fromkeys(seen[0], lazy) for lazy in (False, True)]
    one, other = run_contents(memory), run_contents(stored)
    for part in ("model", "tensors", "epochs", "gate"):
        assert one[part] == other[part]
    scores = [json.dumps(deadpan.evaluate(path)["rows"]) for path in (memory, stored)]
    assert scores[0] == scores[1]
