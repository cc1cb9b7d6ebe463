import numpy as np
import pytest

from deadpan.analysis.predictions import Predictions, hardest, read_predictions
from deadpan.errors import RunError

from .fake_run import EMOTIONS, fake_run


def predictions(truth, predicted, labels=("sentiment",)):
    count = len(truth)
    return Predictions(
        ids=tuple(f"c{i}" for i in range(count)),
        words=("",) * count,
        kinds=("",) * count,
        labels=labels,
        truth=np.array(truth, dtype=float),
        predicted=np.array(predicted, dtype=float),
    )


def test_the_largest_errors_first_whatever_their_sign():
    worst = hardest(predictions([[0], [3], [-1], [2]], [[0.1], [0.5], [1.5], [2]]), count=3)
    assert [(clip.id, clip.error) for clip in worst] == [
        ("c1", -2.5),
        ("c2", 2.5),  # as large as c1's: the file's order
        ("c0", pytest.approx(0.1)),
    ]


def test_of_emotions_the_truth_that_was_least_believed():
    found = hardest(predictions([[0, 1], [1, 0]], [[0.2, 0.3], [0.9, 0.8]], ("Happy", "Sad")))
    assert [(c.id, c.label, c.truth) for c in found] == [("c1", "Sad", 0), ("c0", "Sad", 1)]
    assert [1 - abs(c.error) for c in found] == pytest.approx([0.2, 0.3])


def test_reads_what_evaluation_wrote(tmp_path):
    run = fake_run(tmp_path / "run", "emotions", epochs=1, kinds=())
    read = read_predictions(run, EMOTIONS)
    assert read.truth.shape == read.predicted.shape == (686, 4)
    assert set(np.unique(read.truth)) == {0, 1}
    assert not any(read.kinds)
    assert len(hardest(read)) == 10


def test_a_missing_label_is_refused(tmp_path):
    run = fake_run(tmp_path / "run", epochs=1, clips=3)
    with pytest.raises(RunError, match=r"predictions\.csv has no column 'label_Happy'"):
        read_predictions(run, ("Happy",))
