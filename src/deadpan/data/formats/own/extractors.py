"""Tables of feature extractors: which columns are times, faces and confidence, and no features."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Num

from deadpan.data.containers.files import printable
from deadpan.errors import DataError
from deadpan.types import Modality

START, END, POINT = "start", "end", "time"
FRAME, FACE, CONFIDENCE, SUCCESS, OTHER = "frame", "face", "confidence", "success", "other"
COLUMNS: Mapping[str, str] = {
    **dict.fromkeys(("start", "start_time", "starttime", "begin", "begin_time"), START),
    **dict.fromkeys(("end", "end_time", "endtime", "stop"), END),
    **dict.fromkeys(("time", "timestamp", "time_stamp", "frametime", "video_time"), POINT),
    **dict.fromkeys(("times", "timestamps"), POINT),
    **dict.fromkeys(("frame", "frame_id", "frame_number", "frameindex", "frame_index"), FRAME),
    **dict.fromkeys(("face_id", "face"), FACE),
    **dict.fromkeys(("confidence", "facescore"), CONFIDENCE),
    "success": SUCCESS,
    **dict.fromkeys(("name", "file", "filename", "input", "unnamed:_0"), OTHER),
    **dict.fromkeys(("approx_time", "frameheight", "framewidth"), OTHER),
    **dict.fromkeys(("word", "words", "token", "text", "phone", "phoneme"), OTHER),
}
"""Columns that are no features, by name: of OpenFace (frame, face_id, timestamp, confidence,
success; face of single pictures), openSMILE (name, frameIndex, frameTime; file, start, end in
Python), py-feat (FaceScore, input, approx_time, FrameHeight, FrameWidth) and pandas (Unnamed: 0);
and the word or sound of a step, which may be a number.
"""
UNIT = re.compile(r"(?P<name>.+?)_?[(\[]?(?P<unit>ms|msec|milliseconds|s|sec|seconds)[)\]]?")
SINCE_1970 = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""Least value of a clock since 1970 that counts nano-, micro- or milliseconds, and how many of
them are a second; in seconds, 1e11 is the year 5138."""
LATE, SPANS = 60.0, 10
"""Times that start after this many seconds, and after this many times their own span, are those of
a clock or of a whole recording, and not of a clip whose face is found late."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Remark:
    """Something that was done to a file of features, to be added up over all files.

    Attributes:
        count: how many.
        noun: of what, in the plural: "steps".
        predicate: what was done to them, for a user.
    """

    count: int
    noun: str
    predicate: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Features:
    """The features of one clip in one modality.

    Attributes:
        values: any type of number, finite or not.
        names: names of the features; empty if the file has none.
        times: start and end of each step in seconds; None if unknown.
        remarks: what of the file was not taken as features.
    """

    values: Num[np.ndarray, "step width"]
    names: tuple[str, ...] = ()
    times: Float[np.ndarray, "step 2"] | None = None
    remarks: tuple[Remark, ...] = ()


def column_role(name: str) -> tuple[str, float]:
    """What a column is by its name, and the seconds that 1 in it is; "" for a feature."""
    plain = name.strip(" '\"").lower().replace(" ", "_")
    if role := COLUMNS.get(plain):
        return role, 1.0
    bare, scale = without_unit(plain)
    role = COLUMNS.get(bare, "")
    return (role, scale) if role in (START, END, POINT) else ("", 1.0)


def without_unit(name: str) -> tuple[str, float]:
    """A name without the unit of time at its end, such as _ms, and the seconds that 1 in it is."""
    if match := UNIT.fullmatch(name.lower().replace(" ", "_")):
        return match["name"], 1e-3 if match["unit"].startswith("m") else 1.0
    return name, 1.0


def separate_features(
    path: Path,
    names: tuple[str, ...],
    values: Num[np.ndarray, "row column"],
    texts: Sequence[int] = (),
) -> Features:
    """Separate the features of a table from what extractors write beside them.

    - ``start`` and ``end``, or else ``time`` or ``timestamp``, are seconds (``time_ms``
      milliseconds).
    - A row whose ``success`` or, without that, whose ``confidence`` is 0 or empty is left out: the
      step is missing.
    - Several rows of one frame or time are of several faces. The face with the highest confidence
      is taken: of those with a ``face_id``, the one with the highest sum.
    - Other columns of ``COLUMNS`` and columns of text are no features.

    Args:
        path: the file, for messages.
        names: names of the columns, or none.
        values: the table; NaN in columns of texts.
        texts: indices of columns of texts.

    Raises:
        DataError: there is no column of features, times go back, or nothing says which of several
            faces to take.
    """
    roles = [column_role(name) for name in names] or [("", 1.0)] * values.shape[1]
    features = [i for i, (role, _) in enumerate(roles) if not role and i not in texts]
    if not features:
        also = f" (only {printable(', '.join(names))})" if any(names) else ""
        raise DataError(f"{path}: has no column of features{also}; add one")
    columns: dict[str, Float[np.ndarray, " row"]] = {}
    for i, (role, scale) in enumerate(roles):
        if role and i not in texts:
            columns.setdefault(role, values[:, i].astype(np.float64) * scale)
    rows, remarks = _rows_of_one_face(path, columns, len(values))
    times = _times(path, {role: column[rows] for role, column in columns.items()})
    success = next((role for role in (SUCCESS, CONFIDENCE) if role in columns), "")
    present = columns[success][rows] > 0 if success else np.ones(len(rows), dtype=bool)
    if not present.all():
        missing = int(len(rows) - present.sum())
        predicate = f"are without {success} and were left out as missing"
        remarks.append(Remark(count=missing, noun="steps", predicate=predicate))
    unused = [name.strip() for name, (role, _) in zip(names, roles, strict=False) if role]
    if {role for role, _ in roles} <= {"", START, END, POINT}:  # one's own, as documented
        unused = []
    skipped = [names[i].strip() if names else f"column {i + 1}" for i in texts if not roles[i][0]]
    for listing, kind in ((unused, "that are no features"), (skipped, "of text, which is skipped")):
        if listing:
            predicate = f"have columns {kind}: {printable(', '.join(listing))}"
            remarks.append(Remark(count=1, noun="files", predicate=predicate))
    return Features(
        values=values[rows[present]][:, features],
        names=tuple(names[i].strip() for i in features) if names else (),
        times=None if times is None else times[present],
        remarks=tuple(remarks),
    )


Columns = Mapping[str, Float[np.ndarray, " row"]]
"""The columns of a table that are no features, by role."""


def _rows_of_one_face(
    path: Path, columns: Columns, count: int
) -> tuple[Int[np.ndarray, " step"], list[Remark]]:
    """The rows of the most confident face, if some rows are of the same frame and time."""
    rows = np.arange(count)
    step = _step_of_rows(columns, count)
    twice = np.flatnonzero(np.bincount(step, minlength=1) > 1)
    if not len(twice):
        return rows, []
    if CONFIDENCE not in columns:
        first, second = np.flatnonzero(step == twice[0])[:2] + 1
        at = next(
            (f" {columns[role][first - 1]:g}" for role in (POINT, START, FRAME) if role in columns),
            "",
        )
        raise DataError(
            f"{path}: steps {first} and {second} have the same time{at} (two faces?), and no "
            f"column confidence says which to take; keep one row per step"
        )
    confidence = np.nan_to_num(columns[CONFIDENCE]) * (columns.get(SUCCESS, np.ones(count)) > 0)
    predicate = "have several faces at one time, of which the most confident was taken"
    remarks = [Remark(count=1, noun="files", predicate=predicate)]
    if FACE in columns:
        faces, face = np.unique(columns[FACE], return_inverse=True)
        chosen = np.bincount(face, weights=confidence, minlength=len(faces)).argmax()
        rows = rows[face == chosen]
        if others := len(np.unique(step)) - len(np.unique(step[rows])):
            predicate = "show only another face and were left out as missing"
            remarks.append(Remark(count=others, noun="steps", predicate=predicate))
    order = np.lexsort((-confidence[rows], step[rows]))  # by step, the most confident first
    _, first_of_step = np.unique(step[rows][order], return_index=True)
    return np.sort(rows[order][first_of_step]), remarks


def _step_of_rows(columns: Columns, count: int) -> Int[np.ndarray, " row"]:
    """Number of the step of each row: equal for rows of the same frame and time."""
    own = np.arange(count, dtype=np.float64)
    keys = [columns[role] for role in (FRAME, POINT) if role in columns]
    if START in columns and END in columns:
        # Words may lie in the same moment, if they take no time.
        moment = np.where(columns[END] > columns[START], -1, own)
        keys = [columns[START], columns[END], moment]
    elif not keys:  # a table of faces without frames is of one picture
        keys = [np.zeros(count) if FACE in columns else own]
    return np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)[1].reshape(count)


def _times(path: Path, columns: Columns) -> Float[np.ndarray, "step 2"] | None:
    edges = [role for role in (START, END) if role in columns]
    if len(edges) == 1:
        raise DataError(f"{path}: has a column {edges[0]} alone; wanted start and end, or neither")
    if not edges and POINT not in columns:
        return None
    seconds = np.stack([columns[role] for role in edges or (POINT,)], axis=1)
    return step_times(path, seconds)


def step_times(path: Path, seconds: Float[np.ndarray, "step _"]) -> Float[np.ndarray, "step 2"]:
    """Start and end of each step from its start, or from both; a clock's fractions are converted.

    Raises:
        DataError: a time is not finite, or goes back.
    """
    if not len(seconds):
        return np.zeros((0, 2))
    per_second = next((unit for least, unit in SINCE_1970 if seconds[0, 0] >= least), 1)
    # opensmile in Python leaves the end of a whole file open.
    ends_known = seconds.shape[1] == 2 and not np.isnan(seconds[:, 1]).all()
    times = (seconds if ends_known else _spans(seconds[:, 0])) / per_second
    wrong = ~(np.isfinite(times).all(axis=1) & (times[:, 0] <= times[:, 1]))
    wrong[1:] |= times[1:, 0] < times[:-1, 0]
    if wrong.any():
        step = int(wrong.argmax())
        shown = ", ".join(f"{time:g}" for time in seconds[step])
        raise DataError(
            f"{path}: step {step + 1} has the time {shown}; wanted seconds that do not go back"
        )
    return times


def _spans(starts: Float[np.ndarray, " step"]) -> Float[np.ndarray, "step 2"]:
    """Intervals from starts: each step lasts until the next, the last as long as the one before."""
    last = starts[-1] + (starts[-1] - starts[-2] if len(starts) > 1 else 0)
    return np.stack([starts, np.append(starts[1:], last)], axis=1)


def clock_offsets(
    times: Mapping[Modality, Float[np.ndarray, "step 2"]],
) -> dict[Modality, float]:
    """The first time of the clock by which a modality of a clip is timed, if one is.

    A modality's times are those of a clock (since 1970, or of a whole recording) if they start far
    from 0 (see ``LATE``), unless another modality of the clip, whose times do not, lasts as long.
    Modalities that start as far from one another are timed by different clocks.
    """
    near = {
        name: x
        for name, x in times.items()
        if x[0, 0] <= max(LATE, SPANS * (x[:, 1].max() - x[0, 0]))
    }
    end = max((float(x[:, 1].max()) for x in near.values()), default=-np.inf)
    far = {name: x for name, x in times.items() if name not in near and x[0, 0] > end}
    if not far:
        return {}
    first = min(float(x[0, 0]) for x in far.values())
    later = clock_offsets({name: x - first for name, x in far.items()})
    return {name: first + later.get(name, 0.0) for name in far}
