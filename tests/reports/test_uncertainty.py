import dataclasses
import json
import math

import numpy as np
import pytest

from deadpan.files import nan_to_none
from deadpan.metrics.calibration import ReliabilityBin
from deadpan.reports.run import write_report
from deadpan.reports.uncertainty import coverage_rows, uncertainty_panels
from deadpan.tasks import make_task
from deadpan.training.uncertainty import (
    Coverage,
    LabelUncertainty,
    UncertaintyScores,
    fit_uncertainty,
    score_uncertainty,
)

from ..show.page import Page
from ..training.fake_run import LABELS, fake_run
from ..training.test_uncertainty import clips


def scored(name, labels, *, count=60, valid=60):
    """Scores of made-up predictions of a task."""
    random = np.random.default_rng(0)
    task = make_task(name, labels)
    if task.predicts_numbers:
        truth = random.uniform(-3, 3, (count, len(labels)))
        outputs = truth + 0.5 * random.normal(size=truth.shape)
    else:
        truth = np.eye(len(labels))[random.integers(0, len(labels), count)]
        outputs = random.normal(size=(count, task.outputs))
    fitted = None
    if task.predicts_numbers:
        fitted = fit_uncertainty(task, clips(truth[:valid]), outputs[:valid])
    return score_uncertainty(task, outputs, truth, fitted)


def evaluated(path, task, **options):
    """A run whose evaluation scored its uncertainty."""
    run = fake_run(path, task, epochs=2, batches=1, clips=12)
    scores = json.loads((run / "scores.json").read_text())
    uncertainty = scored(task, LABELS[task], **options)
    scores["uncertainty"] = nan_to_none(dataclasses.asdict(uncertainty))
    (run / "scores.json").write_text(json.dumps(scores))
    return run


@pytest.mark.parametrize("task", LABELS)
def test_the_page_shows_intervals_reliability_and_abstention(task, tmp_path):
    page = Page(write_report(evaluated(tmp_path / "run", task)).read_text(encoding="utf-8"))
    assert len(page.all("figure")) == len(page.all("svg")) == 6
    for text in ("Reliability of the probabilities", "expected calibration error", "Abstention"):
        assert text in page.text
    assert ("Intervals" in page.text) == (task in ("regression", "scores"))
    links = [a["href"] for a in page.all("a")]
    assert links.count("scores.json") == (4 if task in ("regression", "scores") else 3)


def test_the_page_says_why_there_are_no_intervals(tmp_path):
    run = evaluated(tmp_path / "run", "regression", valid=5)
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert "No 90 % intervals: the validation split has 5 clips" in page.text
    assert len(page.all("figure")) == 4


def test_every_number_of_a_figure_stands_in_its_table():
    reliability, abstention = uncertainty_panels(scored("regression", ("sentiment",)), "regression")
    assert [row[1] for row in reliability.rows][::9] == ["0.0 to 0.1", "0.9 to 1.0"]
    assert sum(int(row[2]) for row in reliability.rows) == 60
    assert [row[1] for row in abstention.rows][-1] == "100.0 %"
    assert len(abstention.rows) == 20
    assert "whose interval is widest are left out" in abstention.finding


def test_of_many_labels_the_first_are_drawn_and_all_are_listed():
    labels = tuple(f"trait {i}" for i in range(6))
    reliability, abstention = uncertainty_panels(scored("scores", labels), "scores")
    for panel in (reliability, abstention):
        assert "Of 6 labels the first 4 are drawn." in panel.finding
        assert {row[0] for row in panel.rows} == set(labels)


def test_thirds_are_named_by_their_ends_and_what_is_undefined_is_a_dash():
    nan = math.nan
    rows = coverage_rows(
        UncertaintyScores(
            level=0.9,
            note="",
            labels=(
                LabelUncertainty(
                    label="mood",
                    coverage=(
                        Coverage(start=0.0, end=3.0, clips=1200, covered=0.905, width=2.0),
                        Coverage(start=0.0, end=1.0, clips=1200, covered=0.905, width=2.0),
                        Coverage(start=1.0, end=1.0, clips=0, covered=nan, width=nan),
                    ),
                    bins=(ReliabilityBin(low=0.0, high=0.1, clips=0, probability=nan, share=nan),),
                    ece=nan,
                    points=(),
                    area=nan,
                ),
            ),
        )
    )
    assert rows == [
        ("mood", "all", "1,200", "90.5 %", "2.00"),
        ("mood", "0 to 1.00", "1,200", "90.5 %", "2.00"),
        ("mood", "above 1.00 to 1.00", "0", "–", "–"),
    ]
