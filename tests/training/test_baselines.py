import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deadpan.data.dataset import Clip, Dataset
from deadpan.tasks import make_task
from deadpan.training.baselines import (
    STRENGTHS,
    constant_outputs,
    ridge_outputs,
    time_statistics,
)

REGRESSION = make_task("regression", ("sentiment",))
EMOTIONS = make_task("emotions", ("Happy", "Sad", "Angry"))
CLASSES = make_task("classes", ("Happy", "Sad", "Angry"))
SCORES = make_task("scores", ("calm", "age"))


def clip(label, **sequences):
    return Clip(
        id="c",
        sequences={m: np.array(x, np.float32) for m, x in sequences.items()},
        label=np.array(label, np.float32),
    )


def dataset(clips, task="regression", labels=("sentiment",), widths=None):
    """60 % train, 20 % valid, 20 % test."""
    first, second = int(0.6 * len(clips)), int(0.8 * len(clips))
    splits = {"train": clips[:first], "valid": clips[first:second], "test": clips[second:]}
    return Dataset(
        name="toy",
        task=task,
        labels=labels,
        widths=widths or {"text": 3, "audio": 2},
        splits=splits,
    )


def planted(count=200, noise=0.0, seed=0):
    """Labels that are linear in a mean of text and in a deviation of audio."""
    random = np.random.default_rng(seed)
    clips = []
    for _ in range(count):
        text = random.normal(random.normal(size=3), 1, (random.integers(2, 9), 3))
        audio = random.normal(0, random.uniform(0.1, 2), (random.integers(5, 9), 2))
        label = 0.7 * text[:, 1].mean() - 0.9 * audio[:, 0].std() + 0.4
        clips.append(clip([label + noise * random.normal()], text=text, audio=audio))
    return dataset(clips)


def test_averages_are_mean_and_deviation_of_each_modality():
    rows = time_statistics(
        [clip([0], text=[[1], [3]], audio=[[5, 6]]), clip([0], audio=[[1, 1], [3, 7]])],
        {"text": 1, "audio": 2},
    )
    assert rows[0].tolist() == [2, 1, 5, 6, 0, 0]
    assert np.isnan(rows[1, :2]).all()
    assert rows[1, 2:].tolist() == [2, 4, 1, 3]


def test_ridge_recovers_a_planted_linear_relation():
    data = planted()
    predicted = ridge_outputs(REGRESSION, data, "test")
    labels = np.stack([c.label for c in data["test"]])
    assert predicted.shape == labels.shape
    assert np.abs(predicted - labels).max() < 0.05


@pytest.mark.parametrize("count", [30, 200])  # fewer clips than features, and more
def test_ridge_is_that_of_sklearn_with_the_penalty_that_is_best_on_valid(count):
    random = np.random.default_rng(0)
    widths = {"text": 12, "audio": 2}
    clips = []
    for _ in range(count):
        text, audio = random.normal(size=(4, 12)), random.normal(size=(random.integers(3, 9), 2))
        audio[:, 1] = 0.1  # a constant: its average differs from clip to clip by rounding alone
        clips.append(clip([text[:, 0].mean() + random.normal()], text=text, audio=audio))
    data = dataset(clips, widths=widths)
    x = {k: time_statistics(data[k], widths) for k in data.splits}
    y = {k: np.stack([c.label for c in data[k]]) for k in data.splits}
    models = [
        make_pipeline(StandardScaler(), Ridge(alpha=strength)).fit(x["train"], y["train"])
        for strength in STRENGTHS
    ]
    best = min(models, key=lambda m: np.square(m.predict(x["valid"]) - y["valid"].ravel()).mean())
    predicted = ridge_outputs(REGRESSION, data, "test")
    np.testing.assert_allclose(predicted.ravel(), best.predict(x["test"]).ravel(), atol=1e-9)


def test_ridge_learns_from_train_alone_and_chooses_by_valid():
    data = planted(noise=0.5)
    first = ridge_outputs(REGRESSION, data, "test")
    other = [
        clip([9.0], text=c.sequences["text"], audio=c.sequences["audio"]) for c in data["test"]
    ]
    changed = Dataset(
        name="toy",
        task="regression",
        labels=("sentiment",),
        widths=data.widths,
        splits={**data.splits, "test": other},
    )
    assert np.array_equal(ridge_outputs(REGRESSION, changed, "test"), first)


def test_ridge_on_noise_shrinks_to_the_train_mean():
    random = np.random.default_rng(0)
    clips = [
        clip([random.normal(1)], text=random.normal(size=(3, 3)), audio=random.normal(size=(3, 2)))
        for _ in range(30)
    ]
    predicted = ridge_outputs(REGRESSION, dataset(clips), "test")
    assert predicted.std() < 0.3


