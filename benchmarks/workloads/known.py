"""Work of a known length, as a worker of a pool does it."""

import time
from multiprocessing.connection import Connection


def sleep(pipe: Connection, seconds: float) -> None:
    """Wait: work of another machine, say, that needs no processor of this one."""
    time.sleep(seconds)


def spin(pipe: Connection, seconds: float) -> None:
    """Use a processor for as many seconds of its time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
