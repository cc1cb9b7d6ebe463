"""studies/accuracy/attributes.py: attributes of clips, differences, tables of made-up runs."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import yaml

from deadpan.benchmarking.grid import read_grid
from deadpan.data import load
from deadpan.files import write_csv
from tests.training.fake_run import fake_run
from tests.training.tiny import rows

SCRIPT = Path(__file__).parents[2] / "studies/accuracy/attributes.py"
CLIPS = 36
SAID = ("I DONT LIKE IT", "WELL IT WAS GOOD BUT SLOW", "REALLY?", "A FUNNY FILM WITH ONE LONG END")


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("clip_attributes", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("said", "negates"),
    [
        ("I DIDNT LIKE IT", True),
        ("i don't know", True),
        ("they mayn\u2019t", True),
        ("Nobody.", True),
        ("WITHOUT A DOUBT", True),
        ("ANOTHER NOTE, KNOWN", False),
        ("I WANT IT", False),
        ("", False),
    ],
)
def test_words_that_negate(study, said, negates):
    assert study.has_negation(study.tokenize(said)) == negates


def test_attributes_of_clips(study):
    said = ["No, but yes", "a butter knife", "one", "one two three four", "what?", "b c d"]
    labels = [0.0, -0.5, 0.6, -1.5, 1.6, -3.0]
    masks = study.attributes(said, labels)
    clips = {name: np.flatnonzero(mask).tolist() for name, mask in masks.items()}
    assert clips == {
        "negation": [0],
        "“but”": [0],
        "question mark": [4],
        "up to 1 words": [2, 4],
        "2 to 3 words": [0, 1, 5],
        "over 3 words": [3],
        "|label| up to 0.5": [0, 1],
        "|label| 0.5 to 1.5": [2, 3],
        "|label| over 1.5": [4, 5],
    }
    assert "question mark" not in study.attributes(["a", "b b", "c c c"], [0, 1, 2])


def test_a_difference_and_its_interval(study):
    mask = np.arange(200) < 80
    draws = study.bootstrap(200)
    assert (draws.sum(axis=1) == 200).all()
    assert study.difference(np.where(mask, 1.5, 0.5), mask, draws) == pytest.approx((1, 1, 1))
    noise = np.random.default_rng(1).normal(size=200)
    value, low, high = study.difference(np.where(mask, 1.5, 0.5) + noise, mask, draws)
    assert value == pytest.approx(1 + noise[mask].mean() - noise[~mask].mean())
    deviation = np.sqrt(noise[mask].var() / 80 + noise[~mask].var() / 120)
    assert (low, high) == pytest.approx(
        (value - 1.96 * deviation, value + 1.96 * deviation), abs=0.03
    )


def test_ids_are_those_of_the_library(study, tmp_path):
    """A run's predictions have the ids that the reader of the table makes."""
    table, vectors = tmp_path / "label.csv", tmp_path / "vectors.txt"
    lines = [f"v{i // 2}_x,{i},SO GOOD,1.0,{('train', 'valid', 'test')[i // 2]}" for i in range(6)]
    table.write_text("\n".join(["video_id,clip_id,text,label,mode", *lines]))
    vectors.write_text("so 1 2\ngood 3 4\n")
    dataset = load(table, vectors=str(vectors))
    ids = [clip.id for clips in dataset.splits.values() for clip in clips]
    assert ids == list(study.read_transcripts(table))


def test_runs_become_rows_tables_and_a_figure(study, tmp_path, monkeypatch):
    grid = tmp_path / "grid.yaml"
    data = {"mosi_mpnet": {"data": "controlled"}, "other": {"data": "controlled"}}
    systems = {"HCT-MG": {"model": "HCTMG"}, "pool": {"model": "AttentionPool"}}
    grid.write_text(yaml.safe_dump({"seeds": [1, 2], "data": data, "systems": systems}))
    cases = list(read_grid(grid, only=["mosi_mpnet"]).cases({"mosi_mpnet": [None]}, {}))
    runs = [fake_run(tmp_path / "runs" / case.directory, clips=CLIPS) for case in cases[:-1]]
    lines = rows(runs[0] / "predictions.csv")
    # Seed 2 of HCT-MG: every error is 0.5.
    for row in (others := rows(runs[2] / "predictions.csv")):
        row["prediction_sentiment"] = float(row["label_sentiment"]) + 0.5
    write_csv(runs[2] / "predictions.csv", others)
    ids = [row["id"] for row in lines]
    with (tmp_path / "label.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("video_id", "clip_id", "text", "label", "mode"))
        for i, name in enumerate(ids):
            table.writerow((*name.rsplit("_", 1), SAID[i % 4], 0, "test"))
    options = ("--runs", tmp_path, "--out", tmp_path, "--transcripts", tmp_path / "label.csv")
    monkeypatch.setattr("sys.argv", ["attributes.py", "--only", "mosi_mpnet", *map(str, options)])
    study.main()

    found = rows(tmp_path / "attributes.csv")
    assert len(found) == 2 * (1 + 9)
    assert {(row["system"], row["seeds"]) for row in found} == {("HCT-MG", "1 2"), ("pool", "1")}
    (row,) = [r for r in found if (r["system"], r["attribute"]) == ("HCT-MG", "negation")]
    error = [abs(float(r["label_sentiment"]) - float(r["prediction_sentiment"])) for r in lines]
    first, rest = np.mean(error[::4]), np.mean([x for i, x in enumerate(error) if i % 4])
    assert (row["clips"], row["commit"]) == ("9", "3f2a91c0d4e5b6a7980112233445566778899aab+")
    assert float(row["mae"]) == pytest.approx((first + 0.5) / 2)
    assert float(row["deviation"]) == pytest.approx(abs(first - 0.5) / 2**0.5)
    assert float(row["difference"]) == pytest.approx((first - rest) / 2)
    assert float(row["low"]) < float(row["difference"]) < float(row["high"])
    page = (tmp_path / "attributes.md").read_text()
    assert f"| pool | 1 | {np.mean(error):.3f} |" in page
    (line, _) = [line for line in page.splitlines() if line.startswith("| HCT-MG")]
    assert line.split(" | ")[:2] == ["| HCT-MG", "2"]
    assert line.split(" | ")[3] == f"{(first + 0.5) / 2:.3f} ± {abs(first - 0.5) / 2**0.5:.3f}"
    assert "<svg" in (tmp_path / "attributes.svg").read_text()
    assert (tmp_path / "attributes.png").read_bytes().startswith(b"\x89PNG")
    written = "".join((tmp_path / f"attributes.{end}").read_text() for end in ("csv", "md", "svg"))
    assert not any(said in written for said in (*SAID, ids[0]))


def test_clips_without_a_transcript_are_refused(study):
    errors = study.SystemErrors(("a_1",), np.zeros(1), np.zeros((1, 1)), (1,), ("c",))
    with pytest.raises(SystemExit, match="1 test clips have no transcript, a_1"):
        study.rows_of({"mosi": {"pool": errors}}, {"b_1": "so"})
