"""A run directory as training and evaluation leave it, made up in milliseconds."""

import csv
import json

import numpy as np
import yaml

from deadpan.tasks import make_task

EPOCHS, BATCHES, CLIPS = 30, 36, 686
EMOTIONS = ("Neutral", "Happy", "Sad", "Angry")
LABELS = {
    "regression": ("sentiment",),
    "emotions": EMOTIONS,
    "classes": ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"),
    "scores": ("confident", "passionate", "vivid"),
}
KINDS = ("congruent", "congruent", "congruent", "sarcasm", "politeness", "deadpan")
WORDS = ("I", "did", "not", "really", "like", "the", "part", "where", "well", "it", "was", "great")


def write_csv(path, header, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def gate_weights(modalities, epochs, batches, rng):
    """Logits that wander until the last modality but one wins: flips early, none late."""
    steps = epochs * batches
    drift = np.linspace(0, 1.6, steps)[:, None] * np.linspace(-0.5, 0.6, len(modalities))
    drift[:, -1] = np.linspace(0.02, -0.3, steps)
    logits = drift + 0.01 * rng.standard_normal((steps, len(modalities))).cumsum(0)
    logits[(epochs // 2) * batches :] = logits[(epochs // 2) * batches]  # frozen
    weights = np.exp(logits)
    return weights / weights.sum(1, keepdims=True)


def fake_run(
    path,
    task="regression",
    *,
    modalities=("text", "audio", "vision"),
    epochs=EPOCHS,
    batches=BATCHES,
    clips=CLIPS,
    gate=True,
    kinds=KINDS,
    labels=None,
):
    """Fill ``path`` with every file of a run; returns it."""
    rng = np.random.default_rng(7)
    path.mkdir(parents=True)
    labels = labels or LABELS[task]
    config = {
        "data": "controlled" if task == "regression" else "ravdess4.pkl",
        "data_options": {"incongruent": 0.3, "carrier": "audio"},
        "modalities": list(modalities),
        "model": "HCTMG",
        "model_options": {"layers": 2, "width": 40, "gate": "after"},
        "seed": 1,
        "epochs": epochs,
        "batch_size": 36,
        "learning_rate": 1e-3,
        "gate_learning_rate": 1e-3,
    }
    (path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    environment = {
        "command": f"deadpan train --data {config['data']} --seed 1 --out {path.name}",
        "commit": "3f2a91c0d4e5b6a7980112233445566778899aab",
        "dirty": True,
        "deadpan": "0.1.0",
        "python": "3.11.7",
        "torch": "2.9.0",
        "platform": "Linux-6.1-x86_64",
        "threads": 2,
        "native": True,
        "started": "2025-11-23T18:30:00+00:00",
        "parameters": 540684,
        "task": task,
        "labels": list(labels),
        "modalities": list(modalities),
        "dataset": {
            "name": "controlled (audio carries)" if task == "regression" else "RAVDESS-4",
            "task": task,
            "splits": {"train": 1284, "valid": 229, "test": clips},
            "fingerprint": "0f1e2d3c4b5a6978",
            "repairs": {"audio values of -inf set to 0": 1312} if task == "regression" else {},
            "warnings": ["video '03bSnISJMiM' is in both train and test: scores will flatter"]
            if task == "regression"
            else [],
        },
    }
    (path / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    write_epochs(path, epochs, rng)
    if gate:
        rows = [
            [step + 1, step // batches + 1, *(f"{w:.6f}" for w in weights)]
            for step, weights in enumerate(gate_weights(modalities, epochs, batches, rng))
        ]
        write_csv(path / "gate.csv", ["step", "epoch", *modalities], rows)
    write_predictions(path, task, labels, clips, kinds, rng)
    write_scores(path, task, labels, clips)
    return path


def write_epochs(path, epochs, rng):
    train = 0.5 + 0.9 * np.exp(-np.arange(epochs) / 8) + 0.01 * rng.standard_normal(epochs)
    valid = 0.95 + 0.45 * np.exp(-np.arange(epochs) / 5) + 0.004 * np.arange(epochs)
    valid += 0.012 * rng.standard_normal(epochs)
    rows = [
        [
            *(e + 1, f"{train[e]:.6f}", f"{valid[e]:.6f}", 1e-3, 3.7),
            *(int(valid[e] == valid[: e + 1].min()), int(e >= epochs // 2 and epochs > 1), 0.6),
        ]
        for e in range(epochs)
    ]
    names = ["epoch", "train_loss", "valid_loss", "learning_rate", "seconds", "best", "frozen"]
    write_csv(path / "epochs.csv", [*names, "valid_corr"], rows)


def write_predictions(path, task, labels, clips, kinds, rng):
    if task == "regression":
        truth = np.round(rng.uniform(-3, 3, (clips, 1)), 1)
        predicted = 0.7 * truth + 0.7 * rng.standard_normal((clips, 1))
    elif task == "scores":
        truth = np.round(rng.uniform(1, 7, (clips, len(labels))), 1)
        predicted = 2 + 0.5 * truth + 0.7 * rng.standard_normal(truth.shape)
    elif task == "classes":
        truth = np.eye(len(labels))[rng.integers(0, len(labels), clips)]
        predicted = np.exp(2 * truth + rng.standard_normal(truth.shape))
        predicted /= predicted.sum(axis=1, keepdims=True)
    else:
        truth = np.eye(len(labels))[rng.integers(0, len(labels), clips)]
        predicted = 1 / (1 + np.exp(-(4 * truth - 2.4 + 1.3 * rng.standard_normal(truth.shape))))
    names = [f"{kind}_{name}" for kind in ("label", "prediction") for name in labels]
    rows = [
        [
            *(f"video{clip // 12}_{clip % 12}", f"video{clip // 12}"),
            *(" ".join(rng.choice(WORDS, rng.integers(3, 30))), rng.choice(kinds) if kinds else ""),
            *(truth[clip].tolist() + predicted[clip].round(5).tolist()),
        ]
        for clip in range(clips)
    ]
    write_csv(path / "predictions.csv", ["id", "group", "words", "kind", *names], rows)


def write_scores(path, task, labels, clips):
    if task in ("classes", "scores"):
        columns = make_task(task, labels).columns
        titles = [(c.key, c.title, c.higher_is_better, c.percent) for c in columns]
        values = {
            (name, size): [0.2 + 0.3 * place + 0.01 * i for i in range(len(columns))]
            for place, (name, size) in enumerate((("constant", 0), ("ridge", 0), ("HCTMG", 9)))
        }
    elif task == "regression":
        titles = [
            *(("mae", "MAE", False, False), ("corr", "Corr", True, False)),
            *(("acc7", "Acc-7", True, True), ("acc5", "Acc-5", True, True)),
            *(("acc2_non0", "Acc-2 non0", True, True), ("f1_non0", "F1 non0", True, True)),
            *(("acc2_has0", "Acc-2 has0", True, True), ("f1_has0", "F1 has0", True, True)),
        ]
        values = {
            ("train mean", 0): [1.412, None, 0.187, 0.187, 0.578, 0.423, 0.553, 0.394],
            ("ridge", 410): [1.102, 0.541, 0.288, 0.321, 0.712, 0.711, 0.701, 0.702],
            ("HCTMG", 540684): [0.881, 0.71, 0.394, 0.447, 0.825, 0.825, 0.7012, 0.812],
        }
    else:
        titles = [
            (f"{m}_{e.lower()}", f"{e} {t}", True, True)
            for e in EMOTIONS
            for m, t in (("accuracy", "Acc"), ("f1", "F1"))
        ]
        titles.append(("accuracy4", "4-way Acc", True, True))
        values = {
            ("majority", 0): [0.667, 0.533, 0.778, 0.681, 0.778, 0.681, 0.778, 0.681, 0.333],
            ("ridge", 244): [0.83, 0.83, 0.97, 0.97, 0.85, 0.84, 0.93, 0.93, 0.82],
            ("HCTMG", 545171): [0.86, 0.86, 0.95, 0.95, 0.86, 0.85, 0.94, 0.94, 0.81],
        }
    fields = ("key", "title", "higher_is_better", "percent")
    columns = [dict(zip(fields, title, strict=True)) for title in titles]
    rows = [
        {
            "system": system,
            "parameters": parameters,
            "metrics": dict(zip((c["key"] for c in columns), scores, strict=True)),
        }
        for (system, parameters), scores in values.items()
    ]
    scores = {"split": "test", "clips": clips, "rows": rows, "columns": columns}
    (path / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
