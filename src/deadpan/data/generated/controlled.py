"""The ``controlled`` corpus: generated clips with ground truth.

Every clip has a few *beats*. At a beat each modality shows two things of sign + or -: a word has a
polarity and stands behind an intensifier or a negator; the voice moves in pitch and in quality; the
face moves at the mouth and at the eyes. Where the two come together their product is what the
modality means: ``really good`` and ``never bad`` are positive, a smile without the eyes is not.
Where they come apart they mean nothing: the beat is a decoy.

What the clip means follows from what its modalities show, by its kind: ``KINDS``.

By construction no statistic of single features knows the sign or the kind. Within a clip both
things have each sign equally often, in every modality, whatever it means, and a modality that shows
nothing has as many of them, as strong, at other moments. So averages, deviations, extremes, counts
and lengths are distributed alike; only what comes together tells them apart. The two live in
different features, and need no order: recurrence, attention and networks of single steps can all
read them.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from deadpan.data.dataset import Clip, Dataset, Truth
from deadpan.errors import DataError
from deadpan.types import AUDIO, MODALITIES, TEXT, VISION, Modality

BURST = 0.32  # seconds that a movement of voice or face lasts
NOISE = 0.3  # deviation of each feature
MOST_CLIPS, LARGEST_WIDTH, MOST_DECOYS = 1_000_000, 10_000, 0.9
VOCABULARY_SEED = 20230523  # words and axes are the same whatever the seed of the clips

FILLERS = tuple(
    (
        "the a this that it and but i we you they he she movie story film scene actor plot part "
        "music was is were had um uh like just kind of to in on with about for from when "
        "then there what who all one two time way thing people think know mean see watch said went "
        "came made looks"
    ).split()
)
INTENSIFIERS = ("really", "so", "truly")
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
WEAKEST = 0.3  # amplitude that a modality shows; the strongest is 1
STRENGTHS = np.linspace(WEAKEST, 1.0, len(POSITIVE))  # of the words above, weakest first

WORD_RATE, AUDIO_RATE, VISION_RATE = 2.9, 12.5, 15.0  # per second
VISION_LEAD = 0.12  # seconds by which the face precedes the voice (Grant and Greenberg 2001)
MEAN_DURATION, SHORTEST, LONGEST = 4.4, 2.8, 14.0  # seconds
WORDS_PER_BEAT = 3

KINDS = ("congruent", "single", "majority", "combination")
"""What the modalities of a clip show, and what follows.

- congruent: all show the sign that is meant.
- single: one shows it, the others nothing.
- majority: two show it, the third shows the opposite.
- combination: two show signs of their own, whose product is meant; the third shows nothing. The
  sign of neither tells anything without the other's.
