"""Blendshapes in the place of FACET's action units, 30 times a second.

Blendshapes are no action units: both describe movements of the same muscles, but on one set of
clips four of them correlated by .25 to .46 with those of a tool that measures action units, and the
rest not at all. Columns therefore bear the blendshape's name.
"""

import dataclasses
from typing import Literal

import numpy as np

from deadpan.extraction.faces import FACE_COLUMNS, SOURCE
from deadpan.extraction.sequences import MeasuredSequence

FACET_RATE = 30.0
"""Steps per second."""
_SIDES = ("Left", "Right")
LIKE_UNITS: dict[str, tuple[str, tuple[str, ...]]] = {
    "AU1": ("browInnerUp", ("",)),
    "AU2": ("browOuterUp", _SIDES),
    "AU4": ("browDown", _SIDES),
    "AU5": ("eyeWide", _SIDES),
    "AU6": ("cheekSquint", _SIDES),
    "AU7": ("eyeSquint", _SIDES),
    "AU9": ("noseSneer", _SIDES),
    "AU10": ("mouthUpperUp", _SIDES),
    "AU12": ("mouthSmile", _SIDES),
    "AU14": ("mouthDimple", _SIDES),
    "AU15": ("mouthFrown", _SIDES),
    "AU17": ("mouthShrugLower", ("",)),
    "AU18": ("mouthPucker", ("",)),
    "AU20": ("mouthStretch", _SIDES),
    "AU24": ("mouthPress", _SIDES),
    "AU26": ("jawOpen", ("",)),
    "AU28": ("mouthRoll", ("Lower", "Upper")),
    "AU43": ("eyeBlink", _SIDES),
}
"""By action unit the blendshape whose description names the same movement, and the endings of the
blendshapes of which a column is the mean."""
POSE: tuple[Literal["pitch", "yaw", "roll"], ...] = ("pitch", "yaw", "roll")

_PARTS = [
    *([f"{name}{ending}" for ending in endings] for name, endings in LIKE_UNITS.values()),
    *([name] for name in POSE),
]
_NUMBERS = {column.name: number for number, column in enumerate(FACE_COLUMNS)}
FACET_COLUMNS = tuple(
    dataclasses.replace(
        FACE_COLUMNS[_NUMBERS[parts[0]]],
        name=name,
        source=SOURCE if len(parts) == 1 else f"mean of {' and '.join(parts)}, {SOURCE}",
    )
    for name, parts in zip([*(name for name, _ in LIKE_UNITS.values()), *POSE], _PARTS, strict=True)
)
"""What is measured of a face, in FACET's order."""

_EMOTION = "FACET's classifiers of emotions are not to be had, and a blendshape names none"
_PERSON = "nothing here tells it, nor should sentiment need it"
FACET_ABSENT = {
    **dict.fromkeys(
        """
        Anger Contempt Disgust Joy Fear Baseline Sadness Surprise Confusion Frustration
        """.split(),
        _EMOTION,
    ),
    **dict.fromkeys(("AU23", "AU25"), "no blendshape describes this movement alone"),
    **dict.fromkeys(("Has_Glasses", "Is_Male"), _PERSON),
}
"""Why for each of FACET's other columns nothing stands."""


def like_facet(face: MeasuredSequence) -> MeasuredSequence:
    """The columns of a face that stand for FACET's."""
    values = [
        face.values[:, [_NUMBERS[part] for part in parts]].mean(axis=1, dtype=np.float32)
        for parts in _PARTS
    ]
    return dataclasses.replace(face, columns=FACET_COLUMNS, values=np.stack(values, axis=1))
