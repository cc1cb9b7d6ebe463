"""The ``controlled`` corpus: generated clips with ground truth.

Every clip has a few *beats*. At each one a word with valence is spoken (a negator before it flips
it), the pitch of the voice rises or falls, and an expression flows over the face, 120 ms ahead of
the voice. The beats of one phrase are emphasised, by bursts of energy in the voice or by raised
brows: only these count for the label; the others are decoys of random sign. In a congruent clip the
carrying modality decides the label and the others show the same sign weakly. In an incongruent clip
two modalities clearly contradict each other, and the negative one decides the label.

By construction, averages over time carry no information about the label: half of the valence words
follow a negator, whatever the label, so the mean valence of the words is independent of it; and a
rising pitch has the same frames as a falling one in another order, as have the expressions of the
face.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from deadpan.data.dataset import Clip, Dataset, Truth
from deadpan.errors import DataError
from deadpan.types import AUDIO, MODALITIES, TEXT, VISION, Modality

BURST = 0.48  # seconds that a gesture of voice or face lasts
NOISE = 0.3  # deviation of each feature
DECOY = 0.3  # strongest decoy
MOST_CLIPS, LARGEST_WIDTH = 1_000_000, 10_000
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
    """Word vectors, and the directions in feature space of pitch, energy, expression and brows."""

    words: Mapping[str, Float[np.ndarray, " text"]]
    pitch: Float[np.ndarray, " audio"]
    energy: Float[np.ndarray, " audio"]
    expression: Float[np.ndarray, " vision"]
    brows: Float[np.ndarray, " vision"]


@dataclasses.dataclass(frozen=True)
class Beat:
    """A moment at which every modality shows valence; voice or face may emphasise it."""

    word: int  # index of the word with valence; the one before it may negate it
    voice: bool
    face: bool

    @property
    def counts(self) -> bool:
        """Whether the beat is emphasised; only such beats count for the label."""
        return self.voice or self.face


def make_world(widths: Mapping[Modality, int], carrier: Modality) -> World:
    """Draw word vectors and directions of these widths (4 or more each), the same for every seed.

    The carrying modality has the highest signal-to-noise ratio.
    """
    clarity = {name: 2.5 if name == carrier else 1.0 for name in widths}
    random = np.random.default_rng(VOCABULARY_SEED)

    def axes(width: int) -> Float[np.ndarray, "axis width"]:
        return np.linalg.qr(random.normal(size=(width, 2)))[0].T

    valence, negation = 3.2 * clarity[TEXT] * axes(widths[TEXT])
    words = {word: random.normal(0, NOISE, widths[TEXT]) for word in (*FILLERS, *NEGATORS)}
    # Words with valence differ in their valence alone. If each had a direction of its own, an
    # average over time could tell how strong the words are, and so how strong the label is.
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


def _generate_words(
    random: np.random.Generator, beats: Sequence[Beat], count: int, tendency: float
) -> tuple[list[str], tuple[int, ...]]:
    """Generate the words of a clip, and the indices of those that are emphasised."""
    words = [str(word) for word in random.choice(FILLERS, count)]
    salient: list[int] = []
    for beat in beats:
        meant = _amplitude(random, tendency, beat.counts)
        negated = random.random() < 0.5
        level = int(np.abs(STRENGTHS - abs(meant)).argmin())
        words[beat.word] = (POSITIVE if (meant > 0) != negated else NEGATIVE)[level]
        if negated:
            words[beat.word - 1] = str(random.choice(NEGATORS))
        if beat.counts:
            salient += [beat.word - 1, beat.word] if negated else [beat.word]
    return words, tuple(salient)


def _generate_frames(
    random: np.random.Generator,
    gesture: Float[np.ndarray, " width"],  # direction of pitch or expression
    emphasis: Float[np.ndarray, " width"],  # direction of energy or brows
    duration: float,  # of the clip in seconds
    rate: float,  # frames per second
    moments: Float[np.ndarray, " beat"],  # middle of each gesture in seconds
    tendency: float,  # the sentiment that the modality shows, in [-1, 1]
    counts: list[bool],  # whether each beat counts for the label
    emphasised: list[bool],  # whether this modality emphasises each beat
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Generate the frames of voice or face, their times, and the indices of those that count."""
    steps = max(2, round(duration * rate))
    frames = random.normal(0, NOISE, (steps, len(gesture)))
    half = max(1, round(BURST * rate / 2))
    salient: list[int] = []
    for moment, real, marked in zip(moments, counts, emphasised, strict=True):
        # The whole gesture must fit, or its two halves would not cancel in the average over time.
        middle = int(np.clip(round(moment * rate), half, max(half, steps - half)))
        before, after = slice(middle - half, middle), slice(middle, middle + half)
        size = _amplitude(random, tendency, real)
        frames[before] -= size * gesture
        frames[after] += size * gesture
        if marked:
            frames[middle - half : middle + half] += emphasis
        if real:
            salient += range(middle - half, min(middle + half, steps))
    starts = np.arange(steps) / rate
    times = np.stack([starts, starts + 1 / rate], axis=1)
    return frames.astype(np.float32), times.astype(np.float32), tuple(sorted(set(salient)))


