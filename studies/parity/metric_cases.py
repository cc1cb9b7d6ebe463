"""Our metrics beside the official evaluation functions, on random and on degenerate vectors."""

import contextlib
import dataclasses
import io
import math
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from repositories import importable

from deadpan.metrics.classification import binary_weighted_f1
from deadpan.metrics.rounding import is_constant
from deadpan.tasks.classification import Emotions
from deadpan.tasks.regression import Regression

Vector = np.ndarray
Scores = Mapping[str, float]
EXACT, PRINTED = 1e-12, 0.5e-4 + 1e-12
"""Tolerances: of numbers as computed, and of those that MMSA rounds to four places."""
UNEXPLAINED = "NOT EXPLAINED"
EMOTIONS = ("Neutral", "Happy", "Sad", "Angry")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """An official function that scores predictions.

    Attributes:
        name: of the function.
        score: its numbers by our keys; the name of the exception, if it raises one, as the one key.
        ours: the same of ours.
        draw: makes predictions and labels of a kind, by name.
        tolerance: difference up to which numbers are the same.
    """

    name: str
    score: Callable[[Vector, Vector], Scores | str]
    ours: Callable[[Vector, Vector], Scores]
    draw: Mapping[str, Callable[[np.random.Generator], tuple[Vector, Vector]]]
    tolerance: float


def _sentiment(n: int, rng: np.random.Generator) -> Vector:
    return rng.choice(np.arange(-15, 16) / 5, n)


def _numbers(prediction: Callable[[Vector, np.random.Generator], Vector], **labels: Any) -> Any:
    """A drawer of sentiment labels, and of predictions made of them."""

    def draw(rng: np.random.Generator) -> tuple[Vector, Vector]:
        n = int(rng.integers(labels.get("least", 2), 60))
        label = labels["of"](n, rng) if "of" in labels else _sentiment(n, rng)
        return prediction(label, rng).astype(np.float64), label.astype(np.float64)

    return draw


NUMBERS: Mapping[str, Any] = {
    "random": _numbers(lambda y, rng: y + rng.normal(size=len(y))),
    "unrelated, out of range": _numbers(lambda y, rng: 4 * rng.normal(size=len(y))),
    "ties at .5": _numbers(
        lambda y, rng: rng.integers(-7, 8, len(y)) / 2,
        of=lambda n, rng: rng.integers(-6, 7, n) / 2,
    ),
    "predictions of 0": _numbers(lambda y, rng: np.where(rng.random(len(y)) < 0.5, 0.0, y)),
    "the labels": _numbers(lambda y, rng: y.copy()),
    "constant prediction": _numbers(lambda y, rng: np.full(len(y), rng.normal())),
    "constant but for rounding": _numbers(
        lambda y, rng: np.full(len(y), 1.7) * (1 + 1e-7 * rng.random(len(y)))
    ),
    "constant labels": _numbers(
        lambda y, rng: y + rng.normal(size=len(y)),
        of=lambda n, rng: np.full(n, rng.choice([-2.2, 1.4])),
    ),
    "all labels 0": _numbers(lambda y, rng: rng.normal(size=len(y)), of=lambda n, rng: np.zeros(n)),
    "labels of one sign": _numbers(
        lambda y, rng: y + 2 * rng.normal(size=len(y)),
        of=lambda n, rng: rng.integers(1, 4, n) + 0.2,
    ),
    "one clip": _numbers(
        lambda y, rng: y + rng.normal(size=1), of=lambda n, rng: _sentiment(1, rng)
    ),
}
"""Kinds of predictions and labels of sentiment."""


def _logits(kind: str) -> Callable[[np.random.Generator], tuple[Vector, Vector]]:
    def draw(rng: np.random.Generator) -> tuple[Vector, Vector]:
        n = 1 if kind == "one clip" else int(rng.integers(2, 60))
        labels = (rng.random((n, 4)) < 0.3).astype(np.float64)
        logits = rng.normal(size=(n, 8))
        if kind == "ties":
            logits = rng.integers(-1, 2, (n, 8)).astype(np.float64)
        elif kind == "constant prediction":
            logits = np.tile(rng.normal(size=8), (n, 1))
        elif kind == "nobody has an emotion":
            labels[:] = 0.0
        elif kind == "everybody has all":
            labels[:] = 1.0
        return logits, labels

    return draw


LOGITS = {
    kind: _logits(kind)
    for kind in (
        *("random", "ties", "constant prediction", "nobody has an emotion"),
        *("everybody has all", "one clip"),
    )
}
"""Kinds of logits (absent, present) of four emotions, and labels."""

_PRINTED = {
    "MAE": "mae",
    "Correlation Coefficient": "corr",
    "mult_acc_7": "acc7",
    "mult_acc_5": "acc5",
    "F1 score": "f1_non0",
    "Accuracy": "acc2_non0",
}
_MMSA = {
    "MAE": "mae",
    "Corr": "corr",
    "Mult_acc_7": "acc7",
    "Mult_acc_5": "acc5",
    "Non0_acc_2": "acc2_non0",
    "Non0_F1_score": "f1_non0",
    "Has0_acc_2": "acc2_has0",
    "Has0_F1_score": "f1_has0",
}


def _caught(call: Callable[[], Scores]) -> Scores | str:
    try:
        return call()
    except (IndexError, ValueError, ZeroDivisionError) as error:
        return type(error).__name__


