"""What a generated clip shows: words, the frames of its voice, the frames of its face."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from deadpan.types import AUDIO, TEXT, VISION, Modality

BURST = 0.48  # seconds that a gesture of voice or face lasts
NOISE = 0.3  # deviation of each feature
DECOY = 0.3  # strongest decoy
VOCABULARY_SEED = 20230523  # words and axes are the same whatever the seed of the clips

FILLERS = tuple(
    (
        "the a this that it and so but i we you they he she movie story film scene actor plot part "
        "music was is were had um uh like just really kind of to in on with about for from when "
        "then there what who all one two time way thing people think know mean see watch said went "
        "came made looks"
    ).split()
)
NEGATORS = ("not", "never", "hardly")
POSITIVE = tuple(
    (
        "okay nice pleasant solid good fun sweet lovely great funny moving superb wonderful "
        "brilliant amazing perfect"
    ).split()
)
NEGATIVE = tuple(
    (
        "odd slow bland weak bad dull messy lame poor ugly stupid painful terrible awful horrible "
        "unbearable"
    ).split()
)
STRENGTHS = np.linspace(0.15, 1.0, len(POSITIVE))  # of the words above, weakest first


@dataclasses.dataclass(frozen=True)
class World:
    """Word vectors and the directions in feature space along which voice and face speak."""

    words: Mapping[str, Float[np.ndarray, " text"]]
    pitch: Float[np.ndarray, " audio"]
    energy: Float[np.ndarray, " audio"]
    expression: Float[np.ndarray, " vision"]
    brows: Float[np.ndarray, " vision"]


@dataclasses.dataclass(frozen=True)
class Beat:
    """A place where something is shown.

    Attributes:
        word: index of the word with valence; the one before it may negate it.
        voice: emphasised by the voice.
        face: emphasised by the face.
    """

    word: int
    voice: bool
    face: bool

    @property
    def counts(self) -> bool:
        """Only what is emphasised counts."""
        return self.voice or self.face


def make_world(widths: Mapping[Modality, int], carrier: Modality) -> World:
    """The same world for every seed, at these widths (4 or more each).

    The modality that carries is the clearest: it stands out most from its own noise.
    """
    clarity = {name: 2.5 if name == carrier else 1.0 for name in widths}
    random = np.random.default_rng(VOCABULARY_SEED)

    def axes(width: int) -> Float[np.ndarray, "axis width"]:
        return np.linalg.qr(random.normal(size=(width, 2)))[0].T

    valence, negation = 3.2 * clarity[TEXT] * axes(widths[TEXT])
    words = {word: random.normal(0, NOISE, widths[TEXT]) for word in (*FILLERS, *NEGATORS)}
    # Words with valence differ in their valence alone: were each a direction of its own, an average
    # could tell how strong the words are, whatever their sign, and so how loud a clip is.
    common = random.normal(0, NOISE, widths[TEXT])
    for sign, names in ((1, POSITIVE), (-1, NEGATIVE)):
        for name, strength in zip(names, STRENGTHS, strict=True):
            words[name] = common + sign * strength * valence
    for name in NEGATORS:
        words[name] = words[name] + negation
    pitch, energy = 2.0 * axes(widths[AUDIO])
    expression, brows = 2.0 * axes(widths[VISION])
    pitch, expression = clarity[AUDIO] * pitch, clarity[VISION] * expression
    return World(words=words, pitch=pitch, energy=energy, expression=expression, brows=brows)


def speak(
    random: np.random.Generator, beats: Sequence[Beat], count: int, tendency: float
) -> tuple[list[str], tuple[int, ...]]:
    """Words, and the indices of those that are emphasised."""
    words = [str(word) for word in random.choice(FILLERS, count)]
    salient: list[int] = []
    for beat in beats:
        meant = _shown(random, tendency, beat.counts)
        negated = random.random() < 0.5
        level = int(np.abs(STRENGTHS - abs(meant)).argmin())
        words[beat.word] = (POSITIVE if (meant > 0) != negated else NEGATIVE)[level]
        if negated:
            words[beat.word - 1] = str(random.choice(NEGATORS))
        if beat.counts:
            salient += [beat.word - 1, beat.word] if negated else [beat.word]
    return words, tuple(salient)


def stream(
    random: np.random.Generator,
    gesture: Float[np.ndarray, " width"],
    emphasis: Float[np.ndarray, " width"],
    duration: float,
    rate: float,
    moments: Float[np.ndarray, " beat"],
    tendency: float,
    counts: list[bool],
    emphasised: list[bool],
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Frames of voice or face, their times, and the indices of those that count."""
    steps = max(2, round(duration * rate))
    frames = random.normal(0, NOISE, (steps, len(gesture)))
    half = max(1, round(BURST * rate / 2))
    salient: list[int] = []
    for moment, real, marked in zip(moments, counts, emphasised, strict=True):
        # The whole gesture has to fit, or its two halves would no longer cancel in the average.
        middle = int(np.clip(round(moment * rate), half, max(half, steps - half)))
        before, after = slice(middle - half, middle), slice(middle, middle + half)
        size = _shown(random, tendency, real)
        frames[before] -= size * gesture
        frames[after] += size * gesture
        if marked:
            frames[middle - half : middle + half] += emphasis
        if real:
            salient += range(middle - half, min(middle + half, steps))
    starts = np.arange(steps) / rate
    times = np.stack([starts, starts + 1 / rate], axis=1)
    return frames.astype(np.float32), times.astype(np.float32), tuple(sorted(set(salient)))


def _shown(random: np.random.Generator, tendency: float, counts: bool) -> float:
    """What a modality shows at a beat: its tendency where it counts, else a decoy.

    A modality that has none, because others contradict each other, shows decoys throughout.
    """
    if counts and tendency:
        return tendency
    return float(random.choice((-1, 1)) * random.uniform(0.15, DECOY))
