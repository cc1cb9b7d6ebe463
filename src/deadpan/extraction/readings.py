"""Training-free readings of an utterance: a smile, words of a lexicon, a voice's arousal.

Nothing here is learned from labels. Constants are stated with where they come from; none was
fitted to a corpus.
"""

import math
import types
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from deadpan.errors import DeadpanError
from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.timeline import Reading
from deadpan.extraction.utterances import Word

SMILE = ("mouthSmileLeft", "mouthSmileRight")
SMILE_QUANTILE = 0.8
"""The strength of an utterance's smile is this quantile over its steps: smiles come and go."""
REST_QUANTILE = 0.2
"""A person's resting face is this quantile over all steps in which they are seen."""
MOST_REST = 0.3
"""A resting face has no stronger smile: who smiles all the time is not at rest."""
NEUTRAL_SMILE = 0.3
"""A smile this far above the resting face reads as neither positive nor negative."""
SMILE_SCALE = 0.2
"""Distance from a neutral smile at which the reading is tanh(1) = .76."""
SHUT, UPPER_LIP = ("eyeBlinkLeft", "eyeBlinkRight"), ("mouthUpperUpLeft", "mouthUpperUpRight")
MOST_SHUT, LEAST_TEETH = 0.5, 0.2
"""A wide mouth under shut eyes that shows no teeth is a grimace as often as a smile: the network of
blendshapes calls tears a smile of .6 to .9. Such steps are not read."""
FEWEST_FACE_STEPS = 5
"""A third of a second at 15 Hz: of fewer steps, a blink of the tracker would be a reading."""

LEAST_PROBABILITY = 0.6
"""A word recognised with less does not count as sure."""
FEWEST_SURE_WORDS = 3
"""Words that must be sure before words contradict a face: a single misheard "not" would do it."""

FEWEST_UTTERANCES = 3
"""Utterances of a speaker before one of them can be louder or higher than usual."""
AROUSAL_SCALE = 1.5
"""Standard deviations at which arousal is tanh(1) = .76."""

CLEAR = 0.4
"""A reading farther than this from 0 takes a side; nearer ones contradict nothing."""
SMILE_ON_NEGATIVE = "a smile on negative words"
NO_SMILE_ON_POSITIVE = "positive words without a smile"

Span = tuple[float, float]
"""Start and end in seconds from the recording's start."""


def steps_within(sequence: MeasuredSequence, span: Span) -> Bool[np.ndarray, " step"]:
    """Whether each step was measured and has its middle within a span."""
    middles = sequence.times().mean(axis=1)
    return sequence.present & (span[0] <= middles) & (middles < span[1])


def column_values(sequence: MeasuredSequence, *names: str) -> Float[np.ndarray, " step"]:
    """The mean of some columns at every step."""
    columns = [column.name for column in sequence.columns]
    return sequence.values[:, [columns.index(name) for name in names]].mean(axis=1)


def read_face(face: MeasuredSequence, spans: Sequence[Span]) -> list[Reading]:
    """Read one person's smile in each of some spans against the person's own resting face.

    Args:
        face: blendshapes of the person, over the whole recording.
        spans: of the utterances.
    """
    if not face.present.any():
        return [_abstention("no face in view")] * len(spans)
    smile = column_values(face, *SMILE)
    is_shut = column_values(face, *SHUT) > MOST_SHUT
    is_readable = ~(is_shut & (column_values(face, *UPPER_LIP) < LEAST_TEETH))
    at_rest = face.present & is_readable
    rest = float(np.quantile(smile[at_rest], REST_QUANTILE)) if at_rest.any() else 0.0
    rest = min(MOST_REST, rest)
    readings = []
    for span in spans:
        steps = steps_within(face, span) & is_readable
        if steps.sum() < FEWEST_FACE_STEPS:
            readings.append(_abstention("the face is not in view, or its eyes are shut"))
            continue
        strength = float(np.quantile(smile[steps], SMILE_QUANTILE))
        duration = max((span[1] - span[0]) * face.rate, float(steps.sum()))  # in steps
        readings.append(
            Reading(
                value=math.tanh((strength - rest - NEUTRAL_SMILE) / SMILE_SCALE),
                confidence=float(face.confidence[steps].sum() / duration),
            )
        )
    return readings


