"""Workers on the machines of a Ray cluster; no other module knows Ray.

Such a worker is a process as on this machine, a :class:`~deadpan.processes.LocalWorker` of the
other machine. There it is started by a :class:`Seat`, a process of Ray's that occupies one
processor of the cluster and passes on what the two sides send.
"""

import hashlib
import os
import platform
import socket
import sys
import tempfile
import types
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from deadpan.errors import DeadpanError
from deadpan.processes import LOCAL, LocalWorker, Target, WorkerPool

LOSSES = 5
"""How often a worker begins anew whose machine was lost; after that it counts as ended."""
CONNECTING = 10
"""Seconds in which the cluster must take a connection; Ray itself would try for minutes."""
STOPPING = 2
"""Seconds in which a process that is to be killed must have heard it; else it ends at its next
word."""
MESSAGE, ENDED, REFUSED = "message", "ended", "refused"
"""What a seat has to tell: a message of its process, how that ended, why it starts none."""
Facts = Mapping[str, str]
"""What must be the same on all machines, by its name."""


@contextmanager
def opened_pool(
    address: str | None, *, writes: Path, reads: Iterable[Path] = ()
) -> Generator[WorkerPool, None, None]:
    """The pool of a Ray cluster, whose machines see the same files; without one, of this machine.

    Args:
        address: of the cluster, HOST:PORT or ``auto``; None: workers run on this machine.
        writes: file or folder, there or not, that workers write to.
        reads: files and folders that workers read; those that are not here are not looked for.

    Raises:
        DeadpanError: Ray is not installed, the cluster does not answer, or a machine of it has
            another installation or does not see a path.
    """
    if address is None:
        yield LOCAL
        return
    _refuse_no_cluster(address)
    ray = _ray()
    connects = not ray.is_initialized()
    if connects:
        _connect(ray, address)
    pool = RayPool(ray)
    try:
        pool.check(writes, [path for path in reads if path.exists()])
        yield pool
    finally:
        pool.close()
        if connects:
            ray.shutdown()


def _ray() -> types.ModuleType:
    """The package ray."""
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise DeadpanError(
            "running on a cluster needs Ray; run: pip install 'deadpan[ray]'"
        ) from None
    return ray


def _refuse_no_cluster(address: str) -> None:
    """Raise DeadpanError if the address is none, or nobody answers there."""
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if "://" in address or not (colon and host and port.isdecimal()):
        raise DeadpanError(
            f"--ray got '{address}', wanted auto or HOST:PORT of the head, as in 10.0.0.1:6379"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECTING).close()
    except (OSError, OverflowError) as error:
        raise DeadpanError(
            f"--ray {address}: no cluster answers there ({error}); start its head with 'ray start "
            "--head', or give another address"
        ) from None


def _connect(ray: types.ModuleType, address: str) -> None:
    """Connect this process to a cluster; DeadpanError if that fails."""
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError) as error:  # of them, other versions of Ray or Python
        raise DeadpanError(
            f"--ray {address}: {' '.join(str(error).split())} (this machine must belong to the "
            "cluster, and have its versions of Ray and Python)"
        ) from None


