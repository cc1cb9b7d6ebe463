"""The fuzzer's own small run; benchmarks/results/fuzz.md has the large one."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_no_reader_fails_on_a_few_damaged_files(tmp_path):
    pytest.importorskip("pyarrow")
    command = [sys.executable, str(ROOT / "benchmarks/fuzz_readers.py")]
    options = ["--cases", "240", "--workers", "1", "--out", str(tmp_path / "fuzz")]
    done = subprocess.run(command + options, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "fuzz.json").read_text())
    assert found["cases"] == 240
    assert len(found["rows"]) == 12
    # Damage that is always refused, or never, would show nothing.
    assert all(row["read"] and row["refused"] for row in found["rows"])


def test_what_runs_code_would_be_seen(tmp_path, monkeypatch):
    """The programmes that mutants hold do run, where a pickle is executed."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.chdir(tmp_path)
    from fuzz.mutate import CODE, mutant

    for programme in CODE:
        pickle.loads(programme)
        Path("EXECUTED").unlink()
    assert mutant(b"abc" * 100, 7) == mutant(b"abc" * 100, 7) != mutant(b"abc" * 100, 8)