def mult_evaluations(folder: Path) -> list[Evaluation]:
    """MulT's two functions, which print what they compute."""
    with importable(folder):
        from src.eval_metrics import eval_iemocap, eval_mosei_senti

    def printed(function: Any, prediction: Vector, label: Vector, *rest: Any) -> str:
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            function(torch.from_numpy(prediction), torch.from_numpy(label), *rest)
        return text.getvalue()

    def sentiment(prediction: Vector, label: Vector) -> Scores:
        lines = printed(eval_mosei_senti, prediction, label, True).splitlines()
        pairs = (line.split(": ") for line in lines if ": " in line)
        return {_PRINTED[name]: float(value) for name, value in pairs}

    def emotions(logits: Vector, labels: Vector) -> Scores:
        text = printed(eval_iemocap, logits, labels)
        values = map(float, re.findall(r"(?:F1 Score|Accuracy):\s+(\S+)", text))
        keys = [f"{e.lower()}_{m}" for e in EMOTIONS for m in ("f1", "acc")]
        return dict(zip(keys, values, strict=True))

    return [
        Evaluation(
            name="eval_mosei_senti(exclude_zero=True)",
            score=lambda p, y: _caught(lambda: sentiment(p, y)),
            ours=_our_numbers,
            draw=NUMBERS,
            tolerance=EXACT,
        ),
        Evaluation(
            name="eval_iemocap",
            score=lambda p, y: _caught(lambda: emotions(p, y)),
            ours=lambda p, y: Emotions(EMOTIONS).metrics(p, y),
            draw=LOGITS,
            tolerance=EXACT,
        ),
    ]


def mmsa_evaluations(folder: Path) -> list[Evaluation]:
    """MMSA's function for MOSI and MOSEI, which rounds to four places."""
    bare = ["MMSA", "MMSA.utils"]
    with importable(folder / "src", bare):
        from MMSA.utils.metricsTop import MetricsTop
    function = MetricsTop("regression").metrics_dict["MOSI"]

    def score(prediction: Vector, label: Vector) -> Scores:
        told = function(torch.from_numpy(prediction), torch.from_numpy(label))
        return {key: float(told[name]) for name, key in _MMSA.items()}

    return [
        Evaluation(
            name="MetricsTop('regression'), MOSI",
            score=lambda p, y: _caught(lambda: score(p, y)),
            ours=_our_numbers,
            draw=NUMBERS,
            tolerance=PRINTED,
        )
    ]


EVALUATIONS: Mapping[str, Callable[[Path], list[Evaluation]]] = {
    "mult": mult_evaluations,
    "mmsa": mmsa_evaluations,
}
"""The evaluations of each repository that has some."""


def _our_numbers(prediction: Vector, label: Vector) -> Scores:
    return Regression().metrics(prediction[:, None], label[:, None])


def explanation(
    metric: str, prediction: Vector, label: Vector, theirs: float, ours: float
) -> str | None:
    """Why a number of ours is another than theirs, where that can be checked; else None."""
    if metric == "corr" and ours == 0 and (is_constant(prediction) or is_constant(label)):
        if math.isnan(theirs):
            return "one side is constant: theirs is NaN, 0 / 0; ours is 0"
        return "one side is constant but for float32's rounding: theirs correlates that; ours is 0"
    if metric != "f1_non0":
        return None
    kept = label != 0
    if abs(binary_weighted_f1(label[kept] > 0, prediction[kept] > 0) - theirs) < EXACT:
        return "theirs takes predictions for labels, and so weighs the classes by predictions"
    return None


def failure(label: Vector, theirs: str, ours: Scores) -> str | None:
    """Why theirs raises an exception where ours does not, where that can be checked; else None."""
    nan = sorted(key for key, value in ours.items() if math.isnan(value))
    if theirs == "IndexError" and not label.any() and nan == ["acc2_non0", "f1_non0"]:
        return "every label is 0: theirs raises an IndexError; ours has NaN for Acc-2 and F1 non0"
    return None


def compare_metrics(evaluation: Evaluation, *, vectors: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows by metric and explanation: how many vectors, the largest difference, the kinds.

    Args:
        evaluation: what is compared.
        vectors: how many predictions, of all kinds alike.
        seed: of the vectors.
    """
    rng = np.random.default_rng(seed)
    kinds = list(evaluation.draw.items())
    same: Counter[str] = Counter()
    unlike: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for index in range(vectors):
        kind, draw = kinds[index % len(kinds)]
        prediction, label = draw(rng)
        with warnings.catch_warnings():
            # Of numpy on 0 / 0 and of scikit-learn on classes that nobody has.
            warnings.simplefilter("ignore")
            theirs = evaluation.score(prediction, label)
            ours = evaluation.ours(prediction, label)
        if isinstance(theirs, str):
            why = failure(label, theirs, ours) or UNEXPLAINED
            unlike["all", why].append((kind, math.nan))
            continue
        for key, value in theirs.items():
            if _close(value, ours[key], evaluation.tolerance):
                same[key] += 1
                continue
            why = explanation(key, prediction, label, value, ours[key]) or UNEXPLAINED
            unlike[key, why].append((kind, abs(value - ours[key])))
    rows: list[dict[str, Any]] = []
    for key in dict.fromkeys([*same, *(key for key, _ in unlike)]):
        if same[key]:
            agreed = {"difference": 0.0, "why": "", "kinds": ""}
            rows.append({"metric": key, "vectors": same[key], **agreed})
        for (name, why), found in unlike.items():
            if name == key:
                gaps = [gap for _, gap in found if math.isfinite(gap)]
                rows.append(
                    {
                        "metric": key,
                        "vectors": len(found),
                        "difference": max(gaps, default=math.nan),
                        "why": why,
                        "kinds": ", ".join(sorted({kind for kind, _ in found})),
                    }
                )
    return rows


def _close(theirs: float, ours: float, tolerance: float) -> bool:
    return (math.isnan(theirs) and math.isnan(ours)) or abs(theirs - ours) <= tolerance
