"""Who of those in view speaks: whose mouth moves while a voice is heard."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from deadpan.extraction.readings import FEWEST_FACE_STEPS, Span, steps_within
from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.tracks import FaceTrack

STILL = 0.012
"""Movement up to which a mouth counts as still, a share of the distance of the eyes' outer corners.
Speech of a debate moves it by .021 a step; a crying mouth by .007 to .009, a smile by .004."""
SHARE_SEEN = 0.5
"""Share of an utterance in which a face must be in view before it can be the speaker's."""


def speakers_of(tracks: Sequence[FaceTrack], spans: Sequence[Span]) -> list[int | None]:
    """Index of the track that speaks in each span; None where nobody in view does.

    It is the one whose mouth moves most of those that are seen in half of the span, if it moves
    more than a still mouth. The spans must be those of a voice: a mouth also moves in laughing and
    in chewing. Of two who move their mouths at once, the one who moves it more is taken for the
    speaker, rightly or not.
    """
    return [_speaker(tracks, span) for span in spans]


def only_face(tracks: Sequence[FaceTrack], span: Span) -> int | None:
    """Index of the track that is in view in a span; None where none or several are."""
    in_view = [i for i, track in enumerate(tracks) if _is_seen(track.sequence, span)]
    return in_view[0] if len(in_view) == 1 else None


def _speaker(tracks: Sequence[FaceTrack], span: Span) -> int | None:
    movements = [mouth_movement(track, span) for track in tracks]
    most = max(movements, default=0.0)
    return movements.index(most) if most > STILL else None


def mouth_movement(track: FaceTrack, span: Span) -> float:
    """Mean change of the mouth's opening from step to step within a span; 0 where unseen.

    A change is measured against the mean of the steps on both sides: a mouth that opens slowly
    does not speak.
    """
    if not _is_seen(track.sequence, span):
        return 0.0
    steps = steps_within(track.sequence, span)
    inner = steps[:-2] & steps[1:-1] & steps[2:]
    changes = np.abs(_deviations(track.mouth_openings))[inner]
    return float(changes.mean()) if len(changes) else 0.0


def _is_seen(face: MeasuredSequence, span: Span) -> bool:
    """Whether a face is in view for enough of a span."""
    wanted = max(FEWEST_FACE_STEPS, SHARE_SEEN * (span[1] - span[0]) * face.rate)
    return bool(steps_within(face, span).sum() >= wanted)


def _deviations(openings: Float32[np.ndarray, " step"]) -> Float32[np.ndarray, " inner"]:
    """Distance of each step but the first and the last from the mean of its neighbours."""
    return openings[1:-1] - (openings[:-2] + openings[2:]) / 2
