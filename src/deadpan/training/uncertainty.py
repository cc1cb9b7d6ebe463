"""How sure a run's predictions are: what is fitted on its validation split, and its scores."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from deadpan.data.dataset import Clip, clip_groups
from deadpan.errors import DeadpanError, count_of
from deadpan.metrics import calibration
from deadpan.metrics.calibration import AbstentionPoint, PerClip, ReliabilityBin
from deadpan.metrics.conformal import (
    FEWEST,
    LEVEL,
    THIRDS,
    ConformalInterval,
    count_groups,
    fit_distribution_interval,
    fit_interval,
    third_edges,
    third_of,
    uncertain_decisions,
)
from deadpan.models import Model
from deadpan.options import NullableFloat, record
from deadpan.tasks import Classes, Task
from deadpan.training.evaluation import labels_of, predict_clips

Outputs = Float[np.ndarray, "clip output"]
ClipLabel = Float[np.ndarray, "clip label"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """What a run keeps of its validation split, for intervals and signs of predicted numbers.

    Attributes:
        level: share of new clips whose label is to lie in its interval.
        clips: number of validation clips.
        groups: number of their groups (videos or speakers); a clip without one counts as one.
        note: a sentence where there are no intervals, empty where there are.
        intervals: of each label, by name; none where the split is too small.
    """

    level: float
    clips: int
    groups: int
    note: str = ""
    intervals: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def fitted(self, task: Task) -> list[ConformalInterval | None]:
        """The interval of each label; DeadpanError where they are not of this task."""
        if not self.intervals:
            return [None] * len(task.labels)
        if list(self.intervals) != list(task.labels):
            raise DeadpanError(
                f"has intervals of {', '.join(self.intervals)}, wanted {', '.join(task.labels)}"
            )
        has_bins = task.bins is not None
        values = self.intervals.values()
        return [ConformalInterval.from_json(value, has_bins=has_bins) for value in values]


def read_uncertainty(name: str, values: object, task: Task) -> Uncertainty:
    """Check the content of a run's ``uncertainty.json``; DeadpanError where it does not fit."""
    uncertainty = record(name, values, Uncertainty)
    try:
        uncertainty.fitted(task)
    except DeadpanError as error:
        raise DeadpanError(f"{name}: {error}") from None
    return uncertainty


def fit_uncertainty(task: Task, clips: Sequence[Clip], outputs: Outputs) -> Uncertainty:
    """Fit intervals and signs on validation clips.

    Args:
        task: of the run; predicts numbers.
        clips: the validation split.
        outputs: of the model for them.
    """
    groups = clip_groups(clips)
    decisions, labels = task.decisions(outputs), labels_of(clips)
    bounds, bins = task.bounds, task.bins
    fitted = dict[str, Any]()
    for index, name in enumerate(task.labels):
        if bins is None:
            interval = fit_interval(decisions[:, index], labels[:, index], groups, bounds=bounds)
        else:
            logits, own = outputs.reshape(len(outputs), *bins.shape)[:, index], bins[index]
            truth = labels[:, index]
            interval = fit_distribution_interval(logits, own, truth, groups, bounds=bounds)
        if interval is not None:
            fitted[name] = dataclasses.asdict(interval)
    count = count_groups(groups)
    noun, wanted = "group", "videos or speakers"
    if all(group is None for group in groups):
        noun, wanted = "clip", "clips"
    too_few = (
        f"no {100 * LEVEL:.0f} % intervals: the validation split has {count_of(count, noun)}, and "
        f"they need at least {FEWEST}; put at least {FEWEST - count} more {wanted} into it, and "
        "train again"
    )
    note = "" if fitted else too_few
    return Uncertainty(level=LEVEL, clips=len(clips), groups=count, note=note, intervals=fitted)


def fit_on_validation(task: Task, model: Model, clips: Sequence[Clip]) -> Uncertainty:
    """Predict validation clips and fit intervals and signs on them, as :func:`fit_uncertainty`."""
    return fit_uncertainty(task, clips, predict_clips(model, clips, model.widths))


def uncertain(
    task: Task, outputs: Outputs, uncertainty: Uncertainty | None
) -> tuple[ClipLabel, ClipLabel, ClipLabel]:
    """Ends of each number's interval and probability that it is above 0; NaN where there is none.

    Args:
        task: predicts numbers.
        outputs: of the model.
        uncertainty: of the run; None for a run of a version that fitted none.
    """
    fitted = uncertainty.fitted(task) if uncertainty else [None] * len(task.labels)
    return uncertain_decisions(task.decisions(outputs), outputs, task.bins, fitted)


