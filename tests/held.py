"""Somebody else who holds a lock: another thread, which to a lock is as good as another process."""

import threading
from contextlib import contextmanager

from deadpan.locks import alone


@contextmanager
def held_elsewhere(lock):
    taken, done = threading.Event(), threading.Event()

    def hold():
        with alone(lock):
            taken.set()
            done.wait()

    other = threading.Thread(target=hold)
    other.start()
    taken.wait()
    try:
        yield done.set
    finally:
        done.set()
        other.join()
