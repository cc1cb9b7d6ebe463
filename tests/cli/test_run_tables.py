import dataclasses
import re

import numpy as np
import pytest
from rich.console import Console

from deadpan.cli.model_table import models_table
from deadpan.cli.run_tables import (
    predictions_table,
    score_remarks,
    score_table,
    training_summary,
)
from deadpan.metrics.calibration import reliability_bins
from deadpan.tasks import Classes, Emotions, Regression
from deadpan.tasks import Scores as ScoresTask
from deadpan.training.scores import RunScores, ScoreRow
from deadpan.training.uncertainty import Coverage, LabelUncertainty, UncertaintyScores

BOLD = "\x1b[1m"


def shown(what, *, colour=False):
    """What a terminal of 100 columns shows."""
    console = Console(width=100, force_terminal=colour, color_system=None if colour else "auto")
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def scores_of(task, **systems):
    rows = [
        ScoreRow(system=name, parameters=size, metrics={c.key: value for c in task.columns})
        for name, (size, value) in systems.items()
    ]
    return RunScores(split="test", clips=1234, columns=task.columns, rows=tuple(rows))


EMOTIONS = Emotions(("Neutral", "Happy", "Sad", "Angry"))
SYSTEMS = {"train mean": (0, 0.25), "ridge": (0, 0.5), "HCTMG": (1_540_684, -0.75)}
SHOWN = ["train mean", "ridge", "HCT-MG"]


@pytest.mark.parametrize("task", [Regression(), EMOTIONS])
def test_scores_fit_100_columns(task):
    text = shown(score_table(scores_of(task, **SYSTEMS)))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 100
    for name in SHOWN:
        assert name in text
    assert "HCTMG" not in text
    assert "1,540,684" in text
    assert "1,234 clips" in text


def test_both_conventions_and_directions_are_shown():
    text = shown(score_table(scores_of(Regression(), **SYSTEMS)))
    lines = text.splitlines()
    assert lines[2].count("Acc-2") == 2
    assert lines[3].count("non0 ↑") == lines[3].count("has0 ↑") == 2
    assert lines[3].count("↓") == 1  # MAE alone


def test_emotions_stand_below_each_other():
    lines = shown(score_table(scores_of(EMOTIONS, **SYSTEMS))).splitlines()
    assert all(name in lines[2] for name in SHOWN)
    row = next(line for line in lines if "Happy F1 ↑" in line)
    assert [cell.strip() for cell in row.split("│")[2:5]] == ["25.0", "50.0", "−75.0"]


def test_the_best_is_bold():
    console = Console(width=100, force_terminal=True, color_system="standard")
    with console.capture() as capture:
        console.print(score_table(scores_of(Regression(), **SYSTEMS)))
    rows = capture.get().splitlines()
    mean, ridge, model = (next(r for r in rows if name in r) for name in SHOWN)
    assert BOLD not in mean
    assert re.findall(r"\x1b\[1m *([−\d.]+)", ridge) == ["0.500"] + 6 * ["50.0"]
    assert re.findall(r"\x1b\[1m *([−\d.]+)", model) == ["−0.750"]  # MAE: less is better


def test_notes_fit_and_tell_what_must_be_known():
    notes = score_remarks(scores_of(Regression(), **SYSTEMS))
    assert max(map(len, notes)) <= 100
    assert "non0" in notes[1]
    assert "train mean" in notes[2]
    assert len(score_remarks(scores_of(EMOTIONS, majority=(0, 0.5)))) == 1


def test_a_constant_without_polarity_is_explained_without_it():
    notes = score_remarks(scores_of(ScoresTask(("calm", "warm")), **SYSTEMS))
    assert notes[1:] == ["train mean: one score for all clips"]


@pytest.mark.parametrize("names", [("[bold]", "[/]"), tuple("abcdefghi")])
def test_names_of_classes_are_no_markup(names):
    text = shown(score_table(scores_of(Classes(names), **SYSTEMS)))
    assert all(name in text for name in names)
    assert max(map(len, text.splitlines())) <= 100


def test_models_are_listed_with_their_sizes():
    facts = {"paper": "Who 2023", "parameters": {"MOSI": 540684, "X": 7}}
    models = [{"name": n, "title": t, **facts} for n, t in (("HCTMG", "HCT-MG"), ("LMF", "LMF"))]
    text = shown(models_table(models))
    assert all(word in text for word in ("HCTMG (HCT-MG)", "Who 2023", "MOSI", "540,684"))
    assert "│ LMF            │" in text
    assert shown(models_table([]))