def facts_here() -> Facts:
    """What decides the results of a machine but for its processor: its code and its versions."""
    found = find_spec("deadpan")
    code = "none"
    if found and found.submodule_search_locations:
        root, digest = Path(found.submodule_search_locations[0]), hashlib.sha256()
        for path in sorted(root.rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
        code = f"{_version('deadpan')} ({digest.hexdigest()[:12]})"
    packages = {name: _version(name) for name in ("torch", "numpy")}
    return {"Python": platform.python_version(), "deadpan": code, **packages}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def problem_here(facts: Facts, paths: Sequence[str]) -> str:
    """Why this machine cannot take part; "" if it can.

    Args:
        facts: of the machine that asks.
        paths: that it sees.
    """
    here = facts_here()
    for name, wanted in facts.items():
        if here[name] != wanted:
            return (
                f"has {name} {here[name]}, but {wanted} is wanted, as where the command runs; "
                "install the same on all machines"
            )
    for path in paths:
        if not Path(path).exists():
            return f"does not see {path}; use a folder that all machines share, at the same path"
    return ""


class Seat:
    """Starts processes on a machine of the cluster, one at a time, and passes on their messages.

    Calls come one after the other, but :meth:`stop`, which may come while another one waits.

    Args:
        facts: of the machine that wants the processes.
        folder: its working directory.
        path: its ``sys.path``.
        command: its ``sys.argv``, which runs record.
        environment: variables of it.
    """

    def __init__(
        self,
        facts: Facts,
        folder: str,
        path: Sequence[str],
        command: Sequence[str],
        environment: Mapping[str, str],
    ) -> None:
        self._worker: LocalWorker | None = None
        self._problem = problem_here(facts, [folder])
        if self._problem:
            return
        os.chdir(folder)
        os.environ.update(environment)
        sys.argv = list(command)
        sys.path += [entry for entry in path if entry not in sys.path]
        # Else each process would import the script of Ray's that runs here.
        vars(sys.modules["__main__"]).pop("__file__", None)

    def start(self, module: str, payload: bytes) -> None:
        """Start the process of a pickled target and its arguments; the one before has ended."""
        if self._problem:
            return
        if self._worker:
            self._worker.close()
        self._worker = LocalWorker(call_pickled, payload, module=module)

    def send(self, message: bytes) -> None:
        """Send a pickled message to the process."""
        if self._worker:
            with suppress(OSError):  # it has ended: whoever receives learns it
                self._worker.pipe.send_bytes(message)

    def receive(self) -> tuple[str, Any]:
        """Wait for what is to tell: ``MESSAGE``, ``ENDED`` or ``REFUSED``, and what of it."""
        if self._problem:
            return REFUSED, self._problem
        assert self._worker
        try:
            return MESSAGE, self._worker.pipe.recv_bytes()
        except (EOFError, OSError):
            self._worker.process.join()
            return ENDED, self._worker.ending()

    def alive(self) -> bool:
        """Whether the process has not ended."""
        return bool(self._worker and self._worker.alive())

    def stop(self) -> None:
        """End the process, whatever it does."""
        if self._worker:
            self._worker.process.kill()


def call_pickled(pipe: Connection, payload: bytes) -> None:
    """Call a pickled target with a pipe and its pickled arguments."""
    target, arguments = _unpickled(payload)
    target(pipe, *arguments)


class RayPool:
    """Workers on the machines of a cluster.

    Args:
        ray: the package, connected to the cluster.
    """

    def __init__(self, ray: types.ModuleType) -> None:
        self.ray, self._idle = ray, list[Any]()
        self._facts = facts_here()
        self._seat = ray.remote(concurrency_groups={"stop": 1})(Seat)

    def processors(self) -> int:
        """How many the cluster has."""
        return int(self.ray.cluster_resources().get("CPU", 0))

    def check(self, writes: Path, reads: Sequence[Path]) -> None:
        """Raise DeadpanError if a machine cannot take part.

        Args:
            writes: that workers write to; may not be there.
            reads: that workers read.
        """
        nodes = [x for x in self.ray.nodes() if x["Alive"] and x["Resources"].get("CPU")]
        if not nodes:
            raise DeadpanError(
                "--ray: no machine of the cluster offers a processor; start one with 'ray start "
                "--address HEAD:PORT'"
            )
        from ray.util.scheduling_strategies import (  # pyright: ignore[reportMissingImports]
            NodeAffinitySchedulingStrategy as Node,
        )

        whole = Path.cwd() / writes
        folder = next(path for path in (whole, *whole.parents) if path.is_dir())
        problem = self.ray.remote(num_cpus=0, max_retries=0)(problem_here)
        # Another folder of the same name would not do.
        with tempfile.NamedTemporaryFile(prefix=".deadpan-", dir=folder) as probe:
            paths = [str(Path.cwd()), probe.name, *(str(Path.cwd() / path) for path in reads)]
            answers = [
                problem.options(scheduling_strategy=Node(x["NodeID"], soft=False)).remote(
                    self._facts, paths
                )
                for x in nodes
            ]
            for node, answer in zip(nodes, answers, strict=True):
                try:
                    text = self.ray.get(answer)
                except self.ray.exceptions.RayError as error:
                    text = f"cannot run deadpan ({_last_line(error)}); install the same there"
                if text:
                    text = text.replace(probe.name, str(folder))
                    raise DeadpanError(f"--ray: {node['NodeManagerAddress']} {text}")

    def start(self, target: Target, *arguments: object) -> "RayWorker":
        """Start a worker, once a processor of the cluster is free."""
        return RayWorker(self, target, arguments)

    def ready(self, workers: Sequence["RayWorker"]) -> list["RayWorker"]:
        """Wait until some of these workers have sent a message or ended, and return those."""
        self._leave_seats()  # a worker that waits for its place may need it
        while True:
            if ready := [worker for worker in workers if worker.news]:
                return ready
            asked = {worker.ask(): worker for worker in workers}
            (answer, *_), _ = self.ray.wait(list(asked))
            asked[answer].hear()

    def take_seat(self) -> Any:  # noqa: ANN401 - Ray has no types
        """A seat for a process, in use before or new."""
        if self._idle:
            return self._idle.pop()
        environment = {x: value for x, value in os.environ.items() if x.startswith("DEADPAN_")}
        seat = self._seat.options(num_cpus=1, scheduling_strategy="SPREAD")
        return seat.remote(self._facts, str(Path.cwd()), sys.path, sys.argv, environment)

    def return_seat(self, seat: Any) -> None:  # noqa: ANN401 - Ray has no types
        """Take back a seat whose process has ended or waits for a message."""
        self._idle.append(seat)

    def close(self) -> None:
        """Leave nothing behind in the cluster."""
        self._leave_seats()

    def _leave_seats(self) -> None:
        while self._idle:
            self.ray.kill(self._idle.pop())  # at which a process that waits there ends


class RayWorker:
    """A worker on a machine of a cluster; it begins anew on another one if that is lost.

    Attributes:
        news: a message of it, or how it ended, that was heard and not yet received.

    Args:
        pool: it is one of.
        target: that it calls.
        arguments: of the target, but for the pipe.
    """

    def __init__(self, pool: RayPool, target: Target, arguments: tuple[object, ...]) -> None:
        self._pool, self._ray = pool, pool.ray
        self._start = target.__module__, _pickled((target, arguments))
        self._unanswered: list[bytes] = []
        self._losses, self._ending = 0, ""
        self._asked: Any = None
        self.news: tuple[str, Any] | None = None
        self._begin()

    def _begin(self) -> None:
        self._seat: Any = self._pool.take_seat()
        self._seat.start.remote(*self._start)
        for message in self._unanswered:
            self._seat.send.remote(message)

    def _lost(self) -> None:
        """Begin anew, unless it was lost too often."""
        self._ray.kill(self._seat)  # it may be cut off and alive
        self._losses, self._asked = self._losses + 1, None
        if self._losses > LOSSES:
            self._seat = None
            self.news = ENDED, f"was lost with its machine {self._losses} times"
        else:
            self._begin()

    def alive(self) -> bool:
        """Whether it has not ended."""
        if self._ending or self._seat is None:
            return False
        try:
            return self._ray.get(self._seat.alive.remote())
        except self._ray.exceptions.RayActorError:
            self._lost()
            return self._seat is not None

    def ending(self) -> str:
        """How it ended."""
        return self._ending

    def send(self, message: object) -> None:
        """Send it a message."""
        self._unanswered.append(_pickled(message))
        if self._seat is not None:
            self._seat.send.remote(self._unanswered[-1])

    def ask(self) -> Any:  # noqa: ANN401 - Ray has no types
        """Ask for its next message; what Ray can wait for."""
        if self._asked is None:
            self._asked = self._seat.receive.remote()
        return self._asked

    def hear(self) -> None:
        """Take the answer to what was asked; without news it was lost, and has begun anew."""
        errors = self._ray.exceptions
        try:
            kind, value = self._ray.get(self._asked)
        except errors.RayError as error:
            if isinstance(error, errors.RayActorError) and not error.actor_init_failed:
                return self._lost()
            raise DeadpanError(
                f"--ray: a machine of the cluster cannot run deadpan ({_last_line(error)})"
            ) from error
        if kind == REFUSED:
            raise DeadpanError(f"--ray: a machine of the cluster {value}")
        self._asked, self.news = None, (kind, value)
        return None

    def receive(self) -> Any:  # noqa: ANN401 - whatever the target sends
        """Its next message; EOFError if it has ended."""
        if self.news is None:
            self._pool.ready([self])
        assert self.news is not None
        (kind, value), self.news = self.news, None
        if kind == ENDED:
            self._ending = value
            raise EOFError
        del self._unanswered[:1]
        return _unpickled(value)

    def kill(self) -> None:
        """End it, whatever it does."""
        if self._seat is not None:
            stop = self._seat.stop.options(concurrency_group="stop").remote()
            self._ray.wait([stop], timeout=STOPPING)
            self._ray.kill(self._seat)
            self._seat = None

    def close(self) -> None:
        """Free its place."""
        if self._seat is not None:
            self._pool.return_seat(self._seat)
            self._seat = None


def _pickled(value: object) -> bytes:
    return bytes(ForkingPickler.dumps(value))


def _unpickled(value: bytes) -> Any:  # noqa: ANN401 - whatever was pickled
    return ForkingPickler.loads(value)  # pyright: ignore[reportAttributeAccessIssue] - typeshed takes it for a method


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
