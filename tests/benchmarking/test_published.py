import csv
import subprocess
import sys
from collections import Counter
from importlib import resources

import numpy as np
import pytest
import yaml

from deadpan.benchmarking.published import TABLES, notes, published
from deadpan.metrics.classification import emotion_accuracies, emotion_f1s
from deadpan.tasks import Emotions, Regression

FOLDER = resources.files("deadpan.benchmarking.published")
EMOTIONS = ("Neutral", "Happy", "Sad", "Angry")
ABSENT = {"Happy": 803, "Sad": 745, "Angry": 711, "Neutral": 555}  # of the 938 test clips
SENTIMENT = {"acc7", "acc2_non0", "f1_non0", "corr", "mae"}
EMOTION = {f"{name.lower()}_{metric}" for name in EMOTIONS for metric in ("acc", "f1")}
METRICS = {"MOSI": SENTIMENT, "MOSEI": SENTIMENT, "IEMOCAP": EMOTION}


def rows(table):
    return list(csv.DictReader((FOLDER / table).read_text(encoding="utf-8").splitlines()))


def entries(data):
    return yaml.safe_load((FOLDER / "notes.yaml").read_text(encoding="utf-8"))[data]


def systems(data):
    found = [row["system"] for table in TABLES for row in rows(table) if row["data"] == data]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize(
    ("table", "counts"),
    [
        ("table2.csv", {"MOSI": 15 * 5, "MOSEI": 13 * 5, "IEMOCAP": 7 * 8}),
        ("table4.csv", {"MOSI": 3 * 5, "MOSEI": 3 * 5, "IEMOCAP": 3 * 8}),
    ],
)
def test_every_cell_of_the_paper_is_there_once(table, counts):
    assert Counter(row["data"] for row in rows(table)) == counts
    cells = Counter((row["data"], row["system"], row["metric"]) for row in rows(table))
    assert set(cells.values()) == {1}


def test_every_system_has_the_metrics_of_its_data_set():
    tasks = {"MOSI": Regression(), "MOSEI": Regression(), "IEMOCAP": Emotions(EMOTIONS)}
    for data, metrics in METRICS.items():
        assert metrics <= {column.key for column in tasks[data].columns}
        for system in systems(data):
            found = {key for key in metrics if published(data, system, key) is not None}
            assert found == metrics, (data, system)


def test_names_and_figures_are_bare():
    for row in (row for table in TABLES for row in rows(table)):
        assert not set("<>*()$ ") & set("".join(row.values()))
        low, high = {"corr": (0.5, 0.75), "mae": (0.55, 1.1)}.get(row["metric"], (30, 90))
        assert low < float(row["value"]) < high


@pytest.mark.parametrize(
    ("data", "system", "metric", "value"),
    [
        ("MOSI", "HCT-MG", "mae", 0.881),
        ("MOSI", "CTC+RAVEN", "acc7", 31.7),
        ("MOSI", "MulT", "corr", 0.645),
        ("MOSEI", "LMF", "acc2_non0", 82.0),
        ("MOSEI", "Graph-MFN", "f1_non0", 77.0),
        ("IEMOCAP", "HCT-MG", "neutral_f1", 50.5),
        ("IEMOCAP", "CTC+MCTN", "sad_f1", 71.7),
        ("MOSI", "HCT-T", "corr", 0.717),
        ("MOSEI", "HCT-A", "mae", 0.644),
        ("IEMOCAP", "HCT-V", "angry_acc", 75.9),
        ("MOSI", "Graph-MFN", "mae", None),
        ("MOSI", "HCT-MG", "acc5", None),
        ("RAVDESS", "HCT-MG", "mae", None),
    ],
)
def test_figures_are_the_papers(data, system, metric, value):
    assert published(data, system, metric) == value


def test_sizes_are_as_printed():
    sizes = {(r["data"], r["system"]): r["parameters"] for r in rows("table2.csv")}
    assert sizes["MOSI", "HCT-MG"] == "0.54M"
    assert sizes["IEMOCAP", "LMF-MulT"] == "0.86M"
    assert Counter(bool(size) for size in sizes.values()) == {True: 12, False: 23}
    assert not any(row["parameters"] for row in rows("table4.csv"))


def test_notes_are_sentences_about_cells_that_exist():
    for data, metrics in METRICS.items():
        assert len(notes(data)) == len(entries(data)) >= 2
        for told, entry in zip(notes(data), entries(data), strict=True):
            assert set(entry) <= {"systems", "metrics", "note"}
            assert set(entry.get("systems", ())) <= set(systems(data))
            assert set(entry.get("metrics", ())) <= metrics
            assert told.endswith(entry["note"])
            assert told.endswith(".")
            assert "\n" not in told
    assert notes("RAVDESS") == ()
    assert notes("MOSI")[0].startswith("MFN, LMF, MCTN (acc2_non0, f1_non0): these systems' own")
    assert notes("MOSEI")[1] == "The paper's text counts 23,454 clips, its Table 5 22,856."


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_the_notes_name_exactly_the_cells_of_the_constant_predictor(emotion):
    truth = (np.arange(938) >= ABSENT[emotion]).astype(np.float64)[:, None]
    never = np.full_like(truth, -1.0)
    keys = [f"{emotion.lower()}_acc", f"{emotion.lower()}_f1"]
    constant = [
        round(100 * score(never, truth)[0], 1) for score in (emotion_accuracies, emotion_f1s)
    ]
    same = {
        system
        for system in systems("IEMOCAP")
        if [published("IEMOCAP", system, key) for key in keys] == constant
    }
    (noted,) = (entry for entry in entries("IEMOCAP") if entry.get("metrics") == keys)
    assert set(noted["systems"]) == same
    assert f"{constant[0]} and {constant[1]} are the scores of calling {emotion}" in noted["note"]


@pytest.mark.parametrize("data", METRICS)
def test_the_notes_name_exactly_where_fixed_text_is_better(data):
    def better(metric):
        fixed, gated = (published(data, system, metric) for system in ("HCT-T", "HCT-MG"))
        return fixed < gated if metric == "mae" else fixed > gated

    noted = [e["metrics"] for e in entries(data) if "better than HCT-MG" in e["note"]]
    assert {key for keys in noted for key in keys} == set(filter(better, METRICS[data]))


def test_importing_reads_no_file():
    code = (
        "import sys; import deadpan.benchmarking.published as module\n"
        "assert not module._figures.cache_info().currsize\n"
        "assert module.published('MOSI', 'HCT-MG', 'acc7') == 39.4\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
