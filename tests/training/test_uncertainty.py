import dataclasses
import json
import math
import shutil

import numpy as np
import pytest

import deadpan
from deadpan.cli import main
from deadpan.data.dataset import Clip
from deadpan.data.store.writing import write_store
from deadpan.errors import DeadpanError, RunError
from deadpan.files import nan_to_none
from deadpan.metrics.distributions import signed_probability
from deadpan.options import record
from deadpan.tasks import make_task
from deadpan.training.opened import RunDirectory, open_run
from deadpan.training.scoring import predict_dataset
from deadpan.training.uncertainty import (
    UncertaintyScores,
    fit_uncertainty,
    read_uncertainty,
    score_uncertainty,
    uncertain_columns,
)

from .tiny import DATA, rows, train

MANY = {**DATA, "clips": 120}


def clips(labels, groups=None):
    return [
        Clip(id=str(i), sequences={}, label=np.atleast_1d(np.float32(x)), group=group)
        for i, (x, group) in enumerate(zip(labels, groups or [None] * len(labels), strict=True))
    ]


def numbers(count, *, seed=0, loss=None):
    """A task, labels, and outputs that are off by about 0.5."""
    random = np.random.default_rng(seed)
    task = make_task("regression", ("sentiment",), loss)
    labels = random.uniform(-3, 3, (count, 1))
    outputs = labels + 0.5 * random.normal(size=labels.shape)
    if task.bins is not None:
        outputs = -np.abs(task.bins[0] - outputs) * 3
    return task, labels, outputs.astype(np.float32)


@pytest.mark.parametrize("loss", ["l1", "distribution"])
def test_numbers_are_covered_calibrated_and_better_where_certain(loss):
    task, labels, outputs = numbers(400, loss=loss)
    uncertainty = fit_uncertainty(task, clips(labels[:200, 0]), outputs[:200])
    assert (uncertainty.clips, uncertainty.groups, uncertainty.note) == (200, 200, "")
    scores = score_uncertainty(task, outputs[200:], labels[200:], uncertainty)
    (part,) = scores.labels
    assert (part.label, scores.level) == ("sentiment", 0.9)
    overall, *thirds = part.coverage
    assert [third.clips for third in thirds] == [67, 66, 67]
    assert overall.clips == 200
    assert 0.85 < overall.covered < 0.97
    assert overall.width == pytest.approx(np.mean([t.width for t in thirds]), abs=0.02)
    assert (thirds[0].start, thirds[0].end) == (0, thirds[1].start)
    assert part.ece < 0.1
    errors = np.abs(task.decisions(outputs[200:]) - labels[200:])
    assert part.points[-1].value == pytest.approx(errors.mean())
    assert 0 < part.area < 2 * errors.mean()


def test_the_json_of_scores_is_read_back():
    task, labels, outputs = numbers(40)
    uncertainty = fit_uncertainty(task, clips(labels[:4, 0]), outputs[:4])
    scores = score_uncertainty(task, outputs, labels, uncertainty)
    values = json.loads(json.dumps(nan_to_none(dataclasses.asdict(scores))))
    read = record("scores", values, UncertaintyScores)
    assert repr(read) == repr(scores)  # NaN is not equal to itself


@pytest.mark.parametrize(
    ("groups", "note"),
    [
        (
            None,
            "has 8 clips, and they need at least 9; put at least 1 more clips into it, and train",
        ),
        (["a", "b"] * 4, "has 2 groups, and they need at least 9; put at least 7 more videos"),
    ],
)
def test_a_validation_split_too_small_gives_no_interval_but_a_sentence(groups, note):
    task, labels, outputs = numbers(8)
    uncertainty = fit_uncertainty(task, clips(labels[:, 0], groups), outputs)
    assert note in uncertainty.note
    assert uncertain_columns(task, outputs, uncertainty) == {}
    (part,) = score_uncertainty(task, outputs, labels, uncertainty).labels
    assert (part.coverage, part.bins, part.points) == ((), (), ())
    assert math.isnan(part.ece)
    assert math.isnan(part.area)