def uncertain_columns(
    task: Task, outputs: Outputs, uncertainty: Uncertainty | None
) -> dict[str, list[float]]:
    """Columns ``low_LABEL``, ``high_LABEL`` and ``positive_probability_LABEL``, where known."""
    if not task.predicts_numbers:
        return {}
    low, high, positive = uncertain(task, outputs, uncertainty)
    return {
        f"{kind}_{name}": column.tolist()
        for index, name in enumerate(task.labels)
        for kind, values in (("low", low), ("high", high), ("positive_probability", positive))
        if not np.isnan(column := values[:, index]).any()
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Coverage:
    """How many labels lie in their interval, among clips of a range of |label|.

    Attributes:
        start: |label| is above this; 0 is in the first third.
        end: |label| is at most this.
        clips: number of clips.
        covered: share of their labels that lie in the interval; NaN without clips.
        width: mean width of the interval, in the label's unit; NaN without clips.
    """

    start: float
    end: float
    clips: int
    covered: NullableFloat
    width: NullableFloat


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelUncertainty:
    """How right the uncertainty of one label is; of classes, that of the class predicted.

    Attributes:
        label: its name.
        coverage: of its intervals, over all clips and then in each third of |label|; none without.
        bins: of the probability that the label is above 0, that an emotion is present, or that the
            predicted class is the true one; none where there is no such probability.
        ece: expected calibration error over the bins; NaN without.
        points: abstention curve: the mean absolute error, or the accuracy of emotions and classes;
            none where no prediction is more certain than another.
        area: mean of the whole curve; NaN without one.
    """

    label: str
    coverage: tuple[Coverage, ...]
    bins: tuple[ReliabilityBin, ...]
    ece: NullableFloat
    points: tuple[AbstentionPoint, ...]
    area: NullableFloat


@dataclasses.dataclass(frozen=True, kw_only=True)
class UncertaintyScores:
    """How right the uncertainty of a run is on its test split.

    Attributes:
        level: share of labels that the intervals are to hold.
        note: a sentence where there are no intervals.
        labels: of each label, or the only one of classes.
    """

    level: float
    note: str
    labels: tuple[LabelUncertainty, ...]


def score_uncertainty(
    task: Task, outputs: Outputs, labels: ClipLabel, uncertainty: Uncertainty | None
) -> UncertaintyScores:
    """Score intervals, probabilities and abstention on clips with labels.

    A number is the more certain the narrower its interval, an emotion the farther its probability
    is from one half, a class the more probable it is.

    Args:
        task: of the run.
        outputs: of the model.
        labels: of the clips.
        uncertainty: of the run; None for a task that predicts no numbers.
    """
    decisions, labels = task.decisions(outputs), labels.astype(np.float64)
    parts = list[LabelUncertainty]()
    if task.predicts_numbers:
        ends = uncertain(task, outputs, uncertainty)
        for index, name in enumerate(task.labels):
            low, high, positive = (values[:, index] for values in ends)
            errors = np.abs(decisions[:, index] - labels[:, index])
            coverage = () if np.isnan(low).any() else _coverage(low, high, labels[:, index])
            signs = None if np.isnan(positive).any() else (positive, labels[:, index] > 0)
            certainty = low - high if coverage else None
            parts.append(_label_uncertainty(name, coverage, signs, errors, certainty))
    elif isinstance(task, Classes):
        most = decisions.max(axis=1)
        right = decisions.argmax(axis=1) == labels.argmax(axis=1)
        parts.append(_label_uncertainty("class", (), (most, right), right.astype(float), most))
    else:
        for name, present, label in zip(task.labels, decisions.T, labels.T, strict=True):
            right = ((present > 0.5) == (label > 0.5)).astype(float)
            probabilities = present, label > 0.5
            certainty = np.abs(present - 0.5)
            parts.append(_label_uncertainty(name, (), probabilities, right, certainty))
    level, note = (uncertainty.level, uncertainty.note) if uncertainty else (LEVEL, "")
    return UncertaintyScores(level=level, note=note, labels=tuple(parts))


def _label_uncertainty(
    label: str,
    coverage: tuple[Coverage, ...],
    probabilities: tuple[PerClip, np.ndarray] | None,
    values: PerClip,
    certainty: PerClip | None,
) -> LabelUncertainty:
    bins = () if probabilities is None else calibration.reliability_bins(*probabilities)
    curve = None if certainty is None else calibration.abstention_curve(values, certainty)
    return LabelUncertainty(
        label=label,
        coverage=coverage,
        bins=bins,
        ece=NullableFloat(calibration.expected_calibration_error(bins)),
        points=() if curve is None else calibration.abstention_points(curve),
        area=NullableFloat(np.nan if curve is None else curve.mean()),
    )


def _coverage(low: PerClip, high: PerClip, labels: PerClip) -> tuple[Coverage, ...]:
    """Coverage over all clips, and in each third of their |label|."""
    edges, most = third_edges(labels), float(np.abs(labels).max())
    thirds = third_of(labels, edges)
    covered, widths = (low <= labels) & (labels <= high), high - low
    ranges = zip([0.0, *edges.tolist()], [*edges.tolist(), most], strict=True)
    parts = [(thirds == third, *ends) for third, ends in zip(range(THIRDS), ranges, strict=True)]
    return tuple(
        Coverage(
            start=start,
            end=end,
            clips=int(chosen.sum()),
            covered=NullableFloat(covered[chosen].mean() if chosen.any() else np.nan),
            width=NullableFloat(widths[chosen].mean() if chosen.any() else np.nan),
        )
        for chosen, start, end in [(np.full(len(labels), True), 0.0, most), *parts]
    )