def test_a_missing_modality_counts_as_the_training_mean():
    data = planted()
    bare = [clip(c.label, text=c.sequences["text"]) for c in data["test"]]
    splits = {**data.splits, "test": bare}
    lacking = Dataset(
        name="toy", task="regression", labels=("s",), widths=data.widths, splits=splits
    )
    predicted = ridge_outputs(REGRESSION, lacking, "test")[:, 0]
    means = time_statistics(data["train"], data.widths).mean(axis=0)
    # The label's part of audio is then that of an average clip.
    expected = [0.7 * c.sequences["text"][:, 1].mean() - 0.9 * means[6 + 2] + 0.4 for c in bare]
    assert np.abs(predicted - expected).max() < 0.05


def test_a_modality_no_training_clip_has_is_no_obstacle():
    data = planted(60)
    splits = {
        **data.splits,
        "train": [clip(c.label, text=c.sequences["text"]) for c in data["train"]],
    }
    lacking = Dataset(
        name="toy", task="regression", labels=("s",), widths=data.widths, splits=splits
    )
    assert np.isfinite(ridge_outputs(REGRESSION, lacking, "test")).all()


def test_ridge_decides_each_emotion():
    random = np.random.default_rng(0)
    clips = []
    for index in range(90):
        label = np.eye(3)[index % 3]
        clips.append(clip(label, text=label + random.normal(0, 0.05, (4, 3))))
    data = dataset(clips, "emotions", EMOTIONS.labels, {"text": 3})
    labels = np.stack([c.label for c in data["test"]])
    metrics = EMOTIONS.metrics(ridge_outputs(EMOTIONS, data, "test"), labels)
    assert metrics["exclusive_accuracy"] == metrics["mean_f1"] == 1


def test_the_constant_row_of_regression_is_the_train_mean():
    train = [clip([x]) for x in (1.0, 2.0, -0.6)]
    assert constant_outputs(REGRESSION, train, 2) == pytest.approx(np.full((2, 1), 0.8))


def test_the_constant_row_of_emotions_is_the_majority_of_each():
    train = [clip([1, 0, 1]), clip([1, 0, 0]), clip([0, 0, 0])]
    outputs = constant_outputs(EMOTIONS, train, 4)
    assert outputs.shape == (4, 6)
    labels = np.array([[1, 0, 0]] * 4, dtype=np.float64)
    assert EMOTIONS.metrics(outputs, labels)["mean_accuracy"] == 1  # present, absent, absent


def test_ridge_decides_the_class():
    random = np.random.default_rng(0)
    clips = []
    for index in range(90):
        label = np.eye(3)[index % 3]
        clips.append(clip(label, text=label + random.normal(0, 0.05, (4, 3))))
    data = dataset(clips, "classes", CLASSES.labels, {"text": 3})
    outputs = ridge_outputs(CLASSES, data, "test")
    assert outputs.shape == (18, 3)
    metrics = CLASSES.metrics(outputs, np.stack([c.label for c in data["test"]]))
    assert metrics["accuracy"] == metrics["macro_f1"] == 1


def test_ridge_fits_each_score_on_its_own_scale():
    random = np.random.default_rng(0)
    clips = []
    for _ in range(90):
        calm, age = random.uniform(1, 7), random.uniform(20, 80)
        text = [calm, age / 10, 0] + random.normal(0, 0.05, (4, 3))
        clips.append(clip([calm, age], text=text))
    data = dataset(clips, "scores", SCORES.labels, {"text": 3})
    outputs = ridge_outputs(SCORES, data, "test")
    metrics = SCORES.metrics(outputs, np.stack([c.label for c in data["test"]]))
    assert metrics["mae_calm"] < 0.1
    assert metrics["mae_age"] < 1


def test_the_constant_row_of_classes_is_the_majority():
    train = [clip([0, 1, 0]), clip([0, 0, 1]), clip([0, 1, 0])]
    outputs = constant_outputs(CLASSES, train, 4)
    assert outputs.shape == (4, 3)
    assert CLASSES.metrics(outputs, np.eye(3)[[1, 1, 0, 2]])["accuracy"] == 1 / 2


def test_the_constant_row_of_scores_is_the_train_mean_of_each():
    train = [clip([1.0, 30]), clip([2.0, 50])]
    assert constant_outputs(SCORES, train, 2) == pytest.approx(np.array([[1.5, 40]] * 2))
