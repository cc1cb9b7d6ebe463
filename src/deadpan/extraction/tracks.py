"""Faces of a video followed from frame to frame, one track a person.

A face is measured where it was in the frame before. While it stays in view, its place tells whose
it is; after a cut or an absence, the colours of the face and around it do. That tells people apart
who differ in skin, hair, clothes or light in a thumbnail of their heads. It recognises nobody:
people who look alike in it become one, and one person whose light or clothes change becomes two.
"""

import dataclasses
import math
from array import array

import numpy as np
from jaxtyping import Float16, Float32, UInt8

from deadpan.extraction.faces import FACE_COLUMNS, Face, FaceLandmarker, is_same_face
from deadpan.extraction.media import Frame
from deadpan.extraction.sequences import MeasuredSequence

FACE_RATE = 15.0
"""Steps per second."""
SEARCH = 0.5
"""Seconds from one search for further faces to the next."""
RETRY = 0.2
"""Seconds from one search to the next while no face is seen. A face that goes, or changes into
another, brings one at once."""
GAP = 0.5
"""Seconds for which a face that went is looked for where it was."""
HOLD = 0.25
"""Seconds for which what was measured in a frame holds while the frame is on show."""
ROUNDED, EARLY = 0.01, 0.4
"""Steps by which a frame may come before its step, for containers round times: to milliseconds;
and, where two frames would share a step, to a coarser clock."""
LIKENESS = 0.75
"""Least correlation of a face's thumbnails in two frames that follow each other, without colour.
In 20 s of a face that turns, with a hand before it, it is above .87; among three people below .71.
"""
DIFFERENCE = 0.17
"""Greatest root mean square difference of the mean thumbnails of one person, with black 0 and white
1. Of that face, two seconds differ by less than .15 in 95 of 100 pairs; the three people by .20."""
SHORTEST = 3
"""Steps: a person seen in fewer is taken for an error of the detector, unless frames are fewer."""
CONFIDENCE = [column.name for column in FACE_COLUMNS].index("face_confidence")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FaceTrack:
    """The face of one person over a recording.

    Attributes:
        sequence: the numbers of :data:`~deadpan.extraction.faces.FACE_COLUMNS`, of half precision
            (blendshapes to .0005); a step in which the face was not seen is absent.
        boxes: left, top, right and bottom as shares of the frame; 0 where absent.
        mouth_openings: distance of the lips over that of the eyes' outer corners; 0 where absent.
        mouths: x and y of the lips' middle as shares of the frame; 0 where absent.
    """

    sequence: MeasuredSequence
    boxes: Float32[np.ndarray, "step 4"]
    mouth_openings: Float32[np.ndarray, " step"]
    mouths: Float32[np.ndarray, "step 2"]


