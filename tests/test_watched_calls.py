"""Functions in processes of their own."""

import json
import subprocess
import sys
import textwrap

import pytest

SCRIPT = """
    import json, multiprocessing, os, signal
    from deadpan.errors import DeadpanError
    from deadpan.watched_calls import call_at_once

    def told(amount, *, watch):
        watch.advance(amount)
        return amount

    def killed(number, *, watch):
        os.kill(os.getpid(), signal.SIGKILL)  # as the system does when memory is short

    def defective(number, *, watch):
        return number / 0

    def called(function, *arguments):
        amounts = []
        try:
            results = call_at_once(function, [(x,) for x in arguments], amounts.append)
        except (DeadpanError, RuntimeError) as error:
            results = f"{type(error).__name__}: {error}"
        return results, sorted(amounts), len(multiprocessing.active_children())

    if __name__ == "__main__":
        calls = called(told, 1.0, 2.0, 3.0), called(killed, 1, 2), called(defective, 1)
        print(json.dumps(calls))
"""


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    """What comes of three kinds of functions, and what they print.

    A script of its own: a server of processes that other tests started knows no functions of tests.
    """
    script = tmp_path_factory.mktemp("calls") / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True, timeout=120
    )
    return *json.loads(done.stdout), done.stderr


def test_results_come_in_the_order_of_the_arguments(calls):
    assert calls[0] == [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 0]


def test_a_killed_process_is_told(calls):
    what, _, children = calls[1]
    assert what.startswith("DeadpanError: one of 2 processes was killed by signal 9 (memory?)")
    assert children == 0


def test_a_defect_is_one_here_too(calls):
    what, _, children = calls[2]
    assert what.startswith("RuntimeError: a defect of deadpan (ZeroDivisionError")
    assert children == 0
    assert "return number / 0" in calls[3]
