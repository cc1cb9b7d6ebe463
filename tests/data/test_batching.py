import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data import batching
from deadpan.data.batching import (
    POOL,
    collate,
    context_batches,
    evaluation_batches,
    lengths_of,
    training_batches,
)
from deadpan.data.dataset import Clip

VIDEOS = st.lists(st.sampled_from([None, "a", "b", "c", "d", "clip 1"]), min_size=1, max_size=40)
LENGTHS = st.lists(st.integers(0, 60), min_size=1, max_size=120).map(np.array)


def clip(name, label=(0.0,), group=None, **steps):
    """Each sequence counts 1, 2, 3, ... in every feature."""
    sequences = {
        m: np.tile(np.arange(1.0, n + 1, dtype=np.float32)[:, None], (1, 2))
        for m, n in steps.items()
    }
    return Clip(id=name, sequences=sequences, label=np.array(label, np.float32), group=group)


def as_lists(batches):
    return [batch.tolist() for batch in batches]


def padding_share(batches, lengths):
    """Padded steps over all steps computed."""
    computed = sum(len(batch) * lengths[batch].max() for batch in batches)
    return 1 - lengths.sum() / computed


def test_the_length_of_a_clip_is_that_of_all_its_streams():
    clips = [clip("a", text=2, audio=5), clip("b", text=1), clip("c")]
    assert lengths_of(clips).tolist() == [7, 1, 0]