def thinned(track: FaceTrack, factor: int) -> FaceTrack:
    """A track of every so many steps of the clock; itself where the factor is 1."""
    if factor == 1:
        return track
    sequence = track.sequence
    first = -(-sequence.first // factor)
    steps = slice(first * factor - sequence.first, None, factor)
    return FaceTrack(
        sequence=dataclasses.replace(
            sequence,
            rate=sequence.rate / factor,
            first=first,
            values=sequence.values[steps],
            present=sequence.present[steps],
            confidence=sequence.confidence[steps],
        ),
        boxes=track.boxes[steps],
        mouth_openings=track.mouth_openings[steps],
        mouths=track.mouths[steps],
    )


class FaceTracker:
    """Measures the faces of a video, given its frames one after the other.

    It holds, of the frame before, the crops of its faces; of all frames before, 140 bytes for each
    face and step. Any number of people may be in view. Each costs 8 to 10 ms of a processor a frame
    at 640 x 360 pixels, the search for others 2 ms; at 1920 x 1080 both together cost 32 ms, for
    there is more to copy: :func:`~deadpan.extraction.media.read` reduces frames.

    Args:
        landmarker: what finds and measures faces.
        rate: steps per second; of frames that fall into one step, the first counts.
    """

    def __init__(self, landmarker: FaceLandmarker, *, rate: float = FACE_RATE) -> None:
        self._landmarker, self._rate = landmarker, rate
        self._runs: list[_Run] = []
        self._followed: list[_Run] = []
        self._time, self._first, self._search_at = -math.inf, 0, 0
        self._step: int | None = None
        self._shape: tuple[int, ...] = ()

    def push(self, frame: Frame) -> None:
        """Measure the faces of the next frame.

        Raises:
            ValueError: the frame is not later than the one before.
        """
        if frame.time <= self._time:
            raise ValueError(f"a frame at {frame.time} s follows one at {self._time} s")
        self._time = frame.time
        step = self._step_at(frame.time)
        if step == self._step:
            return
        if self._step is None:
            self._first = self._search_at = step
        elif step - self._step <= HOLD * self._rate:
            for run in self._followed:
                run.hold(self._step, step)
        if frame.image.shape != self._shape:
            self._followed.clear()
            self._search_at = step
        self._step, self._shape = step, frame.image.shape
        seen = self._follow(frame.image, step)
        if step >= self._search_at:
            seen += self._search(frame.image, step, seen)
            self._search_at = step + round((SEARCH if seen else RETRY) * self._rate)

    def in_view(self) -> tuple[int, list[Face]]:
        """The step of the last frame, and the faces that were measured in it."""
        if self._step is None:
            return 0, []
        return self._step, [run.face for run in self._followed if run.steps[-1] == self._step]

    def tracks(self) -> list[FaceTrack]:
        """The people seen so far, first who was seen longest."""
        shortest = 0 if self._step is None else min(SHORTEST, self._step - self._first + 1)
        people = [person for person in _people(self._runs) if len(person.steps) >= shortest]
        people.sort(key=lambda person: -len(person.steps))
        return [person.track(self._rate) for person in people]

    def _step_at(self, time: float) -> int:
        """The step that a frame is of: where the times of two are rounded into one, the next."""
        step = math.floor(time * self._rate + ROUNDED)
        if self._step is not None and step <= self._step:
            early = self._step + 1 - time * self._rate
            return self._step + (early <= EARLY)
        return step

    def _follow(self, image: UInt8[np.ndarray, "height width 3"], step: int) -> list[Face]:
        """Measure the faces of the frame before where they were."""
        seen: list[Face] = []
        for run in tuple(self._followed):
            face = self._landmarker.measure(image, run.face.region)
            if face is None:
                if not run.is_lost:
                    run.is_lost, self._search_at = True, step
                if step - run.steps[-1] > GAP * self._rate:
                    self._followed.remove(run)
            elif any(is_same_face(face, other) for other in seen):
                self._followed.remove(run)
            elif run.likeness(face) < LIKENESS:
                self._followed.remove(run)
                self._search_at = step
            else:
                run.add(step, face, image.shape)
                seen.append(face)
        return seen

    def _search(
        self, image: UInt8[np.ndarray, "height width 3"], step: int, seen: list[Face]
    ) -> list[Face]:
        """Find faces besides those seen: one that was lost nearby, or a new one."""
        new = [
            face
            for face in self._landmarker.find(image)
            if not any(is_same_face(face, other) for other in seen)
        ]
        for face in new:
            lost = [run for run in self._followed if run.is_lost and run.may_be(face)]
            if lost:
                max(lost, key=lambda run: run.likeness(face)).add(step, face, image.shape)
            else:
                run = _Run(step, face, image.shape)
                self._runs.append(run)
                self._followed.append(run)
        return new


class _Run:
    """One stay of a face in view.

    Attributes:
        steps: where it was measured.
        face: as last measured.
        is_lost: whether it has gone since, and is looked for.
        thumbnails: the sum of its thumbnails.
        count: how many these are.
    """

    def __init__(self, step: int, face: Face, shape: tuple[int, ...]) -> None:
        self.steps = array("q")
        self._rows, self.thumbnails, self.count = bytearray(), np.zeros((16, 16, 3)), 0
        self.add(step, face, shape)

    def add(self, step: int, face: Face, shape: tuple[int, ...]) -> None:
        """Add what was measured at a step in an image of a shape."""
        self.face, self.is_lost = face, False
        self.thumbnails, self.count = self.thumbnails + face.thumbnail, self.count + 1
        left, top, right, bottom = box = face.box(shape[0], shape[1])
        middle = [(left + right) / 2, (top + bottom) / 2, right - left]
        mouth = face.mouth(shape[0], shape[1])
        row = [*face.blendshapes, *face.pose, *middle, face.presence]
        row += [*box, face.mouth_opening, *mouth]
        self.steps.append(step)
        self._rows += np.array(row, np.float16).tobytes()

    def hold(self, step: int, until: int) -> None:
        """Repeat what was measured at a step, if anything was, for the steps before another."""
        if self.steps[-1] == step:
            row = self._rows[-len(self._rows) // len(self.steps) :]
            self.steps.extend(range(step + 1, until))
            self._rows += row * (until - step - 1)

    def likeness(self, face: Face) -> float:
        """Correlation in [-1, 1] of a face's thumbnail with the last one, without colour."""
        one, other = (each.thumbnail.mean(2) for each in (self.face, face))
        one, other = one - one.mean(), other - other.mean()
        size = math.sqrt((one**2).sum() * (other**2).sum())
        return float((one * other).sum()) / size if size else 0.0

    def may_be(self, face: Face) -> bool:
        """Whether a face looks like this one and is not further off than it is large."""
        one, other = self.face.region, face.region
        is_near = math.dist((one.x, one.y), (other.x, other.y)) < one.side
        return is_near and self.likeness(face) >= LIKENESS

    def rows(self) -> Float16[np.ndarray, "step number"]:
        """The columns, the box, and the mouth's opening and place of each step."""
        return np.frombuffer(bytes(self._rows), np.float16).reshape(len(self.steps), -1)


class _Person:
    """The stays of one person.

    Attributes:
        runs: the stays, which share no step.
        steps: those in which the person was measured.
    """

    def __init__(self, run: _Run) -> None:
        self.runs, self.steps = [run], set(run.steps)
        self._thumbnails, self._count = run.thumbnails, run.count

    def add(self, run: _Run) -> None:
        """Add a stay."""
        self.runs.append(run)
        self.steps.update(run.steps)
        self._thumbnails, self._count = self._thumbnails + run.thumbnails, self._count + run.count

    def difference(self, run: _Run) -> float:
        """How a stay's looks differ from this person's; infinite if they are in view at once."""
        if not self.steps.isdisjoint(run.steps):
            return math.inf
        apart = run.thumbnails / run.count - self._thumbnails / self._count
        return math.sqrt((apart**2).mean())

    def track(self, rate: float) -> FaceTrack:
        """The steps of all stays in one sequence."""
        first, last = min(self.steps), max(self.steps)
        columns = len(FACE_COLUMNS)
        numbers = np.zeros((last - first + 1, columns + 7), np.float32)
        present = np.zeros(len(numbers), bool)
        for run in self.runs:
            steps = np.array(run.steps) - first
            numbers[steps], present[steps] = run.rows(), True
        return FaceTrack(
            sequence=MeasuredSequence(
                columns=FACE_COLUMNS,
                rate=rate,
                first=first,
                values=numbers[:, :columns],
                present=present,
                confidence=numbers[:, CONFIDENCE],
            ),
            boxes=numbers[:, columns : columns + 4],
            mouth_openings=numbers[:, columns + 4],
            mouths=numbers[:, columns + 5 :],
        )


def _people(runs: list[_Run]) -> list[_Person]:
    """Who was seen in which stays: from the longest on, each joins whom it looks like most."""
    people: list[_Person] = []
    for run in sorted(runs, key=lambda run: -len(run.steps)):
        differences = [person.difference(run) for person in people]
        nearest = int(np.argmin(differences)) if people else 0
        if people and differences[nearest] <= DIFFERENCE:
            people[nearest].add(run)
        else:
            people.append(_Person(run))
    return people