def row(clip, words="", **values):
    return {"split": "test", "id": clip, "group": "", "words": words, "kind": "", **values}


def test_predictions_stand_beside_the_truth():
    rows = [row("a", "so it goes " * 9, label_sentiment=1.0, prediction_sentiment=-0.456)]
    text = shown(predictions_table(rows))
    assert max(map(len, text.splitlines())) <= 100
    assert text.splitlines()[1].split()[:2] == ["test", "a"]
    assert text.splitlines()[1].split()[-2:] == ["-0.46", "1.00"]


def test_predictions_of_clips_without_splits():
    rows = [row("a", prediction_sentiment=-0.456)]
    del rows[0]["split"]
    lines = shown(predictions_table(rows)).splitlines()
    assert [line.split() for line in lines] == [["clip", "sentiment"], ["a", "-0.46"]]


def test_predictions_of_emotions_name_those_present():
    rows = [
        row("a", label_Happy=1.0, label_Sad=0.0, prediction_Happy=0.9, prediction_Sad=0.1),
        row("b", label_Happy=0.0, label_Sad=0.0, prediction_Happy=0.2, prediction_Sad=0.1),
    ]
    lines = shown(predictions_table(rows)).splitlines()
    assert lines[1].split() == ["test", "a", "0.90", "0.10", "Happy"]
    assert lines[2].split() == ["test", "b", "0.20", "0.10", "none"]


def test_predictions_of_several_scores_show_the_numbers():
    rows = [row("a", label_x=1.0, label_y=4.5, prediction_x=0.5, prediction_y=12.0)]
    assert shown(predictions_table(rows)).splitlines()[1].split() == [
        *("test", "a", "0.50", "12.00", "1.00,", "4.50"),
    ]


@pytest.mark.parametrize("scored", [False, True])
def test_predictions_of_many_labels_stand_in_one_column(scored):
    names = [f"trait {i}" for i in range(16)]
    said = {f"prediction_{name}": 0.25 for name in names}
    true = {f"label_{name}": 3.5 * scored + (name == "trait 3") for name in names}
    text = shown(predictions_table([row("dia1_utt2", "so it goes " * 9, **said, **true)]))
    assert max(map(len, text.splitlines())) <= 100
    assert len(text.splitlines()) < 12
    words = text.split()
    assert words[5:9] == ["dia1_utt2", "trait", "0", "0.25,"]
    assert words.count("0.25") + words.count("0.25,") == 16
    assert ("3.50," in words) == scored


def test_predictions_without_truth_show_none():
    lines = shown(predictions_table([row("[a]", prediction_sentiment=0.5)])).splitlines()
    assert [line.split() for line in lines] == [
        ["split", "clip", "sentiment"],
        ["test", "[a]", "0.50"],
    ]


def test_the_end_of_training_tells_what_to_do_next(trained):
    lines = training_summary(trained)
    assert lines[0].startswith(f"{trained}: best epoch ")
    assert lines[0].endswith("of 2")
    assert lines[1].startswith("valid: MAE ")
    assert lines[-2:] == [f"next: deadpan evaluate {trained}", f"      deadpan report {trained}"]
    assert all(len(line) <= 100 for line in lines[1:-2])


def test_intervals_and_calibration_are_said_below_the_scores():
    coverage = Coverage(start=0.0, end=3.0, clips=9, covered=0.9134, width=2.345)
    part = LabelUncertainty(
        label="sentiment",
        coverage=(coverage,),
        bins=reliability_bins(np.array([0.75]), np.array([True])),
        ece=0.25,
        points=(),
        area=0.5,
    )
    uncertainty = UncertaintyScores(level=0.9, note="", labels=(part,))
    scores = dataclasses.replace(scores_of(Regression(), **SYSTEMS), uncertainty=uncertainty)
    assert score_remarks(scores)[-2:] == [
        "90 % intervals hold 91.3 % of labels, mean width 2.35",
        "expected calibration error: 25.0 points",
    ]
    none = dataclasses.replace(part, label="mood", coverage=(), bins=())
    uncertainty = dataclasses.replace(uncertainty, note="too few", labels=(none, part))
    scores = dataclasses.replace(scores, uncertainty=uncertainty)
    assert score_remarks(scores)[-1] == "expected calibration error: sentiment: 25.0 points"


def test_the_interval_of_one_number_stands_beside_it():
    row = {"id": "a", "words": "", "prediction_x": 1.0, "low_x": -0.5, "high_x": 2.0}
    assert shown(predictions_table([row])).split() == ["clip", "x", "interval"] + [
        *("a", "1.00", "-0.50", "to", "2.00")
    ]
