"""Installing compiles the C; where that cannot be, it says why and installs all the same."""

import ctypes
import shutil
import signal
import subprocess

import pytest

from deadpan.layers.native import build as module
from deadpan.layers.native.build import INSTRUCTIONS, LIBRARY, NOT_BUILT, compile_library
from deadpan.layers.native.library import RUNS, SIZES


def compiler(folder, text):
    file = folder / "compiler"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_one_library_holds_the_code_for_every_processor_of_its_kind(tmp_path, monkeypatch):
    pytest.importorskip("torch")  # whose OpenMP it uses
    monkeypatch.delenv("CC", raising=False)
    (tmp_path / NOT_BUILT).write_text("of an attempt before")
    assert compile_library(tmp_path, options=["-O0"]) is None
    assert [path.name for path in tmp_path.iterdir()] == [LIBRARY]
    loaded = ctypes.CDLL(str(tmp_path / LIBRARY))
    loaded.native_source_hash.restype = ctypes.c_char_p
    assert loaded.native_source_hash().decode() == module.source_hash()
    sets = list(INSTRUCTIONS)
    if not hasattr(loaded, "gru_run_avx2"):  # no x86
        sets = ["baseline"]
    assert list(INSTRUCTIONS)[loaded.native_best()] in sets
    for name in (*SIZES, *RUNS):
        assert all(hasattr(loaded, f"{name}_{instructions}") for instructions in sets)


FAILING = {
    'CC=" is no command: No closing quotation': '"',
    "CC is empty, wanted a C compiler": "",
    "no C compiler: no-such-compiler: No such file or directory": "no-such-compiler",
    "true ended well and left no library of ours": "true",
    "false failed with status 1: no message": "false",
}


@pytest.mark.parametrize("reason", FAILING)
def test_without_a_compiler_that_works_the_reason_stands_there(tmp_path, monkeypatch, reason):
    monkeypatch.setenv("CC", FAILING[reason])
    (tmp_path / LIBRARY).write_text("of other sources")
    assert compile_library(tmp_path) == reason
    assert (tmp_path / NOT_BUILT).read_text() == f"{reason}\n"
    assert [path.name for path in tmp_path.iterdir()] == [NOT_BUILT]


def test_what_the_compiler_objects_to_is_said_in_one_line(tmp_path, monkeypatch):
    text = "echo In function f; echo 'x.c:1: error: no such thing' >&2; echo 1 error; exit 4"
    monkeypatch.setenv("CC", compiler(tmp_path, text))
    assert compile_library(tmp_path).endswith(
        "compiler failed with status 4: x.c:1: error: no such thing"
    )


def test_what_a_compiler_writes_that_is_no_library_of_ours_is_not_kept(tmp_path, monkeypatch):
    text = 'for last; do [ "$before" = -o ] && echo x > "$last"; before=$last; done; exit 0'
    monkeypatch.setenv("CC", compiler(tmp_path, text))
    assert compile_library(tmp_path).endswith("left no library of ours")
    assert not (tmp_path / LIBRARY).exists()


def test_a_compiler_that_hangs_is_ended_with_all_that_it_started(tmp_path, monkeypatch):
    """The time is up as soon as the compiler has a child; that child dies too."""
    pipe = tmp_path / "pipe"
    text = f"sleep 1000 & echo $! > {pipe}; wait"
    monkeypatch.setenv("CC", compiler(tmp_path, text))
    children = []

    class Hanging(subprocess.Popen):
        def wait(self, timeout=None):
            if timeout is None:
                return super().wait()
            while not (pipe.is_file() and (line := pipe.read_text()).endswith("\n")):
                pass
            children.append(int(line))
            raise subprocess.TimeoutExpired(self.args, timeout)

    killed = []
    killpg = module.os.killpg
    monkeypatch.setattr(module.os, "killpg", lambda *call: (killed.append(call), killpg(*call)))
    monkeypatch.setattr(module.subprocess, "Popen", Hanging)
    assert compile_library(tmp_path).endswith("compiler did not end within 120 s")
    ((group, number),) = killed
    assert number == signal.SIGKILL
    assert children and children[0] != group  # of a group that the compiler leads
    assert (tmp_path / NOT_BUILT).exists()


def test_where_nothing_can_be_written_the_installation_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "true")
    assert compile_library(tmp_path / "no folder")


def test_the_hash_is_of_everything_that_the_library_is_made_of(tmp_path, monkeypatch):
    for path in (*module.FOLDER.glob("*.[ch]"), module.FOLDER / "build.py"):
        shutil.copy(path, tmp_path)
    before = module.source_hash()
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    assert module.source_hash() == before
    for path in tmp_path.iterdir():
        text = path.read_bytes()
        path.write_bytes(text + b"\n")
        assert module.source_hash() != before
        path.write_bytes(text)
