import numpy as np
import pytest

from deadpan.data.formats.pickled_values import feature_array, number_column, numeric_array
from deadpan.errors import DataError

STEPS = np.arange(12.0).reshape(2, 3, 2)


def objects(entries):
    array = np.empty(len(entries), dtype=object)
    array[:] = entries
    return array


@pytest.mark.parametrize(
    "value",
    [
        STEPS,
        STEPS.tolist(),
        tuple(STEPS),
        list(STEPS),
        STEPS.astype(object),
        objects(list(STEPS)),
        objects([x.tolist() for x in STEPS]),
        [[[np.float64(x) for x in step] for step in clip] for clip in STEPS],
    ],
)
def test_features_in_any_wrapping(value):
    np.testing.assert_array_equal(feature_array("audio", value), STEPS)


def test_features_of_truth_values_and_of_whole_numbers():
    assert feature_array("audio", STEPS > 5).tolist() == (STEPS > 5).astype(int).tolist()
    assert feature_array("audio", [[[True, False]], [[False, True]]]).tolist() == [
        [[1, 0]],
        [[0, 1]],
    ]
    assert feature_array("audio", STEPS.astype(np.int16).tolist()).dtype.kind == "i"


@pytest.mark.parametrize("wrap", [list, objects])
def test_sequences_of_different_lengths_are_padded(wrap):
    clips = [np.ones((2, 3), np.float32), [[2, 2, 2]], np.zeros((0, 3)), [], None]
    array = feature_array("audio", wrap(clips))
    assert array.tolist() == [
        [[1, 1, 1], [1, 1, 1]],
        [[2, 2, 2], [0, 0, 0]],
        *[[[0, 0, 0], [0, 0, 0]]] * 3,
    ]
    assert feature_array("audio", [None, []]).shape == (2, 0, 1)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (
            [[[1, 2]], [[1, 2, 3]]],
            r"'audio' has clips of shape \(1, 2\) and \(1, 3\); wanted \[step,",
        ),
        ([[1, 2], [3, 4]], r"'audio' has clips of shape \(2,\)"),
        ([[[1], [1, 2]]], "'audio' has lists of different lengths; wanted one shape"),
        ([[[1]], [["a"]]], "'audio' holds a str; wanted numbers"),
        ([[[1]], [[None]]], "'audio' holds a NoneType; wanted numbers"),
        (objects([{}, {}]), "'audio' holds a dict; wanted numbers"),
        (np.empty((10**12, 0), dtype=object), "'audio' has shape"),
        ("abc", "'audio' is a str"),
    ],
)
def test_what_is_no_feature(value, wanted):
    with pytest.raises(DataError, match=wanted):
        feature_array("audio", value)


def test_text_is_refused_before_an_array_of_it_takes_memory():
    # numpy would make every entry as long as the longest.
    with pytest.raises(DataError, match="'labels' holds a str"):
        numeric_array("labels", ["x" * 10**6, *[1] * 10**6])


def test_lists_that_a_file_repeats_do_not_swell():
    entry = [0.0] * 1000
    for _ in range(4):
        entry = [entry] * 1000
    with pytest.raises(
        DataError, match=r"'audio' repeats lists to 1000000000000000 numbers, of which"
    ):
        feature_array("audio", entry)
    long = np.ones((40_000, 1))
    with pytest.raises(DataError, match="'audio' has a clip of 40000 steps among 2001, too long"):
        feature_array("audio", [long, *[np.ones((1, 1))] * 2000])
    loop: list = []
    loop += [loop, loop]
    with pytest.raises(DataError, match="'audio' has lists in lists, 8 deep; wanted numbers"):
        feature_array("audio", loop)
    padding = [0.0, 0.0]  # one list for all padding is well
    assert feature_array("audio", [[padding] * 50] * 40).shape == (40, 50, 2)


def test_columns_of_labels_in_any_wrapping():
    for value in (
        [True, False],
        np.array([True, False]),
        [1, 0],
        [[1.0], [0.0]],
        np.array([[1], [0]]),
    ):
        assert number_column("labels", value).tolist() == [1, 0]
        assert numeric_array("labels", value).ravel().tolist() == [1, 0]
