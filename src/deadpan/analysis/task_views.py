"""How the page shows each task: the one place of this floor that tells tasks apart."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from deadpan.analysis.panels import Panel
from deadpan.analysis.prediction_panels import (
    classes_panel,
    emotions_panel,
    scores_panel,
    sentiment_panel,
)
from deadpan.analysis.predictions import (
    HardClip,
    Predictions,
    disbelief,
    errors,
    relative_errors,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskView:
    """What is particular to a task.

    Attributes:
        loss_unit: what the loss is.
        panel: draws the predictions.
        score_note: what must be known to read the scores; empty where nothing.
        faults: how wrong each prediction is; decides which clips are the hardest.
        hard_note: the order of the hardest clips, in words.
        hard_columns: headings of their columns; the last is emphasised.
        hard_cells: the text of those columns for a clip.
    """

    loss_unit: str
    panel: Callable[[Predictions], Panel]
    score_note: str = ""
    faults: Callable[[Predictions], Float[np.ndarray, "clip label"]]
    hard_note: str
    hard_columns: tuple[str, ...]
    hard_cells: Callable[[HardClip], tuple[str, ...]]


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _number(value: float, sign: str = "") -> str:
    digits = ",.0f" if abs(value) >= 1000 else ".4g"
    return f"{value:{sign}{digits}}".replace("-", "−")


def _sentiment_cells(clip: HardClip) -> tuple[str, ...]:
    return _signed(clip.truth), _signed(clip.prediction), _signed(clip.error)


def _emotion_cells(clip: HardClip) -> tuple[str, ...]:
    truth = "present" if clip.truth > 0.5 else "absent"
    return clip.label, truth, f"{clip.prediction:.3f}", f"{1 - abs(clip.error):.3f}"


def _class_cells(clip: HardClip) -> tuple[str, ...]:
    return clip.label, clip.highest, f"{clip.prediction:.3f}"


def _score_cells(clip: HardClip) -> tuple[str, ...]:
    numbers = _number(clip.truth), _number(clip.prediction), _number(clip.error, "+")
    return clip.label, *numbers


VIEWS = {
    "regression": TaskView(
        loss_unit="L1",
        panel=sentiment_panel,
        faults=errors,
        hard_note="Largest absolute error first. Error is prediction minus truth: positive is too "
        "friendly a reading.",
        hard_columns=("Truth", "Prediction", "Error"),
        hard_cells=_sentiment_cells,
    ),
    "emotions": TaskView(
        loss_unit="cross-entropy, nats",
        panel=emotions_panel,
        score_note="Accuracy and weighted F1 are per emotion, present against absent: compare them "
        "with always saying “absent” before anything else.",
        faults=errors,
        hard_note="Lowest probability of the truth first, each clip by its worst emotion.",
        hard_columns=("Emotion", "Truth", "P(present)", "P(truth)"),
        hard_cells=_emotion_cells,
    ),
    "classes": TaskView(
        loss_unit="cross-entropy, nats",
        panel=classes_panel,
        score_note="Weighted F1 counts each class by its clips, macro F1 all classes alike; F1 of "
        "a class is against all others, and a class without a clip in the split has none.",
        faults=disbelief,
        hard_note="Lowest probability of the true class first.",
        hard_columns=("Truth", "Predicted", "P(truth)"),
        hard_cells=_class_cells,
    ),
    "scores": TaskView(
        loss_unit="L1",
        panel=scores_panel,
        score_note="MAE is in the label’s own unit, Corr is Pearson’s r; a label that is the same "
        "in all clips has no Corr.",
        faults=relative_errors,
        hard_note="Largest error first, measured in standard deviations of the label over the "
        "split, each clip by its worst label. Error is prediction minus truth.",
        hard_columns=("Label", "Truth", "Prediction", "Error"),
        hard_cells=_score_cells,
    ),
}
"""By the name of the task in ``environment.json``."""
