import numpy as np
import pytest

from deadpan.data.formats.own.extractors import clock_offsets, separate_features
from deadpan.data.formats.own.feature_files import read_features
from deadpan.errors import DataError

TABLES = {
    "OpenFace": (
        "frame, face_id, timestamp, confidence, success, AU01_r\n"
        "1, 0, 0.0, 0.9, 1, 0.5\n2, 0, 0.04, 0, 0, -nan(ind)\n3, 0, 0.08, 0.9, 1, 0.7\n",
        (["AU01_r"], [[0.5], [0.7]], [[0, 0.04], [0.08, 0.12]]),
    ),
    "OpenFace, a picture of two": (
        "face, confidence, AU01_r\n0, 0.4, 0.5\n1, 0.9, 4\n",
        (["AU01_r"], [[4]], None),
    ),
    "openSMILE": (
        "name;frameIndex;frameTime;Loudness;\n'unknown';0;0.00;1.5;\n'unknown';1;0.01;1.7;\n",
        (["Loudness"], [[1.5], [1.7]], [[0, 0.01], [0.01, 0.02]]),
    ),
    "opensmile in Python": (
        "file,start,end,F0\na.wav,0 days 00:00:00,0 days 00:00:00.020000,1.5\n",
        (["F0"], [[1.5]], [[0, 0.02]]),
    ),
    "opensmile in Python, whole files": (
        "file,start,end,F0\na.wav,0 days,NaT,1.5\n",
        (["F0"], [[1.5]], [[0, 0]]),
    ),
    "py-feat": (
        ",frame,FaceRectX,FaceScore,AU01,approx_time,input\n"
        "0,0,10,0.9,0.2,00:00,/x/a.mp4\n1,1,,,,00:00,/x/a.mp4\n",
        (["FaceRectX", "AU01"], [[10, 0.2]], None),
    ),
    "milliseconds": (
        "frame,timestamp_ms,x0\n0,0,0.5\n1,40,0.25\n",
        (["x0"], [[0.5], [0.25]], [[0, 0.04], [0.04, 0.08]]),
    ),
    "pandas read again": ("Unnamed: 0,a\n0,7\n1,8\n", (["a"], [[7], [8]], None)),
}


@pytest.mark.parametrize("tool", TABLES)
def test_tables_as_extractors_write_them(tool, tmp_path):
    text, (names, values, times) = TABLES[tool]
    (tmp_path / "x.csv").write_text(text)
    got = read_features(tmp_path / "x.csv")
    assert list(got.names) == names
    np.testing.assert_allclose(got.values, values)
    if times is None:
        assert got.times is None
    else:
        np.testing.assert_allclose(got.times, times)


def remarks(folder, text):
    (folder / "x.csv").write_text(text)
    features = read_features(folder / "x.csv")
    return features, [(x.count, x.noun, x.predicate) for x in features.remarks]


def test_what_was_no_feature_is_told(tmp_path):
    _, told = remarks(tmp_path, TABLES["OpenFace"][0])
    assert told == [
        (1, "steps", "are without success and were left out as missing"),
        (
            1,
            "files",
            "have columns that are no features: frame, face_id, timestamp, confidence, success",
        ),
    ]


def test_the_most_confident_of_several_faces_is_taken(tmp_path):
    header = "frame, face_id, timestamp, confidence, success, AU01_r\n"
    rows = "1, 0, 0.0, .9, 1, 1\n1, 1, 0.0, .5, 1, 2\n2, 0, 0.04, .8, 1, 3\n2, 1, 0.04, .95, 1, 4\n"
    got, told = remarks(tmp_path, header + rows)
    assert got.values.tolist() == [[1], [3]]  # the same face in both frames
    assert told[0] == (
        1,
        "files",
        "have several faces at one time, of which the most confident was taken",
    )
    got, _ = remarks(tmp_path, "time,confidence,a\n0,.9,1\n0,.5,2\n.1,.8,3\n.1,.95,4\n")
    assert got.values.tolist() == [[1], [4]]
    # Face after face, as a table that was sorted by face.
    stacked = "frame,face_id,time,confidence,a\n1,0,0,.5,1\n2,0,1,.5,2\n1,1,0,.6,3\n2,1,1,.6,4\n"
    got, _ = remarks(tmp_path, stacked)
    assert (got.values.tolist(), got.times.tolist()) == ([[3], [4]], [[0, 1], [1, 2]])


def test_steps_of_only_another_face_are_counted(tmp_path):
    rows = "1,0,.9,1\n1,1,.5,2\n2,1,.9,3\n3,0,.9,4\n4,1,.1,5\n"
    got, told = remarks(tmp_path, "frame,face_id,confidence,a\n" + rows)
    assert got.values.tolist() == [[1], [4]]
    assert told[1] == (2, "steps", "show only another face and were left out as missing")


def test_two_rows_of_one_time_without_confidence_are_asked_about(tmp_path):
    with pytest.raises(DataError, match=r"steps 2 and 3 have the same time 0.5 \(two faces\?\)"):
        remarks(tmp_path, "time,a\n0,1\n0.5,2\n0.5,3\n")
    # Times that a tool rounded, of different frames, and words that take no time are steps.
    for text in ("frame,time,a\n1,0,1\n2,0,2\n", "start,end,a\n1,1,1\n1,1,2\n"):
        assert remarks(tmp_path, text)[0].values.tolist() == [[1], [2]]


@pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)])
def test_a_clock_since_1970_in_any_unit(unit, per_second, tmp_path):
    seconds = (1.6e9 + np.array([0, 0.5])) * per_second
    values = np.stack([seconds, [1, 2]], axis=1)
    got = separate_features(tmp_path, ("time", "a"), values)
    np.testing.assert_allclose(got.times, 1.6e9 + np.array([[0, 0.5], [0.5, 1]]))


def spans(*starts, length=1.0):
    return np.array([[start, start + length] for start in starts])


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        ({"face": spans(0, 1)}, {}),
        ({"face": spans(40, 41)}, {}),  # found late
        ({"face": spans(350, 351)}, {"face": 350}),  # counted from the start of the recording
        ({"face": spans(1.6e9)}, {"face": 1.6e9}),
        (
            {"face": spans(1.6e9 + 1), "audio": spans(1.6e9)},
            {"audio": 1.6e9, "face": 1.6e9},
        ),
        ({"face": spans(1.6e9), "audio": spans(0, 1)}, {"face": 1.6e9}),
        ({"face": spans(580), "audio": spans(0, 300, 599)}, {}),  # found late in a long clip
        # Two clocks: since 1970, and of the recording.
        (
            {"face": spans(1.6e9 + 1), "gaze": spans(1.6e9), "audio": spans(350, 351)},
            {"face": 1.6e9, "gaze": 1.6e9, "audio": 350},
        ),
        ({}, {}),
    ],
)
def test_times_of_a_clock_are_told_from_a_face_that_is_found_late(times, wanted):
    assert clock_offsets(times) == wanted
