"""Evidence of whether a file of padded arrays is aligned: step k is the same word everywhere.

A file does not say so. It pads sequences on one side to one length. If it is aligned, the sequences
of a clip end together on that side, except that a stream whose first or last words have no
observation (a face found late) ends within the others. If it is not, each stream has a length of
its own, and two end together by chance. On the other side, sequences of both kinds reach the border
of the array, but for words without an observation.

For each two modalities, both hypotheses predict how many clips end together on the padded side, and
how many differ on the other. The probability of each follows by Bayes' rule, the two being equally
likely at first. Clips that fill the array on the padded side tell nothing, nor do absent streams.
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from deadpan.data.padding import StepRange
from deadpan.errors import DataError
from deadpan.types import Modality

Ranges = Mapping[Modality, StepRange]
"""The real steps of the clips of a split (see ``nonzero_steps``)."""

SURE = 0.9
"""Probability from which a file is taken as aligned or not without a question."""
MANY_CLIPS = 8
"""From this number of clips on that tell, two modalities are judged by themselves."""
GRID = (np.arange(2000) + 0.5) / 2000
"""Shares over which the likelihoods are averaged."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Alignment:
    """Whether step k of a clip is the same word in every modality, and why, in a sentence."""

    aligned: bool
    reason: str


class _Gaps(NamedTuple):
    """Padding of two modalities in the clips that have both, in steps."""

    first: Int[np.ndarray, " clip"]  # on the padded side
    second: Int[np.ndarray, " clip"]
    differ: int  # clips in which they differ on the other side
    steps: int  # of the array

    @property
    def together(self) -> float:
        """Share of the clips in which they are the same on the padded side."""
        return float((self.first == self.second).mean())

    @property
    def telling(self) -> "_Gaps":
        """Those of clips that do not both fill the array on the padded side."""
        some = (self.first > 0) | (self.second > 0)
        return self._replace(first=self.first[some], second=self.second[some])


def judge_alignment(
    path: Path,
    splits: Sequence[tuple[Mapping[Modality, int], Ranges]],
    requested: bool | None,
) -> Alignment:
    """Judge whether the streams of a file are aligned.

    Args:
        path: the file, for messages.
        splits: steps of each array, and the real steps of its clips, by modality, for each split.
        requested: what the user says; None if nothing.

    Raises:
        DataError: the evidence is not clear, or the user says that arrays of different lengths are
            aligned.
    """
    lengths = sorted({steps for arrays, _ in splits for steps in arrays.values()})
    if any(len(set(arrays.values())) > 1 for arrays, _ in splits):
        listing = ", ".join(map(str, lengths[:-1])) + f" and {lengths[-1]}"
        if requested:
            raise DataError(
                f"{path}: has arrays of {listing} steps, which cannot be aligned; leave out "
                f"--data_options.aligned"
            )
        return Alignment(
            aligned=False, reason=f"steps are not aligned: arrays have {listing} of them"
        )
    if requested is not None:
        return requested_alignment(requested)
    side, shared, gaps = _pairs(splits)
    telling = {pair: value.telling for pair, value in gaps.items() if len(value.telling.first)}
    if not telling:
        some = any(len(value.first) for value in gaps.values())
        reason = "nothing tells whether steps are aligned: all sequences fill their arrays"
        return Alignment(aligned=False, reason=reason if some else "")
    together = "begin" if side == 0 else "end"
    clips = max(len(value.first) for value in telling.values())
    alone = clips == 1 and max(len(value.first) for value in gaps.values()) >= MANY_CLIPS
    if not alone and all((value.first == value.second).all() for value in telling.values()):
        evidence = f"modalities {together} together in all {clips} clips that tell"
        return Alignment(aligned=True, reason=f"steps are aligned: {evidence}")
    odds = {pair: _log_odds(value) for pair, value in telling.items()}
    judged = {p: x for p, x in odds.items() if len(telling[p].first) >= MANY_CLIPS}
    if judged:
        pair, worst = min(judged.items(), key=lambda item: item[1])
    else:
        pair, worst = min(telling, key=lambda p: telling[p].together), sum(odds.values())
    probability = 1 / (1 + math.exp(-min(max(worst, -500), 500)))
    value = telling[pair]
    same = int((value.first == value.second).sum())
    evidence = f"{pair[0]} and {pair[1]} {together} together in {same} of {len(value.first)} clips "
    evidence += "that tell"
    if doubt := _doubt(probability, value, gaps[pair], shared=shared):
        probability = 0.5
        evidence += doubt
    if 1 - SURE < probability < SURE:
        raise DataError(
            f"{path}: cannot tell whether step k is the same word in every modality ({evidence}); "
            f"give --data_options.aligned true or --data_options.aligned false"
        )
    aligned = probability >= SURE
    sure = min(99.9, 100 * max(probability, 1 - probability))
    return Alignment(
        aligned=aligned,
        reason=f"steps are {'' if aligned else 'not '}aligned ({sure:.3g} % sure): {evidence}",
    )


def _doubt(probability: float, telling: _Gaps, every: _Gaps, *, shared: bool) -> str:
    """Why a probability does not count, as the end of a sentence; "" if it does."""
    if len(telling.first) == 1 and len(every.first) >= MANY_CLIPS:
        return ", and both fill the array in all others"
    if probability < 1 - SURE and _within(telling):
        return ", and one is as long as the other less a few steps"
    if probability < 1 - SURE and not shared and len(telling.first) < 0.9 * len(every.first):
        return ", and both fill the array in the others"
    return ""