def test_a_distribution_tells_signs_without_a_validation_split():
    task, labels, outputs = numbers(8, loss="distribution")
    columns = uncertain_columns(task, outputs, None)
    assert list(columns) == ["positive_probability_sentiment"]
    assert columns["positive_probability_sentiment"] == pytest.approx(
        signed_probability(outputs, task.bins)[:, 0]
    )
    (part,) = score_uncertainty(task, outputs, labels, None).labels
    assert sum(b.clips for b in part.bins) == 8


def test_scores_of_one_sign_have_intervals_and_no_sign():
    random = np.random.default_rng(0)
    labels = np.stack([random.uniform(1, 7, 90), random.uniform(-50, 50, 90)], axis=1)
    outputs = labels + random.normal(size=labels.shape)
    for loss in (None, "distribution"):
        task = make_task("scores", ("stars", "mood"), loss, ranges=[(1.0, 7.0), (-50.0, 50.0)])
        raw = outputs
        if task.bins is not None:
            raw = -np.abs(task.bins - outputs[:, :, None]).reshape(90, -1)
        uncertainty = fit_uncertainty(task, clips(labels), raw)
        assert list(uncertain_columns(task, raw, uncertainty)) == [
            *("low_stars", "high_stars", "low_mood", "high_mood", "positive_probability_mood")
        ]
        stars, mood = score_uncertainty(task, raw, labels, uncertainty).labels
        assert stars.bins == ()
        assert mood.bins
        assert stars.area > 0


def test_intervals_of_one_width_order_no_clips():
    task = make_task("scores", ("stars",))
    labels = np.random.default_rng(0).normal(size=(20, 1))
    outputs = labels * 0.3
    uncertainty = fit_uncertainty(task, clips(labels[:, 0]), outputs)
    (part,) = score_uncertainty(task, outputs, labels, uncertainty).labels
    assert part.coverage
    assert part.points == ()
    assert math.isnan(part.area)


def test_emotions_as_far_below_one_half_as_above_are_ties():
    task = make_task("emotions", ("joy",))
    outputs = np.log([[0.3, 0.7], [0.7, 0.3], [0.1, 0.9]])
    (joy,) = score_uncertainty(task, outputs, np.array([[1.0], [1], [1]]), None).labels
    assert [point.value for point in joy.points] == pytest.approx([1, 0.75, 2 / 3])


def test_constant_predictions_are_all_as_certain():
    task, labels, outputs = numbers(60)
    outputs = np.zeros_like(outputs)
    uncertainty = fit_uncertainty(task, clips(labels[:, 0]), outputs)
    (part,) = score_uncertainty(task, outputs, labels, uncertainty).labels
    assert part.coverage[0].covered >= 0.9
    assert part.points == ()
    assert math.isnan(part.area)


def test_classes_are_as_certain_as_they_are_probable():
    task = make_task("classes", ("a", "b"))
    outputs = np.array([[5.0, 0], [0, 1], [2, 0]])
    (part,) = score_uncertainty(task, outputs, np.eye(2)[[0, 0, 0]], None).labels
    assert [point.value for point in part.points] == pytest.approx([1, 1, 2 / 3])
    assert part.area == pytest.approx(8 / 9)
    most = task.decisions(outputs).max(axis=1)
    # 0.993 and 0.88 are right and 0.73 is wrong, each in a bin of its own.
    assert part.ece == pytest.approx((1 - most[0] + most[1] + 1 - most[2]) / 3)


def test_emotions_are_as_certain_as_they_are_far_from_one_half():
    task = make_task("emotions", ("joy", "fear"))
    outputs = np.array([[0.0, 3, 0, 0], [0, -1, 0, 2]])
    joy, fear = score_uncertainty(task, outputs, np.array([[1.0, 0], [1, 1]]), None).labels
    assert [point.value for point in joy.points] == [1, 0.5]
    assert [point.value for point in fear.points] == [1, 1]
    assert joy.coverage == ()


