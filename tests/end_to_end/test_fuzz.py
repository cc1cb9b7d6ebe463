"""The fuzzer's own small run; benchmarks/results/fuzz.md has the large one."""

import json
import pickle
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from deadpan.data import load
from deadpan.data.containers import memory
from deadpan.errors import DataError

ROOT = Path(__file__).parents[2]


def test_no_reader_fails_on_a_few_damaged_files(tmp_path):
    for package in ("pyarrow", "openpyxl"):
        pytest.importorskip(package)
    command = [sys.executable, str(ROOT / "benchmarks/fuzz_readers.py")]
    options = ["--cases", "216", "--workers", "1", "--out", str(tmp_path / "fuzz")]
    done = subprocess.run(command + options, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "fuzz.json").read_text())
    assert found["cases"] == 216
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
    assert restructured("x.txt", sound, 0) is None


def test_files_that_are_made_to_swell_are_refused_for_that(monkeypatch, tmp_path):
    """A child that stayed within the bound on such files alone would have measured nothing."""
    for package in ("pyarrow", "openpyxl"):
        pytest.importorskip(package)
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setattr(memory, "CONSTANT", 2 << 20)
    from fuzz import corpus, structure

    clips = [{m: np.ones((3, w)) for m, w in corpus.WIDTHS.items()} for _ in range(corpus.CLIPS)]
    for write in (corpus.mult, corpus.cim, corpus.csd, corpus.own, corpus.own_tables):
        list(write(tmp_path, clips, np.linspace(-3, 3, corpus.CLIPS)))
    for source, file in (
        ("mult4.pkl", "mult4.pkl"),
        ("cim", "cim/text.npz"),
        ("csd", "csd/COVAREP.csd"),
        ("own", "own/gaze/clip0.parquet"),
        ("own_xlsx", "own_xlsx/labels.xlsx"),
    ):
        sound = (tmp_path / file).read_bytes()
        suffix = file.rpartition(".")[2]
        refusals = []
        for case in range(2):
            swollen = structure.SWELLING[suffix](sound, random.Random(case))
            (tmp_path / file).write_bytes(swollen)
            try:
                load(tmp_path / source)
            except DataError as error:
                refusals.append("stand for more than" in str(error))
        assert any(refusals), source
        (tmp_path / file).write_bytes(sound)


def test_what_runs_code_would_be_seen(tmp_path, monkeypatch):
    """The programmes that mutants hold do run, where a pickle is executed."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.chdir(tmp_path)
    from fuzz.mutate import CODE, mutant

    for programme in CODE:
        pickle.loads(programme)
        Path("EXECUTED").unlink()
    assert mutant(b"abc" * 100, 7) == mutant(b"abc" * 100, 7) != mutant(b"abc" * 100, 8)
