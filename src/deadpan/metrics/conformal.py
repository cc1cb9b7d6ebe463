"""Conformal intervals of a predicted number, and the probability that it is above 0.

Split conformal prediction (Papadopoulos et al. 2002, Inductive confidence machines for regression)
takes as the radius of all intervals a quantile of |label - prediction| over validation clips. With
one radius and clips without groups it guarantees marginal coverage: if the validation clips and a
new clip are exchangeable, the probability that its interval holds its label is at least ``LEVEL``,
for any model and any number of clips. The probability is over validation clips and new clip
together: nothing is guaranteed for one validation split, one video or one range of labels.

Three things here depart from that, so that the guarantee is an approximation.

- Clips of one video are not exchangeable, videos are. Each group has the same total weight in the
  quantile: the pooled distribution of Dunn, Wasserman and Ramdas (2022, Distribution-Free
  Prediction Sets for Two-Layer Hierarchical Models), whose coverage tends to the level as groups
  grow many. One more clip counts as infinitely wrong, the finite-sample correction of clips without
  groups. The correction that guarantees coverage for any number of groups (Lee, Barber and Willett
  2023, Distribution-free inference with hierarchical data) counts one more group: with the 10
  videos that MOSI validates on, its intervals spread over the whole scale.
- Models err more on strong labels. Each third of |label| has a radius of its own (Mondrian
  conformal prediction: Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random World),
  which holds the level in each third, were the edges between them not fitted on the same labels.
- Training chooses the epoch by its loss on the same validation split.

Needs numpy alone, for the exported predictor.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from deadpan.errors import DeadpanError

LEVEL = 0.9
"""Share of new clips whose label is to lie in its interval."""
FEWEST = math.ceil(LEVEL / (1 - LEVEL) - 1e-9)
"""Fewest groups, or clips without groups, of a quantile: of fewer, the interval is infinite."""
THIRDS = 3
QUANTILES = 200
"""Quantiles that are kept of the errors."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConformalInterval:
    """What makes an interval of a label, and the probability of its sign, from its prediction.

    Attributes:
        radii: largest |label - prediction| to be expected in each third of |label|, or one for all.
        edges: the |label| between the thirds, ascending; none where one radius is for all.
        low: lowest label there is; None = there is none.
        high: highest label there is; None = there is none.
        errors: ascending quantiles of label minus prediction, each as likely; none where the label
            has no sign.
    """

    radii: tuple[float, ...]
    edges: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    errors: tuple[float, ...] = ()

    @classmethod
    def from_json(cls, value: object) -> "ConformalInterval":
        """Read what ``dataclasses.asdict`` gave; DeadpanError where it cannot be that."""
        try:
            values: dict[str, Any] = {**cast("Mapping[str, Any]", value)}
            radii, edges, errors = (
                tuple(map(float, values[name])) for name in ("radii", "edges", "errors")
            )
            low, high = (
                None if values[name] is None else float(values[name]) for name in ("low", "high")
            )
        except (TypeError, ValueError, KeyError, OverflowError):
            raise DeadpanError("intervals are not as 'deadpan train' writes them") from None
        bounds = [bound for bound in (low, high) if bound is not None]
        if not (
            np.isfinite([*radii, *edges, *errors, *bounds]).all()
            and len(radii) == len(edges) + 1
            and min(radii) >= 0
            and [*errors] == sorted(errors)
            and [0.0, *edges] == sorted([0.0, *edges])
            and bounds == sorted(bounds)
        ):
            raise DeadpanError("intervals have radii, edges or errors that do not fit each other")
        return cls(radii=radii, edges=edges, low=low, high=high, errors=errors)

    def ends(self, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends [clip] of the intervals of predictions [clip].

        They are the ends of {label : |label - prediction| <= radius of the label's third}, cut to
        the labels there are.
        """
        bounds = np.array([-np.inf, *np.negative(self.edges[::-1]), *self.edges, np.inf])
        radii = np.array([*self.radii[:0:-1], *self.radii])  # from the lowest labels up
        x = predictions.astype(np.float64)[:, None]
        starts, stops = np.maximum(bounds[:-1], x - radii), np.minimum(bounds[1:], x + radii)
        holds = starts <= stops
        low = np.where(holds, starts, np.inf).min(axis=1)
        high = np.where(holds, stops, -np.inf).max(axis=1)
        if self.low is None and self.high is None:
            return low, high
        return np.clip(low, self.low, self.high), np.clip(high, self.low, self.high)

    def positive_probability(self, predictions: np.ndarray) -> np.ndarray:
        """Share of the errors [clip] that would put a label above 0; NaN where it has no sign."""
        if not self.errors:
            return np.full(len(predictions), np.nan)
        below = np.searchsorted(self.errors, -predictions.astype(np.float64), side="right")
        return 1 - below / len(self.errors)


def fit_interval(
    predictions: np.ndarray,
    labels: np.ndarray,
    groups: Sequence[str | None],
    *,
    bounds: tuple[float, float] | None = None,
) -> ConformalInterval | None:
    """Fit the intervals of one label on validation clips; None for fewer than ``FEWEST`` groups.

    Each third of |label| has its own radius if each holds ``FEWEST`` groups; else one is for all.
    The label has a sign if some are above and some below 0.

    Args:
        predictions: [clip].
        labels: [clip].
        groups: the video or speaker of each clip; a clip with None is a group of its own.
        bounds: lowest and highest label there is.
    """
    if count_groups(groups) < FEWEST:
        return None
    labels = labels.astype(np.float64)
    low, high = bounds or (None, None)
    edges, radii = _radii(predictions, labels, groups)
    errors: tuple[float, ...] = ()
    if labels.min() < 0 < labels.max():
        shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
        errors = tuple(_quantiles(labels - predictions, groups, shares).tolist())
    return ConformalInterval(radii=radii, edges=edges, low=low, high=high, errors=errors)


def _radii(
    predictions: np.ndarray, labels: np.ndarray, groups: Sequence[str | None]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Edges between the thirds of |label| and their radii; no edge and one radius for small splits.

    The third of the strongest labels comes first. A weaker label that the intervals of stronger
    ones hold already needs no radius: else intervals would hold more than their share.
    """
    distances = np.abs(labels - predictions)
    edges = third_edges(labels)
    thirds = third_of(labels, edges)
    parts = [[groups[i] for i in np.flatnonzero(thirds == k).tolist()] for k in range(THIRDS)]
    if any(count_groups(part) < FEWEST for part in parts):
        return (), (_radius(distances, groups),)
    ends = tuple(edges.tolist())
    radii = [-1.0] * THIRDS  # of a third that holds nothing yet
    for third in reversed(range(THIRDS)):
        low, high = ConformalInterval(radii=tuple(radii), edges=ends).ends(predictions)
        needed = np.where((low <= labels) & (labels <= high), 0.0, distances)
        radii[third] = _radius(needed[thirds == third], parts[third])
    return ends, tuple(radii)


def count_groups(groups: Sequence[str | None]) -> int:
    """Number of groups; a clip with None is a group of its own."""
    return len(set(groups) - {None}) + sum(group is None for group in groups)


def third_edges(labels: np.ndarray) -> np.ndarray:
    """The two |label| that part labels [clip], at least one, into thirds."""
    return np.quantile(np.abs(labels), np.arange(1, THIRDS) / THIRDS)


def third_of(labels: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Index of the third of |label| of each label [clip]; an edge belongs to the third below it."""
    return np.searchsorted(edges, np.abs(labels), side="left")


def uncertain_decisions(
    decisions: np.ndarray,
    fitted: Sequence[ConformalInterval | None],
    above: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ends of the interval of each prediction, and the probability that its label is above 0.

    Args:
        decisions: predicted numbers [clip, label].
        fitted: the interval of each label; None where there is none.
        above: the predicted probability [clip, label] itself, where the model predicts a
            distribution: it is taken in place of that from validation errors.

    Returns:
        Lower end, upper end and probability, each [clip, label], NaN where there is none.
    """
    low, high, positive = (np.full(decisions.shape, np.nan) for _ in range(3))
    for label, interval in enumerate(fitted):
        if interval is not None:
            low[:, label], high[:, label] = interval.ends(decisions[:, label])
            positive[:, label] = interval.positive_probability(decisions[:, label])
    return low, high, positive if above is None else above


def _radius(distances: np.ndarray, groups: Sequence[str | None]) -> float:
    """The quantile of the distances, counted as if one more clip were infinitely far."""
    share = min(1.0, LEVEL * (1 + 1 / len(distances)))
    return float(_quantiles(distances, groups, np.array([share]))[0])


def _quantiles(values: np.ndarray, groups: Sequence[str | None], shares: np.ndarray) -> np.ndarray:
    """The least of the values up to which there is each share of the weight, equal by group."""
    names = [f"clip {i}" if name is None else f"group {name}" for i, name in enumerate(groups)]
    _, group, counts = np.unique(names, return_inverse=True, return_counts=True)
    order = np.argsort(values, kind="stable")
    up_to = np.cumsum((1 / counts[group] / len(counts))[order])
    # The sum of thirds of a weight is not quite 1.
    index = np.searchsorted(up_to, shares - 1e-9)
    return values[order][np.minimum(index, len(values) - 1)]
