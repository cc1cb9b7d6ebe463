"""Files of many kinds, whose alignment their padding must tell, or not."""

from pathlib import Path

import numpy as np
import pytest

from deadpan.data.alignment import judge_alignment
from deadpan.data.padding import array_steps, nonzero_steps
from deadpan.errors import DataError

MODALITIES = ("text", "audio", "vision")


def array(lengths, steps, side, late=0, lost=0):
    """[clip, step, 1] of sequences of these lengths, without some of their first and last steps."""
    lengths = np.minimum(lengths, steps)
    start = steps - lengths if side == "left" else np.zeros_like(lengths)
    first = np.minimum(start + late, start + lengths - 1)[:, None]
    end = np.maximum((start + lengths)[:, None] - np.reshape(lost, (-1, 1)), first + 1)
    place = np.arange(steps)[None]
    return ((place >= first) & (place < end)).astype(np.float32)[..., None]


def judge(*splits, aligned=None):
    ranges = [(array_steps(x), nonzero_steps(x, aligned=False)) for x in splits]
    return judge_alignment(Path("file"), ranges, aligned)


def misses(rng, count, share, keep=0.6):
    """Numbers of words without an observation: none in most clips, some in a share of them."""
    return (rng.random(count) < share) * rng.geometric(keep, count)


def words(kind, rng, count, steps, side):
    """A word-aligned file."""
    lengths = rng.integers(4, steps + 6, count)  # some are cut to the array
    late, lost, gone = 0, 0, np.zeros(count, bool)
    if kind == "late face":
        late = misses(rng, count, 0.65, 0.35)
    if kind == "face lost at both ends":
        late, lost = misses(rng, count, 0.5), misses(rng, count, 0.5)
    if kind == "absent faces":
        gone = rng.random(count) < 0.5
    arrays = {name: array(lengths, steps, side) for name in MODALITIES}
    arrays["vision"] = array(lengths, steps, side, late, lost) * ~gone[:, None, None]
    if kind == "words without vectors":
        arrays["text"] = array(lengths, steps, side, misses(rng, count, 0.2))
        arrays["vision"] = array(lengths, steps, side, misses(rng, count, 0.3))
    if kind == "special tokens":
        arrays |= {name: array(lengths, steps, side, 1, 1) for name in ("audio", "vision")}
    return arrays


ALIGNED = ("whole", "late face", "face lost at both ends", "absent faces", "words without vectors",
           "special tokens")  # fmt: skip


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("steps", [20, 50])
@pytest.mark.parametrize("kind", ALIGNED)
def test_word_aligned_files_are_aligned(kind, steps, side):
    rng = np.random.default_rng(0)
    arrays = words(kind, rng, 200, steps, side)
    alignment = judge(arrays)
    assert alignment.aligned, alignment
    assert alignment.reason.startswith("steps are aligned")
    halves = [{name: x[half] for name, x in arrays.items()} for half in (slice(90), slice(90, 200))]
    assert judge(*halves) == alignment
    two = {name: arrays[name] for name in ("text", "vision")}
    assert judge(two).aligned


def rates(kind, rng, count, steps, side):
    """A file of streams of their own lengths, padded to one."""
    base = rng.integers(4, 30, count)
    factors = {
        "rates": (1, 5, 3),
        "rates that cut": (1, 8, 6),
        "like rates": (1, 1.2, 0.9),
        "one rate": (1, 1, 1),
        "cut by chance": (1, 2, 2),
    }.get(kind)
    if factors:
        noise = np.exp(0.2 * rng.normal(size=(3, count)))
        lengths = [
            np.maximum(1, np.round(base * f * n)) for f, n in zip(factors, noise, strict=True)
        ]
    elif kind == "multiples":
        lengths = [base, 2 * base, 3 * base]
    elif kind == "constant":
        lengths = [np.full(count, steps * share) for share in (0.1, 0.75, 0.4)]
    else:
        lengths = [rng.integers(1, steps, count) for _ in range(3)]
    lengths = [x.astype(int) for x in lengths]
    arrays = {name: array(x, steps, side) for name, x in zip(MODALITIES, lengths, strict=True)}
    arrays["vision"][rng.random(count) < 0.2] = 0
    if kind == "faces lost":
        late, lost = misses(rng, count, 0.3), misses(rng, count, 0.3)
        arrays["vision"] = array(lengths[2], steps, side, late, lost)
    return arrays


