import json

import pytest

from deadpan.cli import main

from ..encoding.tiny_encoders import save_encoder
from .scripts import run, script

TEXTS = ["the good movie", "really not so good", "a bad movie", "good"]


def test_both_commands_run_and_their_cost_is_told(tmp_path, monkeypatch, capsys):
    module = script("encoding", monkeypatch)
    rows = [
        f"c{i},{TEXTS[i % 4]},{i % 5 - 2},{('train', 'train', 'valid', 'test')[i % 4]}"
        for i in range(24)
    ]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["id,text,label,mode", *rows]))
    encoder = save_encoder(tmp_path / "tiny")

    def here(*arguments):
        short = ["--epochs", "1"] if "train" in arguments else []
        assert main([*arguments, *short]) == 0
        return {"cpu_s": 12.3, "clock_s": 45.6}

    monkeypatch.setattr(module, "cost", here)
    out = tmp_path / "encoding"
    run(module, monkeypatch, "--table", table, "--encoder", encoder, "--layers", "1", "--out", out)
    told = json.loads(out.with_suffix(".json").read_text())
    assert (told["clips"], told["encoder"], told["layers"]) == (24, "tiny", "1")
    assert told["encode"] == told["train"] == {"cpu_s": 12.3, "clock_s": 45.6}
    page = out.with_suffix(".md").read_text()
    assert page in capsys.readouterr().out
    assert "| `deadpan train --config recommended` | 12 s | 46 s |" in page


def test_a_cost_is_that_of_the_other_process(monkeypatch):
    module = script("encoding", monkeypatch)
    spent = module.cost("--version")
    assert spent["cpu_s"] > 0 and spent["clock_s"] > 0


def test_what_is_not_there_is_named(tmp_path, monkeypatch, capsys):
    module = script("encoding", monkeypatch)
    with pytest.raises(SystemExit) as left:
        run(module, monkeypatch, "--table", tmp_path / "gone.csv")
    assert left.value.code == 2
    assert "gone.csv is not there; name another with --table" in capsys.readouterr().err
