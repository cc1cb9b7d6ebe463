"""Each task from clips to the page, on clips from whose text the label can be read."""

import json

import numpy as np
import pytest

import deadpan
from deadpan import data
from deadpan.data.dataset import Clip, Dataset
from deadpan.errors import DeadpanError
from deadpan.serving.predictor import Predictor
from deadpan.tasks import make_task

from ..training.tiny import MODEL, rows, train

COUNTS = {"train": 24, "valid": 8, "test": 11}
CLASSES = ("neutral", "joie de vivre", "Joy", "joy")
SCORES = {
    "several": ("confident", "très vif", "humour, dry"),
    "many": tuple(f"trait {i}" for i in range(8)),
    "sentiment": ("sentiment",),
}


def made(task, labels, label_of):
    """A data set whose label is written in the mean of each clip's text."""
    random = np.random.default_rng(0)
    splits = {}
    for split, count in COUNTS.items():
        splits[split] = []
        for index in range(count):
            label = label_of(random, index).astype(np.float32)
            text = label + 0.1 * random.normal(size=(random.integers(2, 6), len(labels)))
            audio = random.normal(size=(random.integers(1, 4), 2))
            splits[split].append(
                Clip(
                    id=f"{split}-{index}",
                    sequences={"text": text.astype(np.float32), "audio": audio.astype(np.float32)},
                    label=label,
                )
            )
    widths = {"text": len(labels), "audio": 2}
    return lambda: Dataset(name="made", task=task, labels=labels, widths=widths, splits=splits)


def classes(labels=CLASSES):
    return made("classes", labels, lambda _, index: np.eye(len(labels))[index % len(labels)])


def scores(labels):
    # In fifths from -1 to 1, as CH-SIMS has them.
    return made(
        "scores", labels, lambda random, _: np.round(random.uniform(-1, 1, len(labels)) * 5) / 5
    )


def run_on(monkeypatch, tmp_path, make, **changes):
    monkeypatch.setitem(data.DATASETS, "made", make)
    settings = {"data_options": {}, "model_options": MODEL, "epochs": 2, **changes}
    return train(tmp_path / "run", data="made", **settings).path


def checked(run, task, uncertain=()):
    """Evaluates and reports; all that must hold for any task.

    ``uncertain`` names the figures of uncertainty, beside four that every page has.
    """
    result = deadpan.evaluate(run)
    assert [row["system"] for row in result["rows"]] == [task.constant_name, "ridge", "HCTMG"]
    keys = [column.key for column in task.columns]
    assert [column["key"] for column in result["columns"]] == keys
    assert all(list(row["metrics"]) == keys for row in result["rows"])
    # The scores are what predictions.csv says, and predict says it again.
    table = rows(run / "predictions.csv")
    said = np.array([[float(row[f"prediction_{x}"]) for x in task.labels] for row in table])
    true = np.array([[float(row[f"label_{x}"]) for x in task.labels] for row in table])
    assert said.shape == (COUNTS["test"], len(task.labels))
    again = [row for row in deadpan.predict(run, "made") if row["split"] == "test"]
    assert [row["id"] for row in again] == [row["id"] for row in table]
    for row, numbers in zip(again, said, strict=True):
        assert [row[f"prediction_{x}"] for x in task.labels] == pytest.approx(numbers, abs=1e-5)
    for name in (f"valid_{key}" for key in keys):
        assert all(name in row for row in rows(run / "epochs.csv"))
    page = deadpan.report(run).read_text(encoding="utf-8")
    assert page.count("<svg") == 4 + len(uncertain)
    assert [x for x in ("Reliability", "Abstention") if f"<h3>{x}" in page] == [*uncertain]
    return result, said, true, page