def test_what_no_run_writes_is_refused():
    task, labels, outputs = numbers(20)
    values = dataclasses.asdict(fit_uncertainty(task, clips(labels[:, 0]), outputs))
    assert read_uncertainty("u", values, task).fitted(task)[0].radii
    other = {**values, "intervals": {"stars": values["intervals"]["sentiment"]}}
    broken = {**values, "intervals": {"sentiment": {"radii": [1]}}}
    for wrong in (None, {}, other, broken):
        with pytest.raises(DeadpanError, match="^u"):
            read_uncertainty("u", wrong, task)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = train(tmp_path_factory.mktemp("uncertainty") / "run", data_options=MANY, epochs=1)
    return run.path


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def test_a_run_keeps_its_intervals_and_every_prediction_has_one(run):
    fitted = json.loads((run / "uncertainty.json").read_text())
    assert (fitted["level"], fitted["clips"], fitted["note"]) == (0.9, 18, "")
    scores = deadpan.evaluate(run)["uncertainty"]
    assert scores["labels"][0]["coverage"][0]["clips"] == 30
    assert RunDirectory(run).scores().uncertainty.labels[0].area > 0
    table = rows(run / "predictions.csv")
    predicted = [
        row for row in deadpan.predict(run, "controlled", **MANY) if row["split"] == "test"
    ]
    for written, row in zip(table, predicted, strict=True):
        low, high = row["low_sentiment"], row["high_sentiment"]
        assert -3 <= low <= high <= 3
        assert 0 <= row["positive_probability_sentiment"] <= 1
        assert float(written["low_sentiment"]) == pytest.approx(low, abs=1e-5)


def test_clips_that_lack_modalities_are_named(run):
    whole = deadpan.load("controlled", **MANY)
    opened = open_run(run)
    assert "missing" not in predict_dataset(opened, whole)[0]
    *others, last = whole["test"]
    sequences = {**last.sequences, "audio": last.sequences["audio"][:0]}
    del sequences["vision"]
    test = [*others, dataclasses.replace(last, sequences=sequences)]
    rows_of_all = predict_dataset(opened, dataclasses.replace(whole, splits={"test": test}))
    assert [row["missing"] for row in rows_of_all] == [""] * len(others) + ["audio vision"]


def test_predict_says_how_many_clips_lack_modalities(run, tmp_path, capsys):
    file = tmp_path / "text.safetensors"
    write_store(deadpan.load("controlled", **MANY).only(["text"]), file, source={})
    assert main(["predict", str(run), "--data", str(file)]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "120 of 120 clips lack modalities of the run (audio, vision); their intervals" in told


def test_a_run_of_an_older_version_is_fitted_as_it_is_evaluated(run):
    content = (run / "uncertainty.json").read_bytes()
    (run / "uncertainty.json").unlink()
    assert "low_sentiment" not in deadpan.predict(run, "controlled", **MANY)[0]
    assert "uncertainty" in deadpan.evaluate(run)
    again = json.loads((run / "uncertainty.json").read_text())
    old, new = (x["intervals"]["sentiment"] for x in (json.loads(content), again))
    for name in ("radii", "errors"):
        assert new[name] == pytest.approx(old[name], abs=1e-5)
    assert "low_sentiment" in deadpan.predict(run, "controlled", **MANY)[0]


def test_a_broken_file_is_refused_before_anything_is_written(run):
    (run / "uncertainty.json").write_text('{"level": 0.9, "clips": 3}')
    for use in (deadpan.evaluate, lambda out: deadpan.predict(out, "controlled", **MANY)):
        with pytest.raises(RunError, match=r"uncertainty\.json: has no 'groups'; remove it"):
            use(run)
    assert not (run / "scores.json").exists()
