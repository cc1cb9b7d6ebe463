import dataclasses
import json

import pytest

from .scripts import run, script


@pytest.fixture
def speed(monkeypatch):
    return script("speed", monkeypatch)


def test_every_system_is_timed_on_equal_data(speed, tmp_path, monkeypatch):
    short = dataclasses.replace(speed.MOSI, steps={"text": 5, "audio": 6, "vision": 7})
    monkeypatch.setattr(speed, "MOSI", short)
    few = ["--clips", 4, "--padded-clips", 2, "--repeats", 1, "--threads", 1]
    run(speed, monkeypatch, *few, "--only", "HCT-MG|LMF", "--out", tmp_path / "out")
    told = json.loads((tmp_path / "out.json").read_text())
    assert [(row["system"], row["data"]) for row in told["rows"]] == [
        (name, kind) for kind in ("speech", "padded") for name in ("HCT-MG", "LMF")
    ]
    assert all(row["epoch_s"] > 0 for row in told["rows"])
    assert set(told["one_clip_ms"]) == {"speech", "padded"}
    page = (tmp_path / "out.md").read_text()
    assert "| LMF | padded | 1 | 36 |" in page
    assert "| HCT-MG, speech, s at most | 1.8 |" in page


def test_an_unknown_system_is_refused(speed, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(speed, monkeypatch, "--only", "LMF|LFM")
    assert "no system LFM; there are HCT-MG | " in capsys.readouterr().err


def test_seconds_are_made_up_to_all_clips(speed):
    told = {"rows": [{"data": "speech", "system": "X", "threads": n, "epoch_s": n} for n in (1, 2)]}
    assert speed.epoch_of(told, "speech", "X") == 2  # that of the most threads
    assert speed.epoch_of(told, "padded", "X") is None
    assert speed.ratio(9.0, 3.0) == "3.0"
    assert speed.ratio(None, 3.0) == ""