def test_classes(monkeypatch, tmp_path):
    run = run_on(monkeypatch, tmp_path, classes())
    task = make_task("classes", CLASSES)
    result, said, true, page = checked(run, task, ("Reliability", "Abstention"))
    ours, ridge, majority = (result["rows"][i]["metrics"] for i in (2, 1, 0))
    assert np.allclose(said.sum(axis=1), 1)
    assert set(true.ravel()) == {0, 1}
    assert ours["accuracy"] == np.mean(said.argmax(axis=1) == true.argmax(axis=1))
    assert ridge["accuracy"] == ridge["weighted_f1"] == ridge["macro_f1"] == 1
    # Train has six clips of each class: of equals the first, which 3 of 11 test clips are of.
    assert majority["accuracy"] == pytest.approx(3 / 11)
    assert "Confusion matrix" in page
    assert "F1 joie de vivre" in page
    facts = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    assert (facts["task"], facts["labels"]) == ("classes", list(CLASSES))


def test_two_classes_of_which_the_test_split_has_one(monkeypatch, tmp_path):
    labels = ("sincere", "sarcastic")
    make = made("classes", labels, lambda random, index: np.eye(2)[index % 2])
    full = make()
    alone = {**full.splits, "test": [clip for clip in full["test"] if clip.label[0]]}
    monkeypatch.setitem(COUNTS, "test", len(alone["test"]))
    run = run_on(
        monkeypatch,
        tmp_path,
        lambda: Dataset(
            name="made", task="classes", labels=labels, widths=full.widths, splits=alone
        ),
    )
    result, *_ = checked(run, make_task("classes", labels), ("Reliability", "Abstention"))
    for row in result["rows"]:
        assert row["metrics"]["f1_sarcastic"] is None  # NaN, in JSON
        assert row["metrics"]["macro_f1"] == row["metrics"]["f1_sincere"]


@pytest.mark.parametrize("kind", SCORES)
def test_scores(monkeypatch, tmp_path, kind):
    labels = SCORES[kind]
    run = run_on(monkeypatch, tmp_path, scores(labels))
    result, said, true, page = checked(run, make_task("scores", labels))
    mean, ridge, ours = (row["metrics"] for row in result["rows"])
    assert ours["mae"] == pytest.approx(np.abs(said - true).mean())
    assert ridge["corr"] > 0.9
    assert mean["corr"] == 0
    assert ("acc2_has0" in ours) == (kind == "sentiment") == ("must not be mixed" in page)
    assert ("Of 8 labels, the 6 with the lowest Corr are drawn" in page) == (kind == "many")


@pytest.mark.parametrize(("task", "kind"), [("regression", "sentiment"), ("scores", "several")])
def test_a_distribution(monkeypatch, tmp_path, task, kind):
    labels = SCORES[kind]
    make = made(task, labels, lambda random, _: random.uniform(-1, 1, len(labels)))
    run = run_on(monkeypatch, tmp_path, make, loss="distribution", ema=0.9)
    clips = make()["train"]
    ranges = [(-3.0, 3.0)] if task == "regression" else ranges_of(clips)
    whole = make_task(task, labels, "distribution", ranges=ranges)
    result, said, true, _ = checked(run, make_task(task, labels), ("Reliability",))
    assert result["rows"][2]["metrics"]["mae"] == pytest.approx(np.abs(said - true).mean())
    # The baselines predict numbers, whatever the loss.
    plain = run_on(monkeypatch, tmp_path / "plain", make)
    assert deadpan.evaluate(plain)["rows"][:2] == result["rows"][:2]
    facts = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    assert facts["label_ranges"] == whole.bins[:, [0, -1]].tolist()
    predictor = Predictor(deadpan.export(run).path)
    got = predictor([clip.sequences for clip in make()["test"]])
    assert got.outputs.shape == (COUNTS["test"], whole.outputs)
    assert got.decisions == pytest.approx(said, abs=1e-4)


def ranges_of(clips):
    labels = np.stack([clip.label for clip in clips])
    return np.stack([labels.min(axis=0), labels.max(axis=0)], axis=1).tolist()


def test_what_cannot_be_a_distribution_leaves_nothing(monkeypatch, tmp_path):
    make = made("scores", ("a",), lambda *_: np.ones(1))
    with pytest.raises(DeadpanError, match="label 'a' goes from 1 to 1") as refused:
        run_on(monkeypatch, tmp_path, make, loss="distribution")
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())
