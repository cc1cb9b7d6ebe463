"""Processes that work for this one."""

import subprocess
import sys
import textwrap

import pytest

SCRIPT = """
    import multiprocessing
    from deadpan.processes import LocalWorker

    def hold(pipe):
        lock = multiprocessing.RLock()  # as tqdm has one
        pipe.send("held")
        pipe.recv()

    if __name__ == "__main__":
        worker = LocalWorker(hold)
        print(worker.receive())
        worker.kill()
        print(worker.ending())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no tracker of locks")
def test_a_killed_worker_leaves_no_remark(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("held\nwas killed by signal 9 (memory?)\n", "")