def _amplitude(random: np.random.Generator, tendency: float, counts: bool) -> float:
    """The valence that a modality shows at a beat: its tendency if the beat counts, else a decoy.

    A modality without a tendency, in a clip whose other two contradict each other, shows decoys.
    """
    if counts and tendency:
        return tendency
    return float(random.choice((-1, 1)) * random.uniform(0.15, DECOY))


WORD_RATE, AUDIO_RATE, VISION_RATE = 2.9, 12.5, 15.0  # per second
VISION_LEAD = 0.12  # seconds by which the face precedes the voice (Grant and Greenberg 2001)
MEAN_DURATION, SHORTEST, LONGEST = 4.4, 1.6, 14.0  # seconds

KINDS: dict[str, tuple[Modality, dict[Modality, float]]] = {
    "sarcasm": (AUDIO, {TEXT: 1.0, AUDIO: -1.0, VISION: 0.0}),
    "politeness": (TEXT, {TEXT: -1.0, AUDIO: 0.0, VISION: 1.0}),
    "masking": (AUDIO, {TEXT: 0.0, AUDIO: -1.0, VISION: 1.0}),
    "eye-roll": (VISION, {TEXT: 1.0, AUDIO: 0.0, VISION: -1.0}),
    "backhanded": (TEXT, {TEXT: -1.0, AUDIO: 1.0, VISION: 0.0}),
    "grimace": (VISION, {TEXT: 0.0, AUDIO: 1.0, VISION: -1.0}),
}
"""Kinds of incongruity: the modality that agrees with the label, and the sign each one shows."""

EMPHASIS = ((True, False), (False, True), (True, True))
"""Whether voice and face emphasise a phrase; one of these is drawn."""

LED_BY_CARRIER = 0.5  # share of incongruent clips whose label agrees with the carrying modality
QUIET = 0.15  # amplitude of the other modalities in congruent clips, relative to the carrier's
POSITIVE_SHARE = 0.75  # of congruent clips; incongruent ones are negative
LABEL_NOISE = 0.15  # deviation of the label around the truth, on the scale [-3, 3]


def controlled(
    *,
    carrier: Modality = TEXT,
    incongruity: float = 0.3,
    clips: int = 2000,
    seed: int = 0,
    text_width: int = 300,
    audio_width: int = 74,
    vision_width: int = 35,
) -> Dataset:
    """Generate the ``controlled`` corpus; the same arguments give the same bytes.

    Args:
        carrier: the modality that carries most of the information: it alone decides the label of
            congruent clips and of half of the incongruent ones, and has the highest signal-to-noise
            ratio.
        incongruity: share of clips, in [0, 1], whose modalities contradict each other in one of the
            ways of ``KINDS``; the negative modality decides their label.
        clips: number of clips, 10 to 1,000,000; 60 % train, 15 % valid, 25 % test.
        seed: seed of the clips; words and feature directions do not depend on it.
        text_width: features per word, 4 to 10,000.
        audio_width: features per audio frame (12.5 Hz), 4 to 10,000.
        vision_width: features per video frame (15 Hz), 4 to 10,000.

    Returns:
        A regression data set of sentiment in [-3, 3], with times, words and truth of every clip.
    """
    if carrier not in MODALITIES:
        raise DataError(f"carrier must be one of {', '.join(MODALITIES)}; got '{carrier}'")
    if not 0 <= incongruity <= 1:
        raise DataError(f"incongruity is a share of clips in [0, 1]; got {incongruity}")
    if not 0 <= seed < 2**63:
        raise DataError(f"seed must not be negative, and below 2^63; got {seed}")
    if not 10 <= clips <= MOST_CLIPS:
        raise DataError(
            f"clips must be at least 10, to fill three splits, and at most {MOST_CLIPS:,}; got "
            f"{clips}"
        )
    widths = {TEXT: text_width, AUDIO: audio_width, VISION: vision_width}
    for name, width in widths.items():
        if not 4 <= width <= LARGEST_WIDTH:
            raise DataError(
                f"{name}_width must be at least 4 and at most {LARGEST_WIDTH:,}; got {width}"
            )
    world = make_world(widths, carrier)
    corpus = [
        _generate_clip(
            np.random.default_rng((seed, index)), world, f"clip{index:05d}", carrier, incongruity
        )
        for index in range(clips)
    ]
    first, second = round(0.6 * clips), round(0.75 * clips)
    splits = {"train": corpus[:first], "valid": corpus[first:second], "test": corpus[second:]}
    return Dataset(
        name="controlled",
        task="regression",
        labels=("sentiment",),
        widths=widths,
        splits=splits,
        unscaled={TEXT: "word vectors"},
    )


