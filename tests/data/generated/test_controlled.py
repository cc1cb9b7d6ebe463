import functools
import hashlib
import math
from collections import Counter

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from deadpan.data.generated.controlled import (
    AUDIO_RATE,
    DECOY,
    FILLERS,
    KINDS,
    LABEL_NOISE,
    LED_BY_CARRIER,
    LONGEST,
    MEAN_DURATION,
    NEGATIVE,
    NEGATORS,
    POSITIVE,
    SHORTEST,
    STRENGTHS,
    VISION_LEAD,
    VISION_RATE,
    WORD_RATE,
    controlled,
    make_world,
)
from deadpan.errors import DataError
from deadpan.types import MODALITIES, SPLITS

WIDTHS = {"text": 8, "audio": 6, "vision": 5}
NARROW = {f"{name}_width": width for name, width in WIDTHS.items()}
MANY = 2000
INCONGRUITY = 0.4


@functools.cache
def many(carrier="text"):
    """Enough clips for statistics."""
    dataset = controlled(clips=MANY, carrier=carrier, incongruity=INCONGRUITY, **NARROW)
    return [clip for split in SPLITS for clip in dataset[split]]


def few(**options):
    dataset = controlled(**{"clips": 20, **NARROW, **options})
    return [clip for split in SPLITS for clip in dataset[split]]


