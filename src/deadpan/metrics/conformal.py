"""Conformal intervals of a predicted number, and the probability that it is above 0.

Split conformal prediction (Papadopoulos et al. 2002, Inductive confidence machines for regression)
takes as the radius of all intervals a quantile of |label - prediction| over validation clips. With
one radius and clips without groups it guarantees marginal coverage: if the validation clips and a
new clip are exchangeable, the probability that its interval holds its label is at least ``LEVEL``,
for any model and any number of clips. The probability is over validation clips and new clip
together: nothing is guaranteed for one validation split, one video or one range of labels.

A model that predicts a distribution has intervals of its own quantiles (conformalized quantile
regression: Romano, Patterson and Candès 2019): what is compared with the radius is then how far the
label is outside the two predicted quantiles, negative inside, so that an interval is the wider the
wider the distribution is. The guarantee is the same.

Three things here depart from that, so that the guarantee is an approximation.

- Clips of one video are not exchangeable, videos are. Each group has the same total weight in the
  quantile: the pooled distribution of Dunn, Wasserman and Ramdas (2022, Distribution-Free
  Prediction Sets for Two-Layer Hierarchical Models), whose coverage tends to the level as groups
  grow many. One more clip counts as infinitely wrong, the finite-sample correction of clips without
  groups. The correction that guarantees coverage for any number of groups (Lee, Barber and Willett
  2023, Distribution-free inference with hierarchical data) counts one more group: with the 10
  videos that MOSI validates on, its intervals spread over the whole scale.
- Models err more on strong labels. Each third of |label| has a radius of its own (Mondrian
  conformal prediction: Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random World).
  That brings the coverage of the thirds nearer to the level and guarantees it in none: the edges
  are fitted on the same labels, a third holds a third of the clips, and a split with fewer than
  ``FEWEST`` groups in a third has one radius for all. On test splits thirds hold more than the
  level and less: ``studies/accuracy/uncertainty.md`` has a column for each.
- Training chooses the epoch by its loss on the same validation split.

The probability that a label is above 0 is the share of validation errors that would put it there,
or that of the predicted distribution at one temperature (Guo et al. 2017, On calibration of modern
neural networks). The temperature minimises the negative log likelihood of the validation labels'
signs, not of their bins: it is the sign's probability that is reported, and training spreads its
target over several bins. ``studies/README.md`` has the figures that decided both.

Needs numpy alone, for the exported predictor.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from deadpan.errors import DeadpanError
from deadpan.metrics.distributions import quantiles, signed_probability

LEVEL = 0.9
"""Share of new clips whose label is to lie in its interval."""
FEWEST = math.ceil(LEVEL / (1 - LEVEL) - 1e-9)
"""Fewest groups, or clips without groups, of a quantile: of fewer, the interval is infinite."""
THIRDS = 3
QUANTILES = 200
"""Quantiles that are kept of the errors."""
TAILS = (1 - LEVEL) / 2, (1 + LEVEL) / 2
"""Shares of a predicted distribution below the two quantiles that its interval starts from."""
TEMPERATURES = np.array(sorted(np.geomspace(1 / 4, 4, 81).tolist(), key=lambda t: abs(np.log(t))))
"""Temperatures that are tried, from 1 outwards, so that of equally likely ones the mildest wins."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConformalInterval:
    """What makes an interval of a label, and the probability of its sign, from its prediction.

    Attributes:
        radii: largest |label - prediction| to be expected in each third of |label|, or one for all;
            with ``of_quantiles`` the largest distance outside the quantiles, negative inside.
        edges: the |label| between the thirds, ascending; none where one radius is for all.
        low: lowest label there is; None = there is none.
        high: highest label there is; None = there is none.
        errors: ascending quantiles of label minus prediction, each as likely; none where the label
            has no sign, or its sign has the probability of a predicted distribution.
        of_quantiles: whether intervals start from the quantiles of a predicted distribution, and
            not from a predicted number.
        temperature: what the logits of a distribution are divided by before the probability of the
            sign is read off; quantiles are those of the logits as they are.
    """

    radii: tuple[float, ...]
    edges: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    errors: tuple[float, ...] = ()
    of_quantiles: bool = False
    temperature: float = 1.0

    @classmethod
    def from_json(cls, value: object, *, has_bins: bool) -> "ConformalInterval":
        """Read what ``dataclasses.asdict`` gave; DeadpanError where it cannot be that.

        Args:
            value: as read from JSON; one of an older version has no quantiles and no temperature.
            has_bins: whether the model predicts distributions.
        """
        try:
            values: dict[str, Any] = {**cast("Mapping[str, Any]", value)}
            radii, edges, errors = (
                tuple(map(float, values[name])) for name in ("radii", "edges", "errors")
            )
            low, high = (
                None if values[name] is None else float(values[name]) for name in ("low", "high")
            )
            temperature = float(values.get("temperature", 1.0))
            of_quantiles = values.get("of_quantiles", False)
        except (TypeError, ValueError, KeyError, OverflowError):
            raise DeadpanError("intervals are not as 'deadpan train' writes them") from None
        bounds = [bound for bound in (low, high) if bound is not None]
        if type(of_quantiles) is not bool or (of_quantiles and not has_bins):
            raise DeadpanError("intervals are of quantiles, but the model predicts no distribution")
        if not (
            np.isfinite([*radii, *edges, *errors, *bounds, temperature]).all()
            and len(radii) == len(edges) + 1
            and (of_quantiles or min(radii) >= 0)
            and temperature > 0
            and [*errors] == sorted(errors)
            and [0.0, *edges] == sorted([0.0, *edges])
            and bounds == sorted(bounds)
        ):
            raise DeadpanError("intervals have radii, edges or errors that do not fit each other")
        return cls(
            radii=radii,
            edges=edges,
            low=low,
            high=high,
            errors=errors,
            of_quantiles=of_quantiles,
            temperature=temperature,
        )

    def ends(self, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends [clip] of intervals round [lower, upper], each [clip].

        They are the ends of {label : it is outside by no more than the radius of its third}, cut to
        the labels there are. Where radii are so negative that nothing is left, both are the middle.

        Args:
            lower: the predicted numbers, or the lower quantiles of the predicted distributions.
            upper: the same numbers, or the upper quantiles.
        """
        low, high = _outermost_labels(lower, upper, self.radii, self.edges)
        middle = (lower.astype(np.float64) + upper) / 2
        low, high = (np.where(low <= high, end, middle) for end in (low, high))
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
    edges, radii = _radii(predictions, predictions, labels, groups)
    errors: tuple[float, ...] = ()
    if labels.min() < 0 < labels.max():
        shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
        errors = tuple(_quantiles(labels - predictions, groups, shares).tolist())
    return ConformalInterval(radii=radii, edges=edges, low=low, high=high, errors=errors)


def fit_distribution_interval(
    logits: np.ndarray,
    bins: np.ndarray,
    labels: np.ndarray,
    groups: Sequence[str | None],
    *,
    bounds: tuple[float, float] | None = None,
) -> ConformalInterval | None:
    """Fit the intervals of a predicted distribution, by the rules of :func:`fit_interval`.

    Args:
        logits: [clip, bin].
        bins: values at the middle of each bin, ascending and evenly spaced, [bin].
        labels: [clip].
        groups: as of :func:`fit_interval`.
        bounds: lowest and highest label there is.
    """
    if count_groups(groups) < FEWEST:
        return None
    labels = labels.astype(np.float64)
    low, high = bounds or (None, None)
    lower, upper = (quantiles(logits, bins, share) for share in TAILS)
    edges, radii = _radii(lower, upper, labels, groups)
    temperature = 1.0
    if labels.min() <= 0 < labels.max():
        temperature = _sign_temperature(logits, bins, labels, groups)
    return ConformalInterval(
        radii=radii, edges=edges, low=low, high=high, of_quantiles=True, temperature=temperature
    )


def _sign_temperature(
    logits: np.ndarray, bins: np.ndarray, labels: np.ndarray, groups: Sequence[str | None]
) -> float:
    """The temperature of the least negative log likelihood of the signs, each group as heavy.

    A likelihood is at least 1e-12, so that it is finite for a sign that was held impossible.
    """
    weights, above = _group_weights(groups), labels > 0
    losses = list[float]()
    for temperature in TEMPERATURES:
        positive = signed_probability(logits / temperature, bins[None])[:, 0]
        likelihood = np.where(above, positive, 1 - positive)
        losses.append(-float(weights @ np.log(np.maximum(likelihood, 1e-12))))
    return float(TEMPERATURES[int(np.argmin(np.round(losses, 9)))])


def _outermost_labels(
    lower: np.ndarray, upper: np.ndarray, radii: Sequence[float], edges: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest label [clip] that no radius excludes; inf and -inf where each does.

    Args:
        lower: [clip].
        upper: [clip], nowhere below.
        radii: of each third of |label|: how far a label may be outside [lower, upper].
        edges: between the thirds.
    """
    bounds = np.array([-np.inf, *np.negative(edges[::-1]), *edges, np.inf])
    reach = np.array([*radii[:0:-1], *radii])  # from the lowest labels up
    starts = np.maximum(bounds[:-1], lower.astype(np.float64)[:, None] - reach)
    stops = np.minimum(bounds[1:], upper.astype(np.float64)[:, None] + reach)
    holds = starts <= stops
    low = np.where(holds, starts, np.inf).min(axis=1)
    return low, np.where(holds, stops, -np.inf).max(axis=1)


def _radii(
    lower: np.ndarray, upper: np.ndarray, labels: np.ndarray, groups: Sequence[str | None]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Edges between the thirds of |label| and their radii; no edge and one radius for small splits.

    The third of the strongest labels comes first. A weaker label that the intervals of stronger
    ones hold already needs no radius: else intervals would hold more than their share.
    """
    distances = np.maximum(lower - labels, labels - upper)
    edges = third_edges(labels)
    thirds = third_of(labels, edges)
    parts = [[groups[i] for i in np.flatnonzero(thirds == k).tolist()] for k in range(THIRDS)]
    if any(count_groups(part) < FEWEST for part in parts):
        return (), (_radius(distances, groups),)
    ends = tuple(edges.tolist())
    least = min(0.0, float(distances.min()))
    radii = [-np.inf] * THIRDS  # of a third that holds nothing yet
    for third in reversed(range(THIRDS)):
        low, high = _outermost_labels(lower, upper, radii, ends)
        needed = np.where((low <= labels) & (labels <= high), least, distances)
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
    outputs: np.ndarray,
    bins: np.ndarray | None,
    fitted: Sequence[ConformalInterval | None],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ends of the interval of each prediction, and the probability that its label is above 0.

    Args:
        decisions: predicted numbers [clip, label].
        outputs: of the model: the same numbers, or logits of all labels' bins side by side,
            [clip, label * bin].
        bins: values [label, bin], where the model predicts a distribution; None = it does not.
        fitted: the interval of each label; None where there is none.

    Returns:
        Lower end, upper end and probability, each [clip, label], NaN where there is none. A
        distribution has its own probability, at a temperature where one was fitted.
    """
    low, high, positive = (np.full(decisions.shape, np.nan) for _ in range(3))
    for label, interval in enumerate(fitted):
        logits = None if bins is None else outputs.reshape(len(outputs), *bins.shape)[:, label]
        if interval is not None:
            lower = upper = decisions[:, label]
            if interval.of_quantiles and logits is not None and bins is not None:
                lower, upper = (quantiles(logits, bins[label], share) for share in TAILS)
            low[:, label], high[:, label] = interval.ends(lower, upper)
        if logits is not None and bins is not None:
            temperature = 1.0 if interval is None else interval.temperature
            own = bins[label : label + 1]
            positive[:, label] = signed_probability(logits / temperature, own)[:, 0]
        elif interval is not None:
            positive[:, label] = interval.positive_probability(decisions[:, label])
    return low, high, positive


def _radius(distances: np.ndarray, groups: Sequence[str | None]) -> float:
    """The quantile of the distances, counted as if one more clip were infinitely far."""
    share = min(1.0, LEVEL * (1 + 1 / len(distances)))
    return float(_quantiles(distances, groups, np.array([share]))[0])


def _quantiles(values: np.ndarray, groups: Sequence[str | None], shares: np.ndarray) -> np.ndarray:
    """The least of the values up to which there is each share of the weight, equal by group."""
    order = np.argsort(values, kind="stable")
    up_to = np.cumsum(_group_weights(groups)[order])
    # The sum of thirds of a weight is not quite 1.
    index = np.searchsorted(up_to, shares - 1e-9)
    return values[order][np.minimum(index, len(values) - 1)]


def _group_weights(groups: Sequence[str | None]) -> np.ndarray:
    """Weight of each clip [clip], sum 1: each group weighs the same, and so do its clips."""
    names = [f"clip {i}" if name is None else f"group {name}" for i, name in enumerate(groups)]
    _, group, counts = np.unique(names, return_inverse=True, return_counts=True)
    return 1 / counts[group] / len(counts)
