"""Freed memory is kept where glibc is, and nothing is asked where it is not."""

import platform
import subprocess
import sys

import pytest

from deadpan.training import memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_a_freed_block_is_not_asked_for_again():
    script = (
        "import resource, numpy\n"
        "from deadpan.training.memory import keep_freed_memory\n"
        "keep_freed_memory()\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "numpy.ones(1 << 24)\n"
        "before = faults()\n"
        "for _ in range(10): numpy.ones(1 << 24)\n"
        "print(faults() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = 10 * (1 << 27) // 4096
    assert int(done.stdout) < pages / 10


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: pytest.fail("asked for a library"))
    memory.keep_freed_memory()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())  # as with musl
    memory.keep_freed_memory()