@given(LENGTHS, st.integers(1, 20), st.integers(0, 9), st.integers(1, 9))
def test_training_visits_every_clip_once_in_batches_of_the_size(lengths, size, seed, epoch):
    batches = training_batches(lengths, size, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    sizes = sorted(map(len, batches))
    if size > 1 and len(lengths) > 1:
        assert sizes[0] > 1, "a batch of a single clip"
    assert sizes[-1] <= size + (size > 1)  # one of them may have taken in the last clip
    assert sum(n != size for n in sizes) <= 1


@given(LENGTHS, st.integers(1, 20), st.integers(0, 9), st.integers(1, 9))
def test_batches_are_a_pure_function_of_seed_and_epoch(lengths, size, seed, epoch):
    first = as_lists(training_batches(lengths, size, seed=seed, epoch=epoch))
    np.random.default_rng(1).random()
    assert as_lists(training_batches(lengths, size, seed=seed, epoch=epoch)) == first


def test_another_seed_or_epoch_gives_other_batches():
    lengths = np.arange(100)
    seen = {
        str(as_lists(training_batches(lengths, 5, seed=seed, epoch=epoch)))
        for seed in range(3)
        for epoch in range(1, 4)
    }
    assert len(seen) == 9


def test_no_two_epochs_share_a_batch():
    lengths = np.random.default_rng(0).integers(5, 60, 600)
    batches = [
        tuple(sorted(batch))
        for epoch in (1, 2, 3)
        for batch in training_batches(lengths, 10, seed=0, epoch=epoch)
    ]
    assert len(set(batches)) == len(batches) == 180


def test_within_a_pool_batches_are_runs_of_the_sorted_lengths(monkeypatch):
    monkeypatch.setattr(batching, "JITTER", 0.0)
    lengths = np.random.default_rng(0).permutation(POOL * 4)  # one pool of 16 batches of 4
    batches = training_batches(lengths, 4, seed=0, epoch=1)
    found = sorted(sorted(lengths[batch].tolist()) for batch in batches)
    assert found == [[n, n + 1, n + 2, n + 3] for n in range(0, POOL * 4, 4)]


def test_batches_come_in_random_order_of_length():
    lengths = np.arange(POOL * 4)
    shortest = [int(batch.min()) for batch in training_batches(lengths, 4, seed=0, epoch=1)]
    assert shortest != sorted(shortest)
    assert shortest != sorted(shortest, reverse=True)


def test_the_last_single_clip_joins_its_neighbour():
    assert sorted(map(len, training_batches(np.arange(9), 4, seed=0, epoch=1))) == [4, 5]
    assert [len(b) for b in training_batches(np.arange(1), 4, seed=0, epoch=1)] == [1]
    assert [len(b) for b in training_batches(np.arange(3), 1, seed=0, epoch=1)] == [1, 1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_little_is_computed_on_padding(seed):
    # As of clips: log-normal, mean 4.4 s at 30 steps a second.
    random = np.random.default_rng(seed)
    lengths = np.round(30.4 * random.lognormal(np.log(4.4) - 0.1, 0.45, 1200)).astype(np.int64)
    shuffled = random.permutation(1200).reshape(-1, 24)
    share = padding_share(training_batches(lengths, 24, seed=seed, epoch=1), lengths)
    assert share < 0.15
    assert share < padding_share(shuffled, lengths) / 3


@given(VIDEOS, st.integers(1, 9), st.none() | st.integers(0, 5))
def test_whole_videos_in_their_order_every_clip_once(groups, size, seed):
    order = None if seed is None else np.random.default_rng(seed)
    batches = as_lists(context_batches(groups, size, order=order))
    assert sorted(sum(batches, [])) == list(range(len(groups)))
    for video in {group for group in groups if group is not None}:
        members = [i for i, group in enumerate(groups) if group == video]
        # Of one batch, side by side, as they were spoken.
        (home,) = [batch for batch in batches if set(batch) & set(members)]
        start = home.index(members[0])
        assert home[start : start + len(members)] == members
    # No batch is closed too early, none takes a video more than it needs.
    assert all(len(batch) >= size for batch in batches[:-1])
    for batch in batches:
        last = groups[batch[-1]]
        video = 1 if last is None else groups.count(last)
        assert len(batch) - video < size


def test_videos_come_as_they_are_without_a_generator():
    groups = ["b", "a", "b", None, "a", "c"]
    assert as_lists(context_batches(groups, 2)) == [[0, 2], [1, 4], [3, 5]]
    assert as_lists(context_batches(groups, 3)) == [[0, 2, 1, 4], [3, 5]]
    assert as_lists(context_batches(groups, 1)) == [[0, 2], [1, 4], [3], [5]]


def test_clips_of_unknown_videos_stand_alone():
    groups = [None] * 5
    assert as_lists(context_batches(groups, 1)) == [[0], [1], [2], [3], [4]]
    order = np.random.default_rng(0)
    assert sum(as_lists(context_batches(groups, 2, order=order)), []) != list(range(5))


def test_a_video_longer_than_a_batch_stays_whole():
    assert as_lists(context_batches(["a"] * 7 + ["b"], 2)) == [[*range(7)], [7]]


def test_the_generator_shuffles_the_videos_not_their_clips():
    groups = [str(i // 3) for i in range(60)]

    def shuffled(seed):
        return as_lists(context_batches(groups, 6, order=np.random.default_rng(seed)))

    assert shuffled(0) == shuffled(0)
    assert len({str(shuffled(seed)) for seed in range(5)}) == 5
    firsts = [batch[0] for batch in shuffled(0)]
    assert firsts != sorted(firsts)


def test_no_clips_make_no_batch():
    assert context_batches([], 4) == []


@given(LENGTHS, st.integers(1, 20))
def test_evaluation_visits_every_clip_once_shortest_first(lengths, size):
    order = np.concatenate(evaluation_batches(lengths, size))
    assert sorted(order) == list(range(len(lengths)))
    assert (np.diff(lengths[order]) >= 0).all()


def test_collate_pads_at_the_end_and_masks():
    batch = collate([clip("a", text=1, audio=2), clip("b", text=3, audio=1)], {"text": 2})
    assert batch.ids == ("a", "b")
    assert list(batch.sequences) == ["text"]  # audio was not asked for
    assert batch.sequences["text"][:, :, 0].tolist() == [[1, 0, 0], [1, 2, 3]]
    assert batch.masks["text"].tolist() == [[True, False, False], [True, True, True]]


def test_a_missing_modality_has_no_real_step():
    widths = {"text": 2, "audio": 2, "vision": 7}
    batch = collate([clip("a", text=2), clip("b", text=1, audio=3)], widths)
    assert batch.masks["audio"].tolist() == [[False] * 3, [True] * 3]
    assert batch.sequences["audio"][0].abs().sum() == 0
    assert batch.sequences["vision"].shape == (2, 1, 7)  # missing in both: one padded step
    assert not batch.masks["vision"].any()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_features_are_aligned_alike_each_time(lengths):
    # Matrix products of the same numbers differ in their last bits where the alignment does.
    batch = collate([clip(str(i), text=n) for i, n in enumerate(lengths)], {"text": 2, "audio": 2})
    assert all(x.data_ptr() % 64 == 0 and x.is_contiguous() for x in batch.sequences.values())


def test_collate_keeps_every_label():
    batch = collate([clip("a", label=(0, 1, 0)), clip("b", label=(1, 0, 0))], {"text": 2})
    assert batch.labels.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert batch.labels.dtype.is_floating_point


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=6))
def test_collate_loses_nothing(lengths):
    clips = [clip(str(i), text=t, audio=a) for i, (t, a) in enumerate(lengths)]
    batch = collate(clips, {"text": 2, "audio": 2})
    for name in ("text", "audio"):
        for row, mask, one in zip(batch.sequences[name], batch.masks[name], clips, strict=True):
            assert row[mask].numpy().tolist() == one.sequences[name].tolist()
            assert row[~mask].abs().sum() == 0
