"""The fuzzer's own small run; benchmarks/results/fuzz.md has the large one."""

import json
import pickle
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def test_no_reader_fails_on_a_few_damaged_files(tmp_path):
    for package in ("pyarrow", "openpyxl"):
        pytest.importorskip(package)
    command = [sys.executable, str(ROOT / "benchmarks/fuzz_readers.py")]
    options = ["--cases", "432", "--workers", "1", "--out", str(tmp_path / "fuzz")]
    done = subprocess.run(command + options, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "fuzz.json").read_text())
    assert found["cases"] == 432
    assert len(found["rows"]) == 27
    # Damage that is always refused, or never, would show nothing.
    assert all(row["refused"] for row in found["rows"])
    assert sum(row["read"] > 0 for row in found["rows"]) > 20


def test_edits_of_structure_leave_files_that_a_container_reads(monkeypatch):
    """Half of all cases of a run or a store: tensors and metadata edited, in a file well-formed."""
    from safetensors import SafetensorError
    from safetensors.numpy import load, save

    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from fuzz.structure import restructured

    sound = save({"a/b": np.ones((2, 3), np.float32), "c": np.ones(4)}, {"deadpan": '{"x": [1]}'})
    well_formed = 0
    for case in range(60):
        changed = restructured("x.safetensors", sound, case)
        assert changed == restructured("x.safetensors", sound, case)
        with suppress(SafetensorError, KeyError):  # numpy has no bfloat16
            load(changed)
            well_formed += changed != sound
    assert well_formed > 20
    assert restructured("x.pkl", sound, 0) is None


def test_what_runs_code_would_be_seen(tmp_path, monkeypatch):
    """The programmes that mutants hold do run, where a pickle is executed."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.chdir(tmp_path)
    from fuzz.mutate import CODE, mutant

    for programme in CODE:
        pickle.loads(programme)
        Path("EXECUTED").unlink()
    assert mutant(b"abc" * 100, 7) == mutant(b"abc" * 100, 7) != mutant(b"abc" * 100, 8)
