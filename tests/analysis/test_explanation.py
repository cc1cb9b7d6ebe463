"""How often a model is asked for an explanation, and which clip is explained."""

import collections

import numpy as np
import pytest

from deadpan.analysis.explained_run import explained_runs, find_clip, telling_clip
from deadpan.analysis.explanation import explain_run
from deadpan.errors import DataError
from deadpan.layers.attention import Attention
from deadpan.models import HCTMG
from deadpan.types import AUDIO, TEXT, VISION

from ..training.tiny import DATA, train

FORTY = {**DATA, "clips": 40}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tmp_path_factory.mktemp("explained") / "run", epochs=1, data_options=FORTY).path


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    out = tmp_path_factory.mktemp("explained") / "other"
    return train(out, epochs=1, seed=1, data_options=FORTY).path


@pytest.fixture
def passes(monkeypatch):
    """Every forward pass: whether its attention was recorded, and the ids of its clips."""
    seen = []
    forward = HCTMG.forward

    def watched(self, batch):
        parts = [part for part in self.modules() if isinstance(part, Attention)]
        seen.append((any(part.recorders for part in parts), batch.ids))
        return forward(self, batch)

    monkeypatch.setattr(HCTMG, "forward", watched)
    return seen


@pytest.mark.parametrize("method", ["attention", "rollout", "gradient"])
def test_the_model_is_asked_once_for_each_input(run, passes, method):
    name = explained_runs(run)[0].clips[0].id
    valid = tuple(sorted(clip.id for clip in explained_runs(run)[0].clips))
    explain_run(run, clip=name, method=method)
    recorded = [tuple(sorted(ids)) for recording, ids in passes if recording]
    # The clip as it is, its three smaller sets of modalities at once, then the sanity check: the
    # clips of the split under trained weights and under three disorders.
    assert recorded == [(name,), (name,) * 3, *[valid] * 4]
    predicted = [ids for recording, ids in passes if not recording]
    assert predicted == [(name,)] * 4  # with all modalities, and with each of three alone


def test_a_second_run_is_asked_about_the_whole_clip_alone(run, other, passes):
    found = explain_run(run, clip="clip00001", against=other)
    sizes = collections.Counter(len(ids) for recording, ids in passes if recording)
    assert sizes == {1: 2, 3: 1, len(found.runs[0].clips): 8}
    first, second = found.against
    assert first.context == second.context == (AUDIO, VISION)
    np.testing.assert_array_equal(first.values, found.conditions[-1].values)
    whole = found.salience[second.run][TEXT]
    np.testing.assert_allclose(second.values, whole / whole.sum())


def test_the_predictions_of_the_split_are_made_once(run, other, passes):
    found = explain_run(run, against=other)
    (first, second), clips = found.runs, len(found.runs[0].clips)
    whole = [ids for recording, ids in passes if not recording and len(ids) == clips]
    # Each run once for the choice of the clip and of those most apart; of the first all clips are
    # candidates or listed, each from three single modalities and, listed, by both runs.
    assert len(whole) <= 2 + 3 + 3 + 2
    gaps = np.abs(first.decisions - second.decisions).max(axis=1)
    assert [each.gap for each in found.apart] == pytest.approx(sorted(gaps, reverse=True)[:10])


def test_the_telling_clip_disagrees_most_of_those_predicted_well(run):
    (explained,) = explained_runs(run)
    clip, why = telling_clip(explained, (TEXT,))
    errors = np.abs(explained.decisions[:, 0] - [each.label[0] for each in explained.clips])
    alone = np.concatenate(list(explained.decide_alone(explained.clips).values()), axis=1)
    gaps = np.where(errors <= np.median(errors), np.ptp(alone, axis=1), -1)
    assert clip.id == explained.clips[int(gaps.argmax())].id
    assert why.startswith("chosen as the one whose single modalities disagree most")


def test_a_clip_is_found_in_any_open_split_and_near_names_are_offered(run):
    (explained,) = explained_runs(run)
    train_clip = explained.opened.data["train"][0]
    assert find_clip(explained, train_clip.id)[1] == "train"
    with pytest.raises(DataError, match=r"no clip 'clip0' in controlled; nearest: clip000"):
        find_clip(explained, "clip0")
    closed = explained.opened.data["test"][0].id
    with pytest.raises(DataError, match="of the test split, which .* has not opened"):
        find_clip(explained, closed)