def requested_alignment(aligned: bool) -> Alignment:
    """What the user says of the alignment."""
    no = "" if aligned else "not "
    return Alignment(
        aligned=aligned, reason=f"steps are {no}aligned: --data_options.aligned says so"
    )


def _pairs(
    splits: Sequence[tuple[Mapping[Modality, int], Ranges]],
) -> tuple[int, bool, dict[tuple[Modality, Modality], _Gaps]]:
    """The padded side (0 = left), whether all modalities of some clip are padded, and the gaps."""
    gaps: dict[tuple[Modality, Modality], list[np.ndarray]] = {}
    steps = 0
    common, own = np.zeros(2), np.zeros(2)
    for arrays, ranges in splits:
        if not ranges:
            continue
        steps = max(steps, *arrays.values())
        length = next(iter(arrays.values()))
        sides = {name: np.stack([first, length - end]) for name, (first, end) in ranges.items()}
        present = {name: end > first for name, (first, end) in ranges.items()}
        own += sum(
            (side[:, present[name]].sum(axis=1) for name, side in sides.items()), np.zeros(2)
        )
        every = np.stack([np.where(present[name], side, length) for name, side in sides.items()])
        common += every.min(axis=0)[:, np.logical_or.reduce(list(present.values()))].sum(axis=1)
        for pair in itertools.combinations(sides, 2):
            both = present[pair[0]] & present[pair[1]]
            gaps.setdefault(pair, []).append(np.stack([sides[m][:, both] for m in pair]))
    # The padding that all modalities of a clip share is none of missing observations.
    side = int((common if common.any() else own).argmax())
    joined = {pair: np.concatenate(parts, axis=2) for pair, parts in gaps.items()}
    return (
        side,
        bool(common.any()),
        {
            pair: _Gaps(
                first=x[0, side],
                second=x[1, side],
                differ=int((x[0, 1 - side] != x[1, 1 - side]).sum()),
                steps=steps,
            )
            for pair, x in joined.items()
        },
    )


def _log_odds(gaps: _Gaps) -> float:
    """Logarithm of the odds that two modalities are aligned against that they are not.

    Aligned, they end together in a share of clips that is likely large, and anything may be missing
    on the other side. Not aligned, either their lengths are independent, or one is about a multiple
    of the other; then the share is at most a little more than it is by chance, or more than the
    smaller of the shares that differ by one step, if two rates are equal. Hardly anything is
    missing on the other side.
    """
    shift = gaps.first - gaps.second
    count, same = len(shift), int((shift == 0).sum())
    earlier, later = int((shift < 0).sum()), int((shift > 0).sum())
    chance, less = _by_chance(gaps)
    neighbours = min(int((shift == 1).sum()), int((shift == -1).sum())) / count
    most = min(0.9, 0.1 + 2.5 * neighbours)
    order = _beta_binomial(earlier, later)
    aligned = _average(same, count - same, 2 * GRID) + order
    related = _average(same, count - same, np.where(most > GRID, 1 / most, 0)) + order
    unaligned = related
    if chance < 0.5:
        shares = np.array([chance, less, 1 - chance - less]) * count + 0.5
        logs = np.log(shares / shares.sum())
        independent = float(logs @ [same, earlier, later])
        unaligned = np.logaddexp(related, independent) - math.log(2)
    agree = count - min(gaps.differ, count)
    other = _average(count - agree, agree, np.ones_like(GRID)) - _average(
        count - agree, agree, 5 * (1 - GRID) ** 4
    )
    return float(aligned - unaligned + other)


def _by_chance(gaps: _Gaps) -> tuple[float, float]:
    """Shares of pairs of different clips whose gaps are the same, and whose first is smaller."""
    count = len(gaps.first)
    if count < 2:
        return 0.0, 0.5
    first, second = (np.bincount(x, minlength=gaps.steps + 1) for x in (gaps.first, gaps.second))
    pairs = count * (count - 1)
    same = (first @ second - (gaps.first == gaps.second).sum()) / pairs
    beyond = second.sum() - np.cumsum(second)
    less = (first @ beyond - (gaps.first < gaps.second).sum()) / pairs
    return float(same), float(less)


def _average(hits: int, misses: int, weights: Float[np.ndarray, " share"]) -> float:
    """Logarithm of the mean likelihood of hits and misses, shares being weighted."""
    shares, weights = GRID[weights > 0], weights[weights > 0]
    logs = hits * np.log(shares) + misses * np.log1p(-shares)
    top = logs.max()
    return float(top + np.log((weights * np.exp(logs - top)).sum() / len(GRID)))


def _beta_binomial(first: int, second: int) -> float:
    """Logarithm of the likelihood of a sequence of two outcomes, by Jeffreys' prior."""
    return (
        math.lgamma(first + 0.5)
        + math.lgamma(second + 0.5)
        - math.lgamma(first + second + 1)
        - math.log(math.pi)
    )


def _within(gaps: _Gaps) -> bool:
    """Whether one modality is the other less a few steps, however many steps there are.

    So would be a face that is never found at the first word. Of two rates, the longer the one the
    more steps the other lacks. Sequences that fill the array may have been cut.
    """
    long, short = sorted((gaps.steps - gaps.first, gaps.steps - gaps.second), key=np.sum)[::-1]
    long, short = long[long < gaps.steps], short[long < gaps.steps]
    if len(long) < 3 or long.std() < 1 or (short <= long).mean() < 0.95:
        return False
    return bool(np.cov(short, long)[0, 1] > 0.75 * long.var(ddof=1))
