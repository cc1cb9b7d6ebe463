import numpy as np
import pytest

from deadpan.errors import RunError
from deadpan.training.predictions import (
    Predictions,
    disbelief,
    errors,
    hardest,
    read_predictions,
    relative_errors,
)

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
    four = predictions([[0], [3], [-1], [2]], [[0.1], [0.5], [1.5], [2]])
    worst = hardest(four, errors(four), count=3)
    assert [(clip.id, clip.error) for clip in worst] == [
        ("c1", -2.5),
        ("c2", 2.5),  # as large as c1's: the file's order
        ("c0", pytest.approx(0.1)),
    ]


def test_of_emotions_the_truth_that_was_least_believed():
    two = predictions([[0, 1], [1, 0]], [[0.2, 0.3], [0.9, 0.8]], ("Happy", "Sad"))
    worst = hardest(two, errors(two))
    assert [(c.id, c.label, c.truth) for c in worst] == [("c1", "Sad", 0), ("c0", "Sad", 1)]
    assert [1 - abs(c.error) for c in worst] == pytest.approx([0.2, 0.3])


def test_of_classes_the_true_one_that_was_least_believed():
    three = predictions(
        [[0, 1], [1, 0], [0, 1]], [[0.75, 0.25], [0.25, 0.75], [0.0, 1.0]], ("no", "yes")
    )
    worst = hardest(three, disbelief(three))
    assert [(c.id, c.label, c.highest, c.prediction) for c in worst] == [
        ("c0", "yes", "no", 0.25),
        ("c1", "no", "yes", 0.25),
        ("c2", "yes", "yes", 1.0),  # the true class, though nothing is wrong with any
    ]


def test_of_scores_the_error_that_is_large_for_its_label():
    # Standard deviations 1 and 100; the third label never changes and keeps its unit.
    two = predictions([[1, 100, 5], [3, 300, 5]], [[1, 150, 5.25], [1, 300, 5]], ("a", "b", "c"))
    assert relative_errors(two).tolist() == [[0, 0.5, 0.25], [2, 0, 0]]
    worst = hardest(two, relative_errors(two))
    assert [(c.id, c.label, c.error) for c in worst] == [("c1", "a", -2), ("c0", "b", 50)]


def test_reads_what_evaluation_wrote(tmp_path):
    run = fake_run(tmp_path / "run", "emotions", epochs=1, kinds=())
    read = read_predictions(run / "predictions.csv", EMOTIONS)
    assert read.truth.shape == read.predicted.shape == (686, 4)
    assert set(np.unique(read.truth)) == {0, 1}
    assert not any(read.kinds)
    assert len(hardest(read, errors(read))) == 10


def test_a_missing_label_is_refused(tmp_path):
    run = fake_run(tmp_path / "run", epochs=1, clips=3)
    with pytest.raises(RunError, match=r"predictions\.csv has no column 'label_Happy'"):
        read_predictions(run / "predictions.csv", ("Happy",))
