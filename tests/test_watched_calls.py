"""Functions in processes of their own."""

import multiprocessing
import os
import signal

import pytest

from deadpan.errors import DeadpanError
from deadpan.watched_calls import call_at_once


def told(amount, *, watch):
    """Tell the watch an amount and return it."""
    watch.advance(amount)
    return amount


def killed(number, *, watch):
    """Be killed, as by the system when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def defective(number, *, watch):
    """Do what no user can mend."""
    return number / 0


def test_results_come_in_the_order_of_the_arguments():
    amounts = []
    assert call_at_once(told, [(1.0,), (2.0,), (3.0,)], amounts.append) == [1.0, 2.0, 3.0]
    assert sorted(amounts) == [1.0, 2.0, 3.0]
    assert multiprocessing.active_children() == []


def test_a_killed_process_is_told():
    with pytest.raises(DeadpanError, match=r"one of 2 processes was killed by signal 9 \(memory"):
        call_at_once(killed, [(1,), (2,)], print)
    assert multiprocessing.active_children() == []


def test_a_defect_is_one_here_too():
    with pytest.raises(RuntimeError, match="a defect of deadpan .ZeroDivisionError"):
        call_at_once(defective, [(1,)], print)