def fingerprint(clips):
    """A hash of all that clips hold."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(repr((clip.id, clip.words, clip.truth)).encode())
        for by_name in (clip.sequences, clip.times, {"label": clip.label}):
            for name, array in by_name.items():
                digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def within(count, trials, share):
    """Whether a count is within 4 deviations of what a share makes likely."""
    return abs(count - trials * share) <= 4 * math.sqrt(trials * share * (1 - share))


def test_the_same_arguments_give_the_same_bytes_and_others_give_others():
    first = fingerprint(few(seed=3))
    assert fingerprint(few(seed=3)) == first
    others = [few(seed=4), few(seed=3, carrier="audio"), few(seed=3, incongruity=0.9)]
    assert len({first, *map(fingerprint, others)}) == 4


def test_more_clips_are_the_same_clips_and_more():
    assert fingerprint(few(clips=40)[:20]) == fingerprint(few(clips=20))


def test_shapes_splits_and_names_are_as_promised():
    dataset = controlled(clips=20)
    assert dataset.name == "controlled"
    assert dataset.task == "regression"
    assert list(dataset.widths.items()) == [("text", 300), ("audio", 74), ("vision", 35)]
    assert [len(dataset[split]) for split in SPLITS] == [12, 3, 5]
    clips = [clip for split in SPLITS for clip in dataset[split]]
    assert len({clip.id for clip in clips}) == len({clip.group for clip in clips}) == 20
    for clip in clips:
        assert len(clip.words) == len(clip.sequences["text"])
        assert clip.label.shape == (1,)
        assert abs(clip.label[0]) <= 3
        for name, x in clip.sequences.items():
            assert x.dtype == np.float32
            assert x.shape[1] == dataset.widths[name]
            assert np.isfinite(x).all()


def test_any_width_from_four_up_is_kept():
    for clip in few(text_width=4, audio_width=9, vision_width=4):
        assert [clip.sequences[m].shape[1] for m in MODALITIES] == [4, 9, 4]


def test_steps_follow_each_other_in_time():
    for clip in few():
        for name, times in clip.times.items():
            assert times.shape == (len(clip.sequences[name]), 2)
            assert times[0, 0] == 0
            assert (times[:, 1] > times[:, 0]).all()
            assert np.allclose(times[1:, 0], times[:-1, 1], atol=1e-5)


def test_rates_and_durations_are_those_of_speech():
    clips = many()
    durations = np.array([clip.times["text"][-1, 1] for clip in clips])
    # One standard error of the mean is 0.05 s here.
    assert abs(durations.mean() - MEAN_DURATION) < 0.15
    assert durations.min() >= SHORTEST - 1e-3 and durations.max() <= LONGEST + 1e-3
    logs = np.log(durations)
    assert abs(np.mean(((logs - logs.mean()) / logs.std()) ** 3)) < 0.3  # log-normal: no skew
    for name, rate in zip(MODALITIES, (WORD_RATE, AUDIO_RATE, VISION_RATE), strict=True):
        steps = np.array([len(clip.sequences[name]) for clip in clips])
        assert abs(steps - rate * durations).max() <= 0.5 + 1e-3  # rounded to whole steps
        assert abs(steps.sum() / durations.sum() - rate) < 0.02


def test_streams_of_a_clip_end_together():
    for clip in few():
        ends = [clip.times[name][-1, 1] for name in MODALITIES]
        assert max(ends) - min(ends) < 0.1


def test_the_face_leads_the_voice():
    # Centers of the gestures that count; a gesture near an edge of the clip is pushed inwards.
    leads = [
        clip.times["audio"][list(clip.truth.salient["audio"])].mean()
        - clip.times["vision"][list(clip.truth.salient["vision"])].mean()
        for clip in many()
    ]
    assert abs(np.median(leads) - VISION_LEAD) < 0.01
    assert abs(np.mean(leads) - VISION_LEAD) < 0.02


def test_gestures_of_the_voice_stand_where_their_words_are():
    distances = []
    for clip in many()[:300]:
        words = [i for i in clip.truth.salient["text"] if clip.words[i] not in NEGATORS]
        spoken = clip.times["text"][words].mean()
        distances.append(clip.times["audio"][list(clip.truth.salient["audio"])].mean() - spoken)
    assert abs(np.median(distances)) < 1 / AUDIO_RATE


def test_salient_steps_are_in_range_sorted_and_never_none():
    for clip in many():
        for name in MODALITIES:
            salient = clip.truth.salient[name]
            assert salient
            assert list(salient) == sorted(set(salient))
            assert salient[0] >= 0 and salient[-1] < len(clip.sequences[name])


def test_salient_words_say_what_the_text_means():
    strengths = dict(zip(POSITIVE, STRENGTHS, strict=True))
    strengths |= {w: -s for w, s in zip(NEGATIVE, STRENGTHS, strict=True)}
    seen = Counter()
    for clip in many():
        tendency = clip.truth.tendencies["text"]
        for index in clip.truth.salient["text"]:
            word = clip.words[index]
            if word in NEGATORS:
                assert index + 1 in clip.truth.salient["text"]
                continue
            negated = index > 0 and clip.words[index - 1] in NEGATORS
            assert (index - 1 in clip.truth.salient["text"]) == negated
            if tendency == 0:  # words that mean nothing here: decoys
                assert abs(strengths[word]) <= DECOY + np.diff(STRENGTHS)[0]
                continue
            said = -strengths[word] if negated else strengths[word]
            nearest = max(abs(tendency), STRENGTHS[0])  # nothing weaker can be said
            assert abs(said - math.copysign(nearest, tendency)) <= np.diff(STRENGTHS)[0] / 2 + 1e-9
            seen[negated] += 1
    assert min(seen.values()) > 1000


def test_words_that_do_not_count_are_decoys_of_random_sign():
    signs = Counter()
    for clip in many():
        for index, word in enumerate(clip.words):
            if index not in clip.truth.salient["text"] and word in (*POSITIVE, *NEGATIVE):
                negated = index > 0 and clip.words[index - 1] in NEGATORS
                signs[((word in POSITIVE) != negated) == (clip.label[0] > 0)] += 1
    assert within(signs[True], signs.total(), 0.5)


@pytest.mark.parametrize("carrier", MODALITIES)
def test_kinds_show_and_mean_what_their_table_says(carrier):
    seen = Counter()
    for clip in many(carrier):
        truth, label = clip.truth, float(clip.label[0])
        signs = {name: np.sign(value) for name, value in truth.tendencies.items()}
        assert set(signs) == set(MODALITIES)
        assert max(map(abs, truth.tendencies.values())) <= 1
        if truth.kind == "congruent":
            assert len(set(signs.values())) == 1 and 0 not in signs.values()
            leader = carrier
        else:
            leader, wanted = KINDS[truth.kind]
            assert signs == wanted
            assert label < 0
        assert abs(label - 3 * truth.tendencies[leader]) < 6 * LABEL_NOISE
        seen[truth.kind] += 1
    assert set(seen) == {"congruent", *KINDS}


@pytest.mark.parametrize("carrier", MODALITIES)
def test_shares_of_incongruity_and_of_its_leaders_are_as_asked(carrier):
    wrong = [clip for clip in many(carrier) if clip.truth.kind != "congruent"]
    assert within(len(wrong), MANY, INCONGRUITY)
    led = sum(KINDS[clip.truth.kind][0] == carrier for clip in wrong)
    assert within(led, len(wrong), LED_BY_CARRIER)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_clip_or_every_clip_may_be_incongruent(share):
    kinds = {clip.truth.kind for clip in few(clips=60, incongruity=share)}
    assert kinds == ({"congruent"} if share == 0 else set(KINDS))


def test_the_negative_modality_tells_the_truth_and_another_denies_it():
    for leader, signs in KINDS.values():
        assert signs[leader] == -1
        assert sorted(signs.values()) == [-1, 0, 1]
    assert Counter(leader for leader, _ in KINDS.values()) == dict.fromkeys(MODALITIES, 2)


def test_emphasis_marks_the_steps_that_count():
    energy, brows = make_world(WIDTHS, "audio").energy, make_world(WIDTHS, "audio").brows
    marked = 0
    for clip in many("text")[:200]:
        strong = []
        for name, axis in (("audio", energy), ("vision", brows)):
            along = clip.sequences[name] @ axis / (axis @ axis)
            counts = np.isin(np.arange(len(along)), clip.truth.salient[name])
            strong.append(along[counts].mean() > 0.5)
            assert counts.all() or along[~counts].mean() < 0.5
        assert any(strong)
        marked += sum(strong)
    assert 200 < marked < 400  # by one of the two, or by both


@pytest.mark.parametrize("carrier", MODALITIES)
def test_no_average_along_an_axis_knows_the_label(carrier):
    world, clips = make_world(WIDTHS, "audio"), many(carrier)

    def mean_of(words):
        return np.mean([world.words[word] for word in words], axis=0)

    axes = {
        "valence": ("text", mean_of(POSITIVE) - mean_of(NEGATIVE)),
        "negation": ("text", mean_of(NEGATORS) - mean_of(FILLERS)),
        "pitch": ("audio", world.pitch),
        "energy": ("audio", world.energy),
        "expression": ("vision", world.expression),
        "brows": ("vision", world.brows),
    }
    labels = np.array([clip.label[0] for clip in clips])
    for name, (modality, axis) in axes.items():
        along = [clip.sequences[modality].mean(axis=0) @ axis for clip in clips]
        # By chance alone the deviation is 0.022.
        assert abs(np.corrcoef(along, labels)[0, 1]) < 0.1, name


@pytest.mark.parametrize("carrier", MODALITIES)
def test_ridge_on_averages_cannot_tell_the_label(carrier):
    # At full width: there the mean of the word vectors tells how often each word was said.
    dataset = controlled(clips=MANY, carrier=carrier)
    clips = [clip for split in SPLITS for clip in dataset[split]]
    features = np.stack(
        [np.concatenate([clip.sequences[m].mean(axis=0) for m in MODALITIES]) for clip in clips]
    )
    labels = np.array([clip.label[0] for clip in clips])
    train, test = slice(0, 1500), slice(1500, MANY)
    features = (features - features[train].mean(axis=0)) / features[train].std(axis=0)
    model = RidgeCV(np.logspace(-1, 6, 15)).fit(features[train], labels[train])
    assert np.corrcoef(model.predict(features[test]), labels[test])[0, 1] < 0.25


def test_the_truth_can_be_read_where_it_is():
    """The signal is there: a voice that leads rises where it counts if what is meant is good."""
    pitch = make_world(WIDTHS, "audio").pitch
    rises, labels = [], []
    for clip in many("audio"):
        if clip.truth.kind == "congruent":
            along = clip.sequences["audio"] @ pitch / (pitch @ pitch)
            gesture = along[list(clip.truth.salient["audio"])]
            half = 3  # BURST * AUDIO_RATE / 2: steps before and after the middle
            first = gesture[: 2 * half]
            rises.append(first[half:].mean() - first[:half].mean())
            labels.append(clip.label[0])
    assert np.corrcoef(rises, labels)[0, 1] > 0.8


def test_negators_stand_in_half_of_the_cases_whatever_is_meant():
    negated, meant = [], []
    for clip in many():
        for index, word in enumerate(clip.words):
            if word in POSITIVE or word in NEGATIVE:
                negated.append(index > 0 and clip.words[index - 1] in NEGATORS)
                meant.append(clip.label[0] > 0)
    negated, meant = np.array(negated), np.array(meant)
    assert within(negated.sum(), len(negated), 0.5)
    assert within(negated[meant].sum(), meant.sum(), 0.5)
    assert within(negated[~meant].sum(), (~meant).sum(), 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"carrier": "smell"}, "carrier must be one of text, audio, vision; got 'smell'"),
        ({"incongruity": 1.1}, r"in \[0, 1\]; got 1.1"),
        ({"incongruity": float("nan")}, r"in \[0, 1\]; got nan"),
        ({"seed": -1}, "seed must not be negative, and below 2.63; got -1"),
        (
            {"clips": 9},
            "clips must be at least 10, to fill three splits, and at most 1,000,000; got 9",
        ),
        ({"audio_width": 3}, "audio_width must be at least 4 and at most 10,000; got 3"),
    ],
)
def test_arguments_that_make_no_corpus_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        controlled(**options)
