import numpy as np

from deadpan.extraction.faces import FACE_COLUMNS
from deadpan.extraction.facet import FACET_ABSENT, FACET_COLUMNS, LIKE_UNITS, like_facet
from deadpan.extraction.sequences import MeasuredSequence, absent

ORIGINAL = """
    Anger Contempt Disgust Joy Fear Baseline Sadness Surprise Confusion Frustration AU1 AU2 AU4 AU5
    AU6 AU7 AU9 AU10 AU12 AU14 AU15 AU17 AU18 AU20 AU23 AU24 AU25 AU26 AU28 AU43 Has_Glasses
    Is_Male Pitch Yaw Roll
""".split()
"""FACET's 35 columns, as the CMU Multimodal SDK names them."""


def test_for_each_of_facets_35_columns_something_stands_or_it_is_said_to_be_absent():
    assert len(ORIGINAL) == 35
    names = [
        LIKE_UNITS[name][0] if name in LIKE_UNITS else name.lower()
        for name in ORIGINAL
        if name not in FACET_ABSENT
    ]
    assert names == [column.name for column in FACET_COLUMNS]
    assert set(FACET_ABSENT) < set(ORIGINAL)
    assert not {name for name in names if name.startswith("AU")}


def test_a_column_is_the_mean_of_its_blendshapes():
    numbers = np.arange(2 * len(FACE_COLUMNS), dtype=np.float32).reshape(2, -1)
    face = MeasuredSequence(
        columns=FACE_COLUMNS,
        rate=30.0,
        first=4,
        values=numbers,
        present=np.array([True, False]),
        confidence=np.ones(2, np.float32),
    )
    like = like_facet(face)
    assert (like.columns, like.rate, like.first) == (FACET_COLUMNS, 30, 4)
    assert like.present.tolist() == [True, False]
    ours = {column.name: number for number, column in enumerate(FACET_COLUMNS)}
    of_face = {column.name: number for number, column in enumerate(FACE_COLUMNS)}
    smile = numbers[:, [of_face["mouthSmileLeft"], of_face["mouthSmileRight"]]].mean(axis=1)
    assert np.array_equal(like.values[:, ours["mouthSmile"]], smile)
    assert np.array_equal(like.values[:, ours["jawOpen"]], numbers[:, of_face["jawOpen"]])
    assert np.array_equal(like.values[:, ours["yaw"]], numbers[:, of_face["yaw"]])


def test_without_a_face_there_is_no_step():
    assert like_facet(absent(FACE_COLUMNS, 30.0)).values.shape == (0, len(FACET_COLUMNS))
