"""The ``controlled`` corpus: generated clips whose truth is known.

Every clip has a few *beats*. At each one a word with valence is spoken (a negator before it flips
it), the pitch of the voice rises or falls, and an expression flows over the face, 120 ms ahead of
the voice. The beats of one phrase are emphasised, by bursts of energy in the voice or by raised
brows: only these count; the others are decoys of random sign. While the modalities agree, the one
that carries tells the label and the others show little of themselves; in an incongruent clip one
of them contradicts another, loudly, and the negative one tells the truth.

Nothing about the label is in an average over time, by construction: a negator stands before a
valence word in half of the cases, whatever is meant, so the mean valence of the words is
independent of what they say; and a rising pitch is a falling one in another order, as it is with
the expressions of the face.
"""

import numpy as np

from deadpan.data.dataset import Clip, Dataset, Truth
from deadpan.data.generated.streams import Beat, World, make_world, speak, stream
from deadpan.errors import DataError
from deadpan.types import AUDIO, MODALITIES, TEXT, VISION, Modality

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
"""Incongruity by name: the modality that tells the truth, and the sign each modality shows."""

EMPHASIS = ((True, False), (False, True), (True, True))
"""Who may emphasise a phrase: the voice, the face, or both."""

LED_BY_CARRIER = 0.5  # share of incongruent clips in which the carrying modality tells the truth
QUIET = 0.15  # how much of themselves the other modalities show while they agree
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
    """Generate the corpus; the same arguments give the same bytes.

    Args:
        carrier: the modality that carries most: it alone tells the label of congruent clips, and
            half of the incongruent ones, and it stands out most clearly from its own noise.
        incongruity: share of clips, in [0, 1], whose modalities contradict each other in one of the
            ways of ``KINDS``; in each of them the negative modality tells the truth.
        clips: number of clips, 10 or more; 60 % train, 15 % valid, 25 % test.
        seed: of the clips; words and feature directions do not depend on it.
        text_width: features per word, 4 or more.
        audio_width: features per audio frame (12.5 Hz), 4 or more.
        vision_width: features per video frame (15 Hz), 4 or more.

    Returns:
        A regression data set; sentiment in [-3, 3]; times, words and truth of every clip are known.
    """
    if carrier not in MODALITIES:
        raise DataError(f"carrier must be one of {', '.join(MODALITIES)}; got '{carrier}'")
    if not 0 <= incongruity <= 1:
        raise DataError(f"incongruity is a share of clips in [0, 1]; got {incongruity}")
    if seed < 0:
        raise DataError(f"seed must not be negative; got {seed}")
    if clips < 10:
        raise DataError(f"clips must be at least 10, to fill three splits; got {clips}")
    widths = {TEXT: text_width, AUDIO: audio_width, VISION: vision_width}
    if narrow := [name for name in MODALITIES if widths[name] < 4]:
        raise DataError(f"{narrow[0]}_width must be at least 4; got {widths[narrow[0]]}")
    world = make_world(widths, carrier)
    made = [
        _clip(np.random.default_rng((seed, index)), world, f"clip{index:05d}", carrier, incongruity)
        for index in range(clips)
    ]
    first, second = round(0.6 * clips), round(0.75 * clips)
    splits = {"train": made[:first], "valid": made[first:second], "test": made[second:]}
    return Dataset(
        name="controlled", task="regression", labels=("sentiment",), widths=widths, splits=splits
    )


def _clip(
    random: np.random.Generator, world: World, name: str, carrier: Modality, incongruity: float
) -> Clip:
    kind, tendencies, score = _meaning(random, carrier, incongruity)
    sigma = 0.45
    duration = float(
        np.clip(random.lognormal(np.log(MEAN_DURATION) - sigma**2 / 2, sigma), SHORTEST, LONGEST)
    )
    count = round(WORD_RATE * duration)
    ends = np.cumsum(random.uniform(0.7, 1.3, count))
    ends *= duration / ends[-1]
    times = np.stack([np.concatenate([[0.0], ends[:-1]]), ends], axis=1)
    beats = _beats(random, count)
    words, text_salient = speak(random, beats, count, tendencies[TEXT])
    middles = times.mean(axis=1)
    counts = [beat.counts for beat in beats]
    moments = np.array([middles[beat.word] for beat in beats])
    audio, audio_times, audio_salient = stream(
        random,
        world.pitch,
        world.energy,
        duration,
        AUDIO_RATE,
        moments,
        tendencies[AUDIO],
        counts,
        [beat.voice for beat in beats],
    )
    vision, vision_times, vision_salient = stream(
        random,
        world.expression,
        world.brows,
        duration,
        VISION_RATE,
        moments - VISION_LEAD,
        tendencies[VISION],
        counts,
        [beat.face for beat in beats],
    )
    label = np.clip(3.0 * score + random.normal(0, LABEL_NOISE), -3.0, 3.0)
    text = np.stack([world.words[word] for word in words]).astype(np.float32)
    return Clip(
        id=name,
        sequences={TEXT: text, AUDIO: audio, VISION: vision},
        label=np.array([label], dtype=np.float32),
        group=name,
        words=tuple(words),
        times={TEXT: times.astype(np.float32), AUDIO: audio_times, VISION: vision_times},
        truth=Truth(
            kind=kind,
            tendencies=tendencies,
            salient={TEXT: text_salient, AUDIO: audio_salient, VISION: vision_salient},
        ),
    )


def _meaning(
    random: np.random.Generator, carrier: Modality, incongruity: float
) -> tuple[str, dict[Modality, float], float]:
    """The kind of a clip, what each modality shows, and what is meant; the latter in [-1, 1]."""
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


def _beats(random: np.random.Generator, words: int) -> list[Beat]:
    """A beat every third word; those of one phrase, about half of them, are emphasised."""
    places = range(int(random.integers(1, 3)), words, 3)
    size = max(1, round(len(places) / 2))
    start = int(random.integers(0, len(places) - size + 1))
    voice, face = EMPHASIS[random.integers(len(EMPHASIS))]
    return [
        Beat(word=word, voice=voice and real, face=face and real)
        for index, word in enumerate(places)
        for real in [start <= index < start + size]
    ]
