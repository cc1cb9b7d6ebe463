import threading

import pytest

from deadpan.extraction.stage import WAITING, Stage


def test_items_are_taken_in_order_and_all_of_them():
    taken = []
    with Stage(taken.append) as stage:
        for item in range(5 * WAITING):
            stage.put(item)
    assert taken == list(range(5 * WAITING))


def test_what_the_thread_raises_is_raised_at_the_end():
    def fail(item):
        raise ValueError(f"bad {item}")

    with pytest.raises(ValueError, match="bad 1"), Stage(fail) as stage:
        stage.put(1)


def test_a_broken_stage_does_not_let_its_source_wait_for_ever():
    """More items than may wait, put after the failure."""
    failed = threading.Event()

    def fail(item):
        failed.set()
        raise ValueError("bad")

    def put_many():
        with Stage(fail) as stage:
            stage.put(0)
            failed.wait()
            for item in range(5 * WAITING):
                stage.put(item)

    with pytest.raises(ValueError, match="bad"):
        put_many()


def test_an_error_of_the_source_ends_the_thread_and_is_the_one_raised():
    first, go_on, taken = threading.Event(), threading.Event(), []

    def take(item):
        first.set()
        go_on.wait()
        taken.append(item)

    def broken():
        with Stage(take) as stage:
            stage.put(1)
            stage.put(2)
            first.wait()
            go_on.set()
            raise KeyError("source")

    with pytest.raises(KeyError, match="source"):
        broken()
    assert taken[0] == 1