UNALIGNED = ("rates", "rates that cut", "like rates", "one rate", "cut by chance", "multiples",
             "constant", "independent", "faces lost")  # fmt: skip


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("steps", [40, 120])
@pytest.mark.parametrize("kind", UNALIGNED)
def test_streams_of_their_own_lengths_are_not_aligned(kind, steps, side):
    alignment = judge(rates(kind, np.random.default_rng(1), 200, steps, side))
    assert not alignment.aligned
    assert alignment.reason.startswith("steps are not aligned (9"), alignment


def test_what_is_not_clear_is_asked():
    rng = np.random.default_rng(2)
    lengths = rng.integers(10, 40, 100)
    text = array(lengths, 50, "left")
    always = array(lengths, 50, "left", rng.integers(1, 4, 100))  # a face never at the first word
    near = array(lengths + rng.integers(-1, 2, 100), 50, "left")  # two tools of one rate
    for other in (always, near):
        with pytest.raises(DataError, match="cannot tell whether step k is the same word") as got:
            judge({"text": text, "vision": other})
        assert "text and vision begin together in" in str(got.value)
        assert str(got.value).endswith(
            "--data_options.aligned true or --data_options.aligned false"
        )
        assert judge({"text": text, "vision": other}, aligned=True).aligned
        assert not judge({"text": text, "vision": other}, aligned=False).aligned
    # Words that fill every array, in most of which the face is found at the first.
    full = np.full(100, 50)
    with pytest.raises(DataError, match="and both fill the array in the others"):
        judge({"text": array(full, 50, "left"), "vision": array(full, 50, "left", lengths % 3)})
    # On the other side, nothing may be found at the first word.
    right = array(lengths, 50, "right", rng.integers(1, 4, 100))
    assert judge({"text": array(lengths, 50, "right"), "vision": right}).aligned


def test_what_tells_nothing_is_not_judged():
    full, none = np.ones((5, 8, 1)), np.zeros((5, 8, 1))
    reason = "nothing tells whether steps are aligned: all sequences fill their arrays"
    assert judge({"text": full, "audio": full}).reason == reason
    for arrays in (
        {"text": full},
        {"text": full[:, :4] * 0, "audio": none[:, :4]},
        {"text": array(np.arange(1, 6), 8, "left"), "audio": none},
        {"text": full[:0], "audio": full[:0]},
        {"text": full[:, :0], "audio": full[:, :0]},
        {},
    ):
        assert judge(arrays).reason == ""
    few = judge(
        {"text": array(np.arange(1, 6), 8, "left"), "audio": array(np.arange(1, 6), 8, "left")}
    )
    assert few.reason == "steps are aligned: modalities begin together in all 5 clips that tell"


def test_one_clip_of_many_does_not_tell():
    lengths = np.full(20, 8)
    lengths[3] = 5
    arrays = {name: array(lengths, 8, "left") for name in ("text", "audio", "vision")}
    with pytest.raises(
        DataError, match="in 1 of 1 clips that tell, and both fill the array in all"
    ):
        judge(arrays)
    assert judge(arrays, aligned=True).aligned
    assert judge({name: x[3:8] for name, x in arrays.items()}).aligned


def test_arrays_of_two_lengths_are_not_aligned():
    arrays = {"text": np.ones((2, 3, 1)), "audio": np.ones((2, 7, 1))}
    assert judge(arrays).reason == "steps are not aligned: arrays have 3 and 7 of them"
    assert not judge(arrays, aligned=False).aligned
    with pytest.raises(DataError, match="arrays of 3 and 7 steps, which cannot be aligned; leave"):
        judge(arrays, aligned=True)
