"""Workers on a Ray cluster; its machines are processes of this one."""

import json
import os
import socket
import sys
import threading
import time

import pytest

from deadpan.benchmarking.runner import run_cases
from deadpan.cli import main
from deadpan.cluster import facts_here, opened_pool, problem_here
from deadpan.errors import DeadpanError
from deadpan.extraction.measuring import WantedRecording
from deadpan.extraction.recipes import feature_recipes
from deadpan.recordings.workers import measure_all

from .benchmarking.small_grid import ROOT, SMALL, Memory, WaitingForTheEnd, grid_of
from .recordings.sounds import tone, write_wav

GRID = {
    "seeds": [1, 2],
    "settings": SMALL["settings"] | {"epochs": 3},
    "systems": {"LF-DNN": {"model": "LFDNN"}},
}


@pytest.fixture(scope="module")
def machines():
    """A cluster of two machines with a processor each; the second may be lost."""
    pytest.importorskip("ray", reason="needs Ray, of the extra ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    # It is lost as soon as it does not answer, and not half a minute later.
    soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500}
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": soon}
    machines = Cluster(initialize_head=True, head_node_args=head)
    yield machines
    machines.shutdown()


def results(folder):
    """All that runs leave and that does not tell when they were made, or how long it took."""
    weights = {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.safetensors")
    }
    epochs = [path.read_text().splitlines() for path in sorted(folder.rglob("epochs.csv"))]
    seconds = epochs[0][0].split(",").index("seconds")
    losses = [
        [cell for k, cell in enumerate(line.split(",")) if k != seconds]
        for lines in epochs
        for line in lines
    ]
    scores = [json.loads(path.read_text())["rows"] for path in sorted(folder.rglob("scores.json"))]
    return weights, losses, scores


def test_a_machine_is_lost_and_results_are_those_of_this_machine(machines, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))  # processes import ``WaitingForTheEnd``
    grid = grid_of(tmp_path, **GRID)
    cases = list(grid.cases({"a set": [None]}, {}))
    assert run_cases(cases, tmp_path / "local", workers=1, watch=Memory()) == {}
    lost = machines.add_node(num_cpus=1)
    waiting = WaitingForTheEnd(tmp_path, lost.all_processes["raylet"][0].process.pid)

    def lose_it():
        while not (tmp_path / "waits").exists():
            time.sleep(0.02)
        machines.remove_node(lost, allow_graceful=False)

    threading.Thread(target=lose_it, daemon=True).start()
    memory = Memory()
    recordings = [write_wav(tmp_path / f"{n}.wav", tone(120.0 + n)) for n in range(3)]
    with opened_pool(machines.address, writes=tmp_path / "there" / "runs") as pool:
        assert pool.processors() == 2
        there = tmp_path / "there"
        options = {"workers": 2, "watch": memory, "then": waiting, "pool": pool}
        assert run_cases(cases, there, **options) == {}
        assert (tmp_path / "waits").read_text() == "1"  # in the middle of a run
        assert pool.processors() == 1
        assert sorted(memory.ended) == sorted((case.name, None) for case in cases)
        assert results(there) == results(tmp_path / "local")
        assert len(results(there)[2]) == 2
        again = Memory()
        assert run_cases(cases, there, **options | {"watch": again}) == {}
        assert (again.todo, again.finished) == ([], 2)
        measured = measure(recordings, tmp_path / "cache there", pool=pool)
        pool.close()  # the seat that has measured them was asked before
        pool._facts = pool._facts | {"torch": "1.0"}
        with pytest.raises(DeadpanError, match="has torch .*, but 1.0 is wanted"):
            pool.check(tmp_path, [])
        with pytest.raises(DeadpanError, match="a machine of the cluster has torch"):
            measure(recordings, tmp_path / "cache", pool=pool)
    assert measured == measure(recordings, tmp_path / "cache here")
    there, here = (
        {path.name: path.read_bytes() for path in (tmp_path / f"cache {name}").iterdir()}
        for name in ("there", "here")
    )
    assert there == here


def measure(recordings, cache, **options):
    pytest.importorskip("av", reason="needs PyAV, of the extra video")
    pytest.importorskip("swift_f0", reason="needs swift-f0, of the extra video")
    wanted = [WantedRecording(path=path, modalities=("audio",)) for path in recordings]
    recipes = feature_recipes("open-1")
    return measure_all(wanted, recipes, cache=cache, components=cache, workers=1, **options)


def test_a_machine_that_differs_says_in_what(tmp_path):
    facts = facts_here()
    assert list(facts) == ["Python", "deadpan", "torch", "numpy"]
    assert problem_here(facts, [str(tmp_path)]) == ""
    other = problem_here(facts | {"Python": "3.0.0"}, [])
    assert other.startswith(f"has Python {facts['Python']}, but 3.0.0 is wanted")
    unseen = str(tmp_path / "unseen")
    assert f"does not see {unseen}; use a folder that" in problem_here(facts, [unseen])


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("nonsense", "--ray got 'nonsense', wanted auto or HOST:PORT"),
        ("ray://head:10001", "--ray got 'ray://head:10001', wanted auto or HOST:PORT"),
        ("127.0.0.1:{closed}", "no cluster answers there"),
        ("127.0.0.1:{open}", "running on a cluster needs Ray; run: pip install 'deadpan[ray]'"),
    ],
)
@pytest.mark.parametrize("command", ["benchmark", "extract"])
def test_a_cluster_that_is_not_there_is_refused(
    address, error, command, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    grid_of(tmp_path, **GRID)
    (tmp_path / "labels.csv").write_text("id,label\na,1\n")
    out = str(tmp_path / "out" / "it.safetensors")
    options = {
        "benchmark": [str(tmp_path / "grid.yaml")],
        "extract": [str(tmp_path), "--labels", str(tmp_path / "labels.csv")],
    }[command]
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # without listening: nobody else takes the port
        ports = {"open": server.getsockname()[1], "closed": unused.getsockname()[1]}
        place = address.format(**ports)
        assert main([command, *options, "--out", out, "--ray", place]) == 2
    assert error in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