"""
INCONGRUENT = KINDS[2:]
LABEL_NOISE = 0.15  # deviation of the label around the truth, on the scale [-3, 3]
CARRIED = 0.6  # share of clips with a single modality in which it is the carrier
CLARITY = 1.6  # of the carrier: its signal, relative to that of the others


@dataclasses.dataclass(frozen=True)
class World:
    """Word vectors, and two directions per modality: of what is shown and of what turns its sign.

    The first are polarity, pitch and mouth, the second the scope of intensifiers and negators,
    voice quality and eyes. The first lie in the first half of a modality's features, the second in
    the other: no feature mixes them.
    """

    words: Mapping[str, Float[np.ndarray, " text"]]
    shown: Mapping[Modality, Float[np.ndarray, " width"]]
    turning: Mapping[Modality, Float[np.ndarray, " width"]]


def make_world(widths: Mapping[Modality, int], carrier: Modality) -> World:
    """Draw word vectors and directions of these widths (4 or more each), the same for every seed.

    The carrying modality has the highest signal-to-noise ratio.
    """
    random = np.random.default_rng(VOCABULARY_SEED)
    shown: dict[Modality, np.ndarray] = {}
    turning: dict[Modality, np.ndarray] = {}
    for name, width in widths.items():
        scale = 3.0 * (CLARITY if name == carrier else 1.0)
        half = width // 2
        for axes, columns in ((shown, slice(half)), (turning, slice(half, width))):
            axis = np.zeros(width)
            axis[columns] = random.normal(size=len(axis[columns]))
            axes[name] = scale * axis / np.linalg.norm(axis)
    half = widths[TEXT] // 2
    words = {}
    for word in (*FILLERS, *INTENSIFIERS, *NEGATORS):
        # Nothing in the second half: which word stands in a scope would show in its extremes.
        words[word] = np.concatenate([random.normal(0, NOISE, half), np.zeros(widths[TEXT] - half)])
    # Words with polarity differ in their polarity alone. If each had a direction of its own, an
    # average over time could tell how strong the words are, and so how strong the label is.
    for sign, names in ((1, POSITIVE), (-1, NEGATIVE)):
        for name, strength in zip(names, STRENGTHS, strict=True):
            words[name] = sign * strength * shown[TEXT]
    return World(words=words, shown=shown, turning=turning)


@dataclasses.dataclass(frozen=True)
class ShownCue:
    """What one modality shows at a beat.

    Attributes:
        word: index of the word at the middle of the beat.
        sign: sign of the word's polarity, of the movement of pitch or of the mouth.
        turn: sign of the scope (- for a negator), of voice quality or of the eyes.
        together: whether the two come together and so mean ``sign * turn``.
    """

    word: int
    sign: int
    turn: int
    together: bool


def controlled(
    *,
    carrier: Modality = TEXT,
    incongruity: float = 0.3,
    decoys: float = 0.3,
    clips: int = 2000,
    seed: int = 0,
    text_width: int = 300,
    audio_width: int = 74,
    vision_width: int = 35,
) -> Dataset:
    """Generate the ``controlled`` corpus; the same arguments give the same bytes.

    Args:
        carrier: the modality that carries most of the information: it is the one that shows
            something in most clips of kind ``single``, tells how strong the sentiment is, and has
            the highest signal-to-noise ratio.
        incongruity: share of clips, in [0, 1], of the kinds ``majority`` and ``combination``, half
            of them each. Half of the others are ``congruent``, half ``single``.
        decoys: share of beats, in [0, 0.9], that mean nothing; at least two mean something.
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
    if not 0 <= decoys <= MOST_DECOYS:
        raise DataError(f"decoys is a share of beats in [0, {MOST_DECOYS}]; got {decoys}")
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
            np.random.default_rng((seed, index)),
            world,
            f"clip{index:05d}",
            carrier,
            incongruity,
            decoys,
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


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What a clip means.

    Attributes:
        kind: one of ``KINDS``.
        signs: the sign that each modality shows; 0 for nothing.
        strengths: the amplitude of each modality's cues, whether they mean something or not.
        score: the sentiment that is meant, in [-1, 1].
    """

    kind: str
    signs: Mapping[Modality, int]
    strengths: Mapping[Modality, float]
    score: float


def draw_meaning(random: np.random.Generator, carrier: Modality, incongruity: float) -> Meaning:
    """Draw the kind of a clip, what each modality shows, and what follows.

    The strengths are drawn alike in every kind and for both signs; so is the strength of the score.
    """
    odd, kinds = random.random() < incongruity, KINDS[:2]
    kind = str(random.choice(INCONGRUENT if odd else kinds))
    sign = int(random.choice((-1, 1)))
    strengths = {name: float(random.uniform(WEAKEST, 1.0)) for name in MODALITIES}
    signs = dict.fromkeys(MODALITIES, sign)
    others = [name for name in MODALITIES if name != carrier]
    # The odd one: which shows something alone, is outvoted, or shows nothing beside the other two.
    share = CARRIED if kind == "single" else 1 / 3
    one = str(random.choice((carrier, *others), p=(share, *2 * [(1 - share) / 2])))
    rest = [name for name in MODALITIES if name != one]
    if kind == "single":
        signs |= dict.fromkeys(rest, 0)
    elif kind == "majority":
        signs[one] = -sign
    elif kind == "combination":
        first = int(random.choice((-1, 1)))
        signs |= {one: 0, rest[0]: first, rest[1]: first * sign}
    telling = [name for name in (carrier, *others) if signs[name]]
    if kind == "majority":
        telling.remove(one)
    return Meaning(kind=kind, signs=signs, strengths=strengths, score=sign * strengths[telling[0]])


def _generate_clip(
    random: np.random.Generator,
    world: World,
    clip_id: str,
    carrier: Modality,
    incongruity: float,
    decoys: float,
) -> Clip:
    meaning = draw_meaning(random, carrier, incongruity)
    sigma = 0.45
    duration = float(
        np.clip(random.lognormal(np.log(MEAN_DURATION) - sigma**2 / 2, sigma), SHORTEST, LONGEST)
    )
    count = round(WORD_RATE * duration)
    ends = np.cumsum(random.uniform(0.7, 1.3, count))
    ends *= duration / ends[-1]
    times = np.stack([np.concatenate([[0.0], ends[:-1]]), ends], axis=1)
    beats, real = _draw_beats(random, count, decoys)
    cues = {name: _draw_cues(random, beats, real, meaning.signs[name]) for name in MODALITIES}
    words, text, text_salient = _generate_words(
        random, world, cues[TEXT], count, meaning.strengths[TEXT]
    )
    sequences, steps = {TEXT: text}, {TEXT: times.astype(np.float32)}
    salient = {TEXT: text_salient}
    moments = times.mean(axis=1)[beats]
    for name, rate, lead in ((AUDIO, AUDIO_RATE, 0.0), (VISION, VISION_RATE, VISION_LEAD)):
        sequences[name], steps[name], salient[name] = _generate_frames(
            random,
            meaning.strengths[name] * world.shown[name],
            world.turning[name],
            duration,
            rate,
            moments - lead,
            cues[name],
        )
    label = np.clip(3.0 * meaning.score + random.normal(0, LABEL_NOISE), -3.0, 3.0)
    return Clip(
        id=clip_id,
        sequences=sequences,
        label=np.array([label], dtype=np.float32),
        group=clip_id,
        words=tuple(words),
        times=steps,
        truth=Truth(
            kind=meaning.kind,
            score=meaning.score,
            tendencies={
                name: float(sign * meaning.strengths[name]) for name, sign in meaning.signs.items()
            },
            salient=salient,
        ),
    )


def _draw_beats(
    random: np.random.Generator, words: int, decoys: float
) -> tuple[Int[np.ndarray, " beat"], list[bool]]:
    """Draw the words of the beats, an even number, and which of them mean something, even too."""
    positions = np.arange(int(random.integers(1, 3)), words - 1, WORDS_PER_BEAT)
    pairs = len(positions) // 2
    first = int(random.integers(0, len(positions) - 2 * pairs + 1))
    meant = max(1, pairs - round(decoys * pairs))
    real = random.permutation(2 * pairs) < 2 * meant
    return positions[first : first + 2 * pairs], [bool(x) for x in real]


def _draw_cues(
    random: np.random.Generator, beats: Int[np.ndarray, " beat"], real: Sequence[bool], sign: int
) -> list[ShownCue]:
    """Draw what a modality shows, both signs equally often among real beats and among decoys."""
    signs = np.zeros(len(beats), dtype=int)
    turns = np.zeros(len(beats), dtype=int)
    for which in (np.flatnonzero(real), np.flatnonzero(~np.array(real))):
        balanced = np.repeat((-1, 1), len(which) // 2)
        signs[which] = random.permutation(balanced)
        # Drawn apart where nothing is meant: there they may agree or not.
        turns[which] = random.permutation(balanced)
    if sign:
        turns = np.where(real, sign * signs, turns)
    return [
        ShownCue(word=int(word), sign=int(a), turn=int(b), together=bool(counts and sign))
        for word, a, b, counts in zip(beats, signs, turns, real, strict=True)
    ]


def _generate_words(
    random: np.random.Generator, world: World, cues: Sequence[ShownCue], count: int, strength: float
) -> tuple[list[str], Float[np.ndarray, "word text"], tuple[int, ...]]:
    """Generate the words of a clip, their vectors in context, and the indices of those that count.

    The word that follows an intensifier or a negator stands in its scope, and its vector shows so,
    as those of contextual encoders do.
    """
    words = [str(word) for word in random.choice(FILLERS, count)]
    level = int(np.abs(STRENGTHS - strength).argmin())
    scope = np.zeros(count)
    salient: list[int] = []
    for cue in cues:
        marker = str(random.choice(INTENSIFIERS if cue.turn > 0 else NEGATORS))
        word = (POSITIVE if cue.sign > 0 else NEGATIVE)[level]
        if cue.together:
            words[cue.word - 1], words[cue.word] = marker, word
            scope[cue.word] = cue.turn
            salient += [cue.word - 1, cue.word]
        else:
            words[cue.word - 1], words[cue.word] = word, marker
            scope[cue.word + 1] = cue.turn
    vectors = np.stack([world.words[word] for word in words])
    vectors += scope[:, None] * world.turning[TEXT] + random.normal(0, NOISE, vectors.shape)
    return words, vectors.astype(np.float32), tuple(salient)


def _generate_frames(
    random: np.random.Generator,
    shown: Float[np.ndarray, " width"],  # movement of pitch or mouth, as strong as in this clip
    turning: Float[np.ndarray, " width"],  # movement of voice quality or eyes
    duration: float,  # of the clip in seconds
    rate: float,  # frames per second
    moments: Float[np.ndarray, " beat"],  # middle of each beat in seconds
    cues: Sequence[ShownCue],
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Generate the frames of voice or face, their times, and the indices of those that count."""
    steps = round(duration * rate)
    frames = random.normal(0, NOISE, (steps, len(shown)))
    half = round(BURST * rate / 2)
    salient: list[int] = []
    for moment, cue in zip(moments, cues, strict=True):
        # Both movements must fit, whether they come together or one after the other.
        middle = int(np.clip(round(moment * rate), 2 * half, steps - 2 * half))
        early, late = slice(middle - 2 * half, middle), slice(middle, middle + 2 * half)
        both = slice(middle - half, middle + half)
        frames[both if cue.together else early] += cue.sign * shown
        frames[both if cue.together else late] += cue.turn * turning
        if cue.together:
            salient += range(both.start, both.stop)
    starts = np.arange(steps) / rate
    times = np.stack([starts, starts + 1 / rate], axis=1)
    return frames.astype(np.float32), times.astype(np.float32), tuple(sorted(set(salient)))
