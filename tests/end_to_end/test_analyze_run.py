"""From labelled recordings to a run, and from the run to the timeline of another recording."""

import csv
import json
from pathlib import Path

import pytest

from deadpan.cli import main

from ..recordings.sounds import labelled_clips

SPEECH = Path(__file__).parents[1] / "extraction" / "sense_and_sensibility.opus"

for module in ("av", "ai_edge_litert", "faster_whisper", "pyarrow", "swift_f0", "vaderSentiment"):
    pytest.importorskip(module, reason="needs the extra video")


@pytest.fixture(scope="module")
def components(component):
    """The folder of all components."""
    names = ("face-landmarker", "glove-6b-50d", "silero-vad", "whisper-base")
    return [component(name) for name in names][0].parent


@pytest.fixture(scope="module")
def trained(components, tmp_path_factory):
    """A run on made-up labelled recordings: their sound, and their transcripts."""
    folder = tmp_path_factory.mktemp("labelled")
    table = labelled_clips(folder / "clips", 24, text=True)
    store, run = str(folder / "store"), str(folder / "run")
    arguments = ["--labels", str(table), "--out", store, "--components", str(components)]
    assert main(["extract", str(folder / "clips"), *arguments, "--workers", "1"]) == 0
    assert main(["train", "--data", store, "--epochs", "1", "--out", run, *SMALL]) == 0
    return run


SMALL = ["--model.width=8", "--model.heads=2", "--model.layers=1"]


def test_a_run_adds_scores_and_what_modalities_contribute(trained, components, tmp_path):
    arguments = ["--run", trained, "--out", str(tmp_path), "--components", str(components)]
    assert main(["analyze", str(SPEECH), *arguments, "--heatmaps", "1"]) == 0
    folder = tmp_path / "sense_and_sensibility-timeline"
    timeline = json.loads((folder / "timeline.json").read_text())
    assert timeline["run"] == trained
    assert len(timeline["utterances"]) >= 2
    for utterance in timeline["utterances"]:
        fused = utterance["fused"]
        assert -3 <= fused["score"] <= 3
        assert fused["contributions"].keys() == fused["gate"].keys() == {"text", "audio"}
        assert sum(fused["gate"].values()) == pytest.approx(1, abs=1e-3)
    # What is left without any modality is the same for all.
    rests = [
        each["fused"]["score"] - sum(each["fused"]["contributions"].values())
        for each in timeline["utterances"]
    ]
    assert rests == pytest.approx([rests[0]] * len(rests), abs=1e-3)
    page = (folder / "timeline.html").read_text()
    assert page.count("Words attending to voice</h3>") == 1
    assert f"drawn for 1 of {len(timeline['utterances'])} utterances" in page
    (row, *_) = csv.DictReader((folder / "timeline.csv").read_text().splitlines())
    assert float(row["score"]) == timeline["utterances"][0]["fused"]["score"]


def test_the_word_vectors_of_a_run_are_missed_before_anything_is_read(
    trained, components, tmp_path, capsys
):
    for name in ("face-landmarker", "silero-vad", "whisper-base"):
        (tmp_path / name).symlink_to(components / name)
    arguments = ["--run", trained, "--out", str(tmp_path / "out"), "--components", str(tmp_path)]
    assert main(["analyze", str(SPEECH), *arguments]) == 2
    assert "deadpan components fetch glove-6b-50d" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_on_other_features_is_refused_before_anything_is_read(components, tmp_path, capsys):
    run = str(tmp_path / "run")
    data = ["--data", "controlled", "--data_options.clips", "20", "--epochs", "1"]
    assert main(["train", *data, *SMALL, "--out", run]) == 0
    capsys.readouterr()
    arguments = ["--run", run, "--out", str(tmp_path / "out"), "--components", str(components)]
    assert main(["analyze", str(SPEECH), *arguments]) == 2
    told = capsys.readouterr().err
    assert "was trained on text of no recipe" in told
    assert "train on a store of 'deadpan extract'" in told
    assert not (tmp_path / "out").exists()
    assert main(["analyze", str(SPEECH), "--run", str(tmp_path / "none")]) == 2
    assert "no run here" in capsys.readouterr().err