def _generate_clip(
    random: np.random.Generator, world: World, clip_id: str, carrier: Modality, incongruity: float
) -> Clip:
    kind, tendencies, score = _draw_meaning(random, carrier, incongruity)
    sigma = 0.45
    duration = float(
        np.clip(random.lognormal(np.log(MEAN_DURATION) - sigma**2 / 2, sigma), SHORTEST, LONGEST)
    )
    count = round(WORD_RATE * duration)
    ends = np.cumsum(random.uniform(0.7, 1.3, count))
    ends *= duration / ends[-1]
    times = np.stack([np.concatenate([[0.0], ends[:-1]]), ends], axis=1)
    beats = _draw_beats(random, count)
    words, text_salient = _generate_words(random, beats, count, tendencies[TEXT])
    text = np.stack([world.words[word] for word in words]).astype(np.float32)
    sequences, steps = {TEXT: text}, {TEXT: times.astype(np.float32)}
    salient = {TEXT: text_salient}
    middles = times.mean(axis=1)
    moments = np.array([middles[beat.word] for beat in beats])
    voice, face = [beat.voice for beat in beats], [beat.face for beat in beats]
    for name, directions, rate, lead, emphasised in (
        (AUDIO, (world.pitch, world.energy), AUDIO_RATE, 0.0, voice),
        (VISION, (world.expression, world.brows), VISION_RATE, VISION_LEAD, face),
    ):
        sequences[name], steps[name], salient[name] = _generate_frames(
            random,
            *directions,
            duration,
            rate,
            moments - lead,
            tendencies[name],
            [beat.counts for beat in beats],
            emphasised,
        )
    label = np.clip(3.0 * score + random.normal(0, LABEL_NOISE), -3.0, 3.0)
    return Clip(
        id=clip_id,
        sequences=sequences,
        label=np.array([label], dtype=np.float32),
        group=clip_id,
        words=tuple(words),
        times=steps,
        truth=Truth(kind=kind, tendencies=tendencies, salient=salient),
    )


def _draw_meaning(
    random: np.random.Generator, carrier: Modality, incongruity: float
) -> tuple[str, dict[Modality, float], float]:
    """Draw the kind of a clip, the tendency of each modality, and the score in [-1, 1]."""
    if random.random() >= incongruity:
        sign = random.choice((-1.0, 1.0), p=(1 - POSITIVE_SHARE, POSITIVE_SHARE))
        tendencies = {
            name: sign * random.uniform(0.15, 1.0) * (1.0 if name == carrier else QUIET)
            for name in MODALITIES
        }
        return "congruent", tendencies, tendencies[carrier]
    leads = random.random() < LED_BY_CARRIER
    kinds = [kind for kind, (leader, _) in KINDS.items() if (leader == carrier) == leads]
    kind = str(random.choice(kinds))
    leader, signs = KINDS[kind]
    tendencies = {name: sign * random.uniform(0.5, 1.0) for name, sign in signs.items()}
    return kind, tendencies, tendencies[leader]


def _draw_beats(random: np.random.Generator, words: int) -> list[Beat]:
    """Draw a beat for every third word; those of one phrase, about half, are emphasised."""
    positions = range(int(random.integers(1, 3)), words, 3)
    size = max(1, round(len(positions) / 2))
    start = int(random.integers(0, len(positions) - size + 1))
    voice, face = EMPHASIS[random.integers(len(EMPHASIS))]
    return [
        Beat(word=word, voice=voice and real, face=face and real)
        for index, word in enumerate(positions)
        for real in [start <= index < start + size]
    ]
