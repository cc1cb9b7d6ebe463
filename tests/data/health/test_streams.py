import numpy as np

from deadpan.data.health.streams import Stream


def stream(*clips):
    made = Stream(2)
    for index, (split, steps) in enumerate(clips):
        made.add(index, split, np.array(steps, np.float32).reshape(-1, 2), bytes([index]))
    return made


CLIPS = (
    ("train", [[0, 5], [2, 5]]),
    ("train", [[1, 5], [1, 5]]),
    ("test", [[0, 0], [-3, 9], [0, 0]]),
    ("test", []),
    ("train", [[1, 5]]),
)


def test_steps_are_counted():
    counted = stream(*CLIPS)
    assert counted.lengths == {"train": [2, 2, 1], "valid": [], "test": [3, 0]}
    assert (counted.zero_steps, counted.zero_clips) == (2, 1)
    assert counted.constant == [1]  # one step alone is no constant clip
    assert len(counted.digests) == 5


def test_extremes_know_their_clips():
    everywhere = stream(*CLIPS).over_all()
    assert everywhere.low.tolist() == [-3, 0]
    assert everywhere.high.tolist() == [2, 9]
    assert everywhere.low_clip.tolist() == [2, 2]
    assert everywhere.high_clip.tolist() == [0, 2]


def test_constants_are_those_of_train():
    counted = stream(*CLIPS)
    assert counted.fitted().constant.tolist() == [False, True]
    assert not counted.over_all().constant.any()
    without_train = stream(("test", [[1, 2], [1, 3]]))
    assert without_train.fitted().constant.tolist() == [True, False]


def test_the_farthest_value_on_either_side():
    everywhere = stream(*CLIPS).over_all()
    worst = everywhere.farthest(np.array([0.0, 5.0]), np.array([1.0, 4.0]))
    assert (worst.feature, worst.clip, worst.value, worst.deviations) == (0, 2, -3, 3)
    worst = everywhere.farthest(np.array([0.0, 4.5]), np.array([9.0, 1.0]))
    assert (worst.feature, worst.clip, worst.value, worst.deviations) == (1, 2, 0, 4.5)
    worst = everywhere.farthest(np.array([0.0, 4.0]), np.array([9.0, 1.0]))
    assert (worst.feature, worst.clip, worst.value, worst.deviations) == (1, 2, 9, 5)
