"""Threads follow affinity and the container's quota, and sleep while they wait."""

import math
import os
import subprocess
import sys

import pytest

from deadpan import threads
from deadpan.threads import WAITING, WAITING_VARIABLES, cpu_quota, processors, set_thread_defaults

V1 = "4:cpu,cpuacct:/docker/abc\n3:cpuset:/docker/abc\n"


def system(root, cgroup, **files):
    for name, text in {"proc/self/cgroup": cgroup, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v1(folder, quota):
    at = f"sys/fs/cgroup/{folder}/cpu.cfs_"
    return {f"{at}quota_us": f"{quota}\n", f"{at}period_us": "100000\n"}


@pytest.mark.parametrize(
    ("cgroup", "files", "quota"),
    [
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, math.inf),
        ("0::/a/b\n", {"sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, math.inf),
        (
            "0::/a/b\n",
            {
                "sys/fs/cgroup/a/b/cpu.max": "800000 100000\n",
                "sys/fs/cgroup/a/cpu.max": "50000 100000\n",
            },
            0.5,
        ),
        (V1, v1("cpu,cpuacct/docker/abc", 300000), 3),
        (V1, v1("cpu", 200000), 2),  # in the container the group is the root
        (V1, v1("cpu", -1), math.inf),
        (V1, v1("cpuset", 100000), math.inf),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "nonsense"}, math.inf),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "100000 0"}, math.inf),
        ("", {}, math.inf),
    ],
)
def test_the_quota_is_the_least_of_all_groups_of_the_process(tmp_path, cgroup, files, quota):
    assert cpu_quota(system(tmp_path, cgroup, **files)) == quota


@pytest.mark.parametrize(
    ("affinity", "quota", "expected"),
    [(8, "150000", 2), (8, "10000", 1), (8, "max", 8), (2, "800000", 2), (4, "400000", 4)],
)
def test_processors_are_those_of_affinity_and_quota(
    tmp_path, monkeypatch, affinity, quota, expected
):
    monkeypatch.setattr(threads, "_affinity", lambda: affinity)
    root = system(tmp_path, "0::/\n", **{"sys/fs/cgroup/cpu.max": f"{quota} 100000\n"})
    assert processors(root) == expected


def test_without_control_groups_or_affinity_all_processors_count(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processors(tmp_path) == 1
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert processors(tmp_path) == 5


@pytest.fixture
def bare(monkeypatch):
    """A process without torch, whose user has set nothing, on 8 processors."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    for name in (*WAITING_VARIABLES, "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)
    monkeypatch.setattr(threads, "_affinity", lambda: 8)
    monkeypatch.setattr(threads, "cpu_quota", lambda root: math.inf)
    return monkeypatch


def settings():
    return {x: os.environ[x] for x in (*WAITING_VARIABLES, "OMP_NUM_THREADS") if x in os.environ}


def test_threads_sleep_while_they_wait(bare):
    set_thread_defaults()
    assert settings() == WAITING  # the number is OpenMP's own: it knows affinity
    assert threads.waiting() == "OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=300"


def test_a_quota_bounds_their_number(bare):
    bare.setattr(threads, "cpu_quota", lambda root: 2.5)
    set_thread_defaults()
    assert settings() == WAITING | {"OMP_NUM_THREADS": "3"}


@pytest.mark.parametrize("name", WAITING_VARIABLES)
def test_what_the_user_has_set_stays(bare, name):
    bare.setattr(threads, "cpu_quota", lambda root: 2.5)
    bare.setenv(name, "active")
    bare.setenv("OMP_NUM_THREADS", "7")
    set_thread_defaults()
    assert settings() == {name: "active", "OMP_NUM_THREADS": "7"}


def test_where_torch_is_loaded_already_nothing_is_set(bare):
    bare.setitem(sys.modules, "torch", None)
    set_thread_defaults()
    assert settings() == {}
    assert threads.waiting() == "they spin: torch was imported before deadpan"


def test_importing_the_package_sets_them():
    script = "import os, deadpan; print(os.environ['OMP_WAIT_POLICY'])"
    environment = {k: v for k, v in os.environ.items() if k not in WAITING_VARIABLES}
    call = [sys.executable, "-c", script]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "PASSIVE\n"
