"""Every command that the README shows is one that exists, and the main road is walked."""

import re
import shlex
from pathlib import Path

import pytest

from deadpan.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line.split("  #")[0])[1:]
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in re.findall(r"^\$ \S*deadpan (.*)$", block, re.MULTILINE)
    for line in [f"deadpan {line}"]
]


def test_the_two_commands_of_the_house():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)
    assert re.findall(r"^\$ make (\w+)", README, re.MULTILINE) == ["demo", "test"]
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_files_named_exist():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) >= 2
    for link in links:
        assert (ROOT / link).exists(), link


def test_commands_run_from_top_to_bottom(tmp_path, monkeypatch, mult_pickle, capsys):
    """As shown, on a small file of the layout they name, for one epoch."""
    assert len(COMMANDS) == 12
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(block, {})  # writes mydata/
    for name in ("mosi_data_noalign.pkl", "other.pkl"):
        mult_pickle(tmp_path / name)
    for command in COMMANDS:
        extra = ["--epochs", "1"] if command[0] == "train" else []
        assert main([*command, *extra]) == 0, (command, capsys.readouterr().err)
    assert (tmp_path / "runs" / "mosi" / "report.html").stat().st_size > 10_000
    assert (tmp_path / "mosi.html").stat().st_size > 10_000
    assert (tmp_path / "runs" / "mosi" / "explain" / "explain.html").stat().st_size > 10_000
    assert (tmp_path / "runs" / "mosi" / "model.onnx").stat().st_size > 1_000_000
    assert (tmp_path / "runs" / "mydata" / "model.safetensors").exists()
    assert (tmp_path / "predictions.csv").read_text().count("\n") > 10


@pytest.fixture
def mult_pickle():
    import pickle

    import numpy as np

    def write(path):
        random = np.random.default_rng(0)
        data = {}
        for split, count in (("train", 24), ("valid", 8), ("test", 8)):
            data[split] = {
                "text": random.normal(size=(count, 12, 300)).astype(np.float32),
                "audio": random.normal(size=(count, 20, 5)).astype(np.float32),
                "vision": random.normal(size=(count, 30, 20)).astype(np.float32),
                "labels": random.uniform(-3, 3, (count, 1, 1)).astype(np.float32),
                "id": [[f"{split}{i}", "0.0", "1.0"] for i in range(count)],
            }
        path.write_bytes(pickle.dumps(data))

    return write