class Lexicon:
    """VADER's lexicon and rules (Hutto and Gilbert 2014); it abstains where it knows no word.

    Raises:
        DeadpanError: vaderSentiment is not installed.
    """

    def __init__(self) -> None:
        self._analyzer = _vader().SentimentIntensityAnalyzer()

    def read(self, words: Sequence[Word]) -> Reading:
        """Read the words of an utterance.

        The value is VADER's compound score. The confidence is the mean probability of the words,
        in proportion to how many of ``FEWEST_SURE_WORDS`` are sure.
        """
        if not words:
            return _abstention("no words")
        scores = self._analyzer.polarity_scores(" ".join(word.text for word in words))
        if scores["pos"] == scores["neg"] == 0:  # no word of the lexicon: that is not neutral
            return _abstention("no word of the lexicon")
        sure = sum(word.probability > LEAST_PROBABILITY for word in words)
        mean = sum(word.probability for word in words) / len(words)
        return Reading(
            value=float(scores["compound"]),
            confidence=mean * min(1.0, sure / FEWEST_SURE_WORDS),
        )


def read_voice(
    voice: MeasuredSequence, spans: Sequence[Span], columns: Sequence[str]
) -> list[Reading]:
    """Read the arousal of one speaker's voice in each of some spans, against the others of them.

    It is the mean, over columns such as loudness and pitch, of how many standard deviations the
    span's mean lies above the mean of all the speaker's spans. It tells calm from aroused and not
    negative from positive.

    Args:
        voice: descriptors of the recording's sound.
        spans: of all utterances of one speaker.
        columns: those that rise with arousal.
    """
    present = [steps_within(voice, span) for span in spans]
    heard = [index for index, steps in enumerate(present) if steps.any()]
    readings = [_abstention("no voice") for _ in spans]
    if len(heard) < FEWEST_UTTERANCES:
        for index in heard:
            readings[index] = _abstention(
                f"fewer than {FEWEST_UTTERANCES} utterances of this speaker to compare with"
            )
        return readings
    means = np.array(
        [[column_values(voice, name)[present[i]].mean() for name in columns] for i in heard],
        dtype=np.float64,
    )
    deviations = means.std(axis=0)
    scores = (means - means.mean(axis=0)) / np.where(deviations > 0, deviations, 1)
    for index, score in zip(heard, scores.mean(axis=1), strict=True):
        readings[index] = Reading(
            value=math.tanh(float(score) / AROUSAL_SCALE),
            confidence=float(voice.confidence[present[index]].mean()),
        )
    return readings


def incongruity_of(words: Sequence[Word], text: Reading, face: Reading) -> str:
    """How words and face of an utterance disagree; "" where they do not, or one is not sure.

    Both must take a side by more than ``CLEAR``, and ``FEWEST_SURE_WORDS`` words be sure. The
    voice, which has no side, contradicts nothing.
    """
    sure = sum(word.probability > LEAST_PROBABILITY for word in words)
    if text.value is None or face.value is None or sure < FEWEST_SURE_WORDS:
        return ""
    if min(text.confidence, face.confidence) < LEAST_PROBABILITY:
        return ""
    if text.value < -CLEAR and face.value > CLEAR:
        return SMILE_ON_NEGATIVE
    if text.value > CLEAR and face.value < -CLEAR:
        return NO_SMILE_ON_POSITIVE
    return ""


def _abstention(reason: str) -> Reading:
    return Reading(value=None, confidence=0.0, reason=reason)


def _vader() -> types.ModuleType:
    """VADER's module."""
    try:
        from vaderSentiment import vaderSentiment
    except ImportError:
        raise DeadpanError(
            "reading words needs vaderSentiment; run: pip install 'deadpan[video]'"
        ) from None
    return vaderSentiment
