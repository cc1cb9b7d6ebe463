"""Training in bfloat16 on processors that have all of it, and on those that lack the LSTM."""

import json
import os
import subprocess
import sys

import pytest
import torch

from deadpan.layers.recurrent import MaskedLSTM, processor_has_lstm

from .tiny import rows, train

HALF = {"precision": "bf16-mixed", "epochs": 1}
LSTM = {"model": "LFLSTM", "model_options": {"hidden": 8}}
WARNING = "this processor has no LSTM in bfloat16; the LSTMs of the model compute in float32"


@pytest.mark.usefixtures("processor")
def test_an_lstm_computes_in_bfloat16_or_exactly_as_in_float32():
    torch.manual_seed(0)
    lstm, x, mask = MaskedLSTM(3, 4), torch.randn(2, 5, 3), torch.ones(2, 5, dtype=torch.bool)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got, read_in_half = lstm(x, mask), lstm(x.bfloat16(), mask)
    if processor_has_lstm(torch.bfloat16):
        assert got.dtype == read_in_half.dtype == torch.bfloat16
    else:
        assert torch.equal(got, lstm(x, mask))
        assert torch.equal(read_in_half, lstm(x.bfloat16().float(), mask))


@pytest.mark.usefixtures("processor")
def test_asking_what_the_processor_has_draws_nothing():
    processor_has_lstm.cache_clear()
    before = torch.get_rng_state()
    processor_has_lstm(torch.bfloat16)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.usefixtures("processor")
def test_a_run_says_which_of_its_parts_compute_in_float32(tmp_path):
    lacks = [] if processor_has_lstm(torch.bfloat16) else [WARNING]
    assert train(tmp_path / "lstm", **LSTM, **HALF).environment().warnings == lacks
    assert rows(tmp_path / "lstm" / "epochs.csv")
    whole = train(tmp_path / "float32", **LSTM, epochs=1)
    assert whole.environment().warnings == []
    assert train(tmp_path / "no lstm", **HALF).environment().warnings == []


def test_the_command_trains_and_says_so_once_on_a_processor_without_avx512(tmp_path):
    """With oneDNN's own refusal, not one that a test made up."""
    command = [sys.executable, "-m", "deadpan", "train", "--data", "controlled", "--out", "run"]
    command += "--data_options.clips 16 --epochs 1 --precision bf16-mixed".split()
    command += "--model EFLSTM --model.ctc true --model.hidden 8".split()
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines().count(f"warning: {WARNING}") == 1
    assert done.stderr.count("float32") == 1
    assert json.loads((tmp_path / "run/environment.json").read_text())["warnings"] == [WARNING]
    assert (tmp_path / "run/model.safetensors").is_file()
