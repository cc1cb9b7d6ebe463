"""Components of a few bytes: from a maker's file, and from wheels that are made on the spot."""

import dataclasses
import hashlib
import importlib.util
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from deadpan.data.components import ArchiveMember, Component, ComponentFile, Package
from deadpan.data.fetching import components
from deadpan.data.fetching.components import PACKAGES, fetch_component, verify_component
from deadpan.data.fetching.download import DownloadWatch
from deadpan.errors import DataError, DeadpanError
from deadpan.locks import LOCK

from ...held import held_elsewhere
from .web import FAST, cut, honest, status, whole

BODY = bytes(range(256)) * 1000  # more than one chunk
PIP_DOWNLOAD = components._pip_download
HEAD, TAIL = BODY[:100_000], BODY[100_000:]


@pytest.fixture
def asked_pip(monkeypatch):
    """The packages for which pip, which fails, was asked."""
    asked = []

    def failing(package, path):
        asked.append(package.name)
        return "has no index"

    monkeypatch.setattr(components, "_pip_download", failing)
    return asked


@pytest.fixture(autouse=True)
def _without_pip(asked_pip):
    pass


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def zipped(**members):
    """An archive; double underscores of names stand for dots."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return stream.getvalue()


def tarred(name, content):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def file(content, *pieces, name="a.bin"):
    """A file of pieces, each ``ARCHIVE/MEMBER``."""
    pieces = tuple(ArchiveMember(archive=p.split("/")[0], member=p.split("/")[1]) for p in pieces)
    return ComponentFile(file=name, size=len(content), sha256=sha256(content), pieces=pieces)


def component(*files, **values):
    facts = {"name": "tiny", "role": "", "about": "", "version": "1", "licence": "MIT"}
    return Component(**{**facts, "commercial": True, "packages": (), "files": files, **values})


@pytest.fixture
def package(web):
    """Serve a package under its name: the bytes, and the answer if it is another."""

    def package(name, content, answer=None, ending=".whl"):
        path = f"/{name}-1{ending}"
        url = web(path, answer or honest(content))
        return Package(name=name, version="1", url=url, size=len(content), sha256=sha256(content))

    return package


def got(of, folder, **options):
    return fetch_component(of, folder, patience=FAST, allow_http=True, **options)


def left(folder):
    """The files of a folder, with those of its own folders."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sorted(path.as_posix() for path in files)


def paths(web):
    return [path for path, _ in web.asked]


@pytest.fixture
def whole_component(web, package):
    """A component of two files that the makers publish, and that two wheels carry too."""
    one, two = zipped(a__1=HEAD, b__txt=b"b"), zipped(a__2=TAIL)
    return component(
        file(BODY, "one/a.1", "two/a.2"),
        file(b"b", "one/b.txt", name="b.txt"),
        packages=(package("one", one), package("two", two)),
    )


def with_maker(of, web, *answers):
    """The same, its first file from its makers."""
    web("/maker/a.bin", *answers)
    return dataclasses.replace(of, maker=f"{web.address}/maker/")


def test_files_are_joined_from_members_of_wheels(whole_component, web, tmp_path):
    a, b = got(whole_component, tmp_path / "deep" / "tiny")
    assert a.path == tmp_path / "deep" / "tiny" / "a.bin"
    assert (a.size, a.sha256, a.verified, a.was_there) == (len(BODY), sha256(BODY), True, False)
    assert a.path.read_bytes() == BODY
    assert b.path.read_bytes() == b"b"
    assert left(tmp_path) == ["deep/tiny/a.bin", "deep/tiny/b.txt"]
    assert paths(web) == ["/one-1.whl", "/two-1.whl"]


def test_a_file_may_be_in_an_archive_inside_wheels(package, tmp_path):
    inner = zipped(inner=BODY)
    tiny = component(
        file(BODY, "inner.zip/inner"),
        archives=(file(inner, "one/1", "two/2", name="inner.zip"),),
        packages=(
            package("one", zipped(**{"1": inner[:50]})),
            package("two", zipped(**{"2": inner[50:]})),
        ),
    )
    got(tiny, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert left(tmp_path) == ["a.bin"]


def test_a_file_may_be_in_a_tar_inside_a_source_package(package, tmp_path):
    inner = tarred("words.txt", b"words")
    tiny = component(
        file(b"words", "inner.tar.gz/words.txt", name="words.txt"),
        archives=(file(inner, "source/inner", name="inner.tar.gz"),),
        packages=(package("source", tarred("inner", inner), ending=".tar.gz"),),
    )
    got(tiny, tmp_path)
    assert (tmp_path / "words.txt").read_bytes() == b"words"


def test_the_makers_file_is_preferred_and_no_wheel_is_fetched_in_vain(package, web, tmp_path):
    tiny = component(file(BODY, "one/a"), packages=(package("one", zipped(a=BODY)),))
    (a,) = got(with_maker(tiny, web, honest(BODY)), tmp_path)
    assert a.path.read_bytes() == BODY
    assert paths(web) == ["/maker/a.bin"]


@pytest.mark.parametrize("answer", [status(404), status(500), whole(b"x"), whole(BODY[::-1])])
def test_where_the_makers_give_no_such_file_the_wheels_do(whole_component, web, tmp_path, answer):
    web("/maker/b.txt", honest(b"b"))
    got(with_maker(whole_component, web, answer), tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert left(tmp_path) == ["a.bin", "b.txt"]
    assert "/maker/b.txt" in paths(web)


def test_only_the_wheels_of_what_is_missing_are_fetched(whole_component, web, tmp_path):
    (tmp_path / "a.bin").write_bytes(BODY)
    a, b = got(whole_component, tmp_path)
    assert (a.was_there, b.was_there) == (True, False)
    assert paths(web) == ["/one-1.whl"]


def test_with_files_in_place_nothing_is_connected_or_started(
    whole_component, web, tmp_path, monkeypatch
):
    whole_component = with_maker(whole_component, web)
    (tmp_path / "a.bin").write_bytes(BODY)
    (tmp_path / "b.txt").write_bytes(b"b")

    def forbidden(*_, **__):
        raise AssertionError("a connection or a process")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "create_connection", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    monkeypatch.setattr(subprocess, "Popen", forbidden)
    files = got(whole_component, tmp_path)
    assert [(f.path.name, f.was_there, f.verified) for f in files] == [
        ("a.bin", True, True),
        ("b.txt", True, True),
    ]
    assert verify_component(whole_component, tmp_path) == (files, [])


def test_another_file_under_the_name_is_left_alone(whole_component, web, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"a\.bin: is another file \(4 bytes.*move it"):
        got(whole_component, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == b"mine"
    assert web.asked == []


@pytest.mark.parametrize("answer", [status(404), whole(zipped(a=b"other"))])
def test_a_wheel_that_cannot_be_had_is_told_and_nothing_is_half_there(package, tmp_path, answer):
    tiny = component(file(BODY, "one/a"), packages=(package("one", zipped(a=BODY), answer),))
    with pytest.raises(DataError, match=r"^tiny: could not be fetched \(one-1\.whl: 127.0.0.1 "):
        got(tiny, tmp_path)
    assert left(tmp_path) == []


def test_the_failures_of_makers_and_wheels_are_told_together(package, web, tmp_path):
    tiny = component(file(BODY, "one/a"), packages=(package("one", b"x", status(403)),))
    with pytest.raises(DataError, match=r"127.0.0.1 answers 404 Not Found; one-1\.whl: .* 403 "):
        got(with_maker(tiny, web, status(404)), tmp_path)


def test_a_wheel_that_was_cut_off_is_gone_on_with_later(package, web, asked_pip, tmp_path):
    wheel = zipped(a=BODY)
    tiny = component(file(BODY, "one/a"), packages=(package("one", wheel, cut(wheel, 150_000)),))
    with pytest.raises(DataError, match=r"one-1\.whl\.part is kept to resume from"):
        got(tiny, tmp_path)
    assert left(tmp_path) == [f"{PACKAGES}/one-1.whl.part", f"{PACKAGES}/one-1.whl.part.json"]
    web("/one-1.whl", honest(wheel))
    web.asked.clear()
    got(tiny, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert left(tmp_path) == ["a.bin"]
    (rest,) = web.ranges("/one-1.whl")
    assert 0 < int(rest.removeprefix("bytes=").removesuffix("-")) <= 150_000
    assert asked_pip == ["one"], "pip, which cannot resume, is asked for no part"


def test_pip_that_failed_is_not_asked_for_the_next_wheel(whole_component, asked_pip, tmp_path):
    lines = []

    class Listener(DownloadWatch):
        def say(self, line):
            lines.append(line)

    got(whole_component, tmp_path, watch=Listener())
    assert asked_pip == ["one"]
    assert lines[-1] == "one-1.whl: pip failed (has no index); trying 127.0.0.1"


def test_a_member_that_is_missing_is_told(package, tmp_path):
    tiny = component(file(BODY, "one/a"), packages=(package("one", zipped(b=BODY)),))
    with pytest.raises(DataError, match=r"one-1\.whl: has no 'a'"):
        got(tiny, tmp_path)
    assert left(tmp_path) == [f"{PACKAGES}/one-1.whl"]
    inside = tarred("b", BODY)
    tiny = component(file(BODY, "s/a"), packages=(package("s", inside, ending=".tar.gz"),))
    with pytest.raises(DataError, match=r"s-1\.tar\.gz: has no 'a'"):
        got(tiny, tmp_path)


@pytest.mark.parametrize("content", [b"x" * len(BODY), BODY[1:], BODY + b"x", b""])
def test_a_member_that_is_another_is_not_kept(package, tmp_path, content):
    tiny = component(file(BODY, "one/a"), packages=(package("one", zipped(a=content)),))
    with pytest.raises(DataError, match=f"hold another file .*wanted {sha256(BODY)}"):
        got(tiny, tmp_path)
    assert left(tmp_path) == [f"{PACKAGES}/one-1.whl"]


@pytest.mark.parametrize("ending", [".whl", ".tar.gz"])
def test_what_is_no_archive_is_told(package, tmp_path, ending):
    tiny = component(file(BODY, "x/a"), packages=(package("x", b"rubbish", ending=ending),))
    with pytest.raises(DataError, match=rf"x-1\{ending}: is damaged"):
        got(tiny, tmp_path)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
@pytest.mark.parametrize("part", ["a.bin.part", f"{PACKAGES}/one-1.whl.part"])
def test_a_full_disk_is_told_and_nothing_stands_under_the_name(package, web, tmp_path, part):
    tiny = component(file(BODY, "one/a"), packages=(package("one", zipped(a=BODY)),))
    (tmp_path / PACKAGES).mkdir()
    (tmp_path / part).symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\)"):
        got(tiny, tmp_path)
    assert not {"a.bin", "a.bin.part"} & set(left(tmp_path))
    (tmp_path / part).unlink(missing_ok=True)
    got(tiny, tmp_path)
    assert left(tmp_path) == ["a.bin"]


def test_a_folder_that_cannot_be_is_told(whole_component, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file: is not a folder"):
        got(whole_component, tmp_path / "file")
    with pytest.raises(DataError, match=r"cannot be written \(Not a directory\)"):
        got(whole_component, tmp_path / "file" / "below")


def test_of_two_at_once_one_goes_on_and_one_is_told(whole_component, web, tmp_path):
    with held_elsewhere(tmp_path / LOCK):
        with pytest.raises(DeadpanError, match="another 'deadpan components fetch' works there"):
            got(whole_component, tmp_path)
        assert web.asked == []
    got(whole_component, tmp_path)
    assert left(tmp_path) == ["a.bin", "b.txt"]


KILLED = """
import json, os, pathlib, signal, sys
from deadpan.data.components import Component
from deadpan.data.fetching import components
from deadpan.data.fetching.download import DownloadWatch
from deadpan.options import record

components._pip_download = lambda package, path: "is not asked"

class Killing(DownloadWatch):
    def begin(self, file, have, total):
        self.file = file
    def received(self, count):
        if self.file == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)

tiny = record("", json.loads(sys.argv[1]), Component)
components.fetch_component(tiny, pathlib.Path(sys.argv[3]), allow_http=True, watch=Killing())
"""


@pytest.mark.skipif(os.name != "posix", reason="kills itself by a signal")
@pytest.mark.parametrize("moment", ["one-1.whl", "a.bin"])  # a download, and a file being written
def test_after_a_kill_nothing_is_half_there(whole_component, tmp_path, moment):
    values = json.dumps(dataclasses.asdict(whole_component))
    command = [sys.executable, "-c", KILLED, values, moment, str(tmp_path)]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    assert not {"a.bin", "b.txt"} & set(left(tmp_path))
    got(whole_component, tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert left(tmp_path) == ["a.bin", "b.txt"]


def test_what_is_wrong_or_missing_is_found(whole_component, tmp_path):
    right, faults = verify_component(whole_component, tmp_path)
    assert right == []
    assert faults == [f"{tmp_path / 'a.bin'}: is missing", f"{tmp_path / 'b.txt'}: is missing"]
    (tmp_path / "a.bin").write_bytes(BODY[::-1])
    (tmp_path / "b.txt").write_bytes(b"b")
    (b,), (fault,) = verify_component(whole_component, tmp_path)
    assert (b.path.name, b.verified, b.was_there) == ("b.txt", True, True)
    assert f"a.bin: is another file (256,000 bytes, SHA-256 {sha256(BODY[::-1])}" in fault


@pytest.fixture
def pip(asked_pip, monkeypatch):
    """Stands for pip: ``pip(content, stderr)`` is what it puts there, None for a failure."""
    monkeypatch.setattr(components, "_pip_download", PIP_DOWNLOAD)

    def pip(content, stderr=""):
        def run(command, **_):
            options = dict(zip(command, command[1:], strict=False))
            pip.command = command
            pip.wanted = Path(options["--requirement"]).read_text()
            if content is not None:
                (Path(options["--dest"]) / "one-1.whl").write_bytes(content)
            return subprocess.CompletedProcess(command, int(content is None), "", stderr)

        monkeypatch.setattr(subprocess, "run", run)

    return pip


def test_pip_fetches_the_file_of_the_hash(package, web, pip, tmp_path):
    wheel = zipped(a=BODY)
    tiny = component(file(BODY, "one/a"), packages=(package("one", wheel),))
    pip(wheel)
    got(tiny, tmp_path)
    assert pip.wanted == f"one==1 --hash=sha256:{sha256(wheel)}\n"
    assert {"--require-hashes", "--no-deps", "--no-input"} < set(pip.command)
    assert web.asked == []
    assert left(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("content", [None, b"other"])
def test_where_pip_fails_the_address_is_used(package, web, pip, tmp_path, content):
    tiny = component(file(BODY, "one/a"), packages=(package("one", zipped(a=BODY)),))
    lines = []

    class Listener(DownloadWatch):
        def say(self, line):
            lines.append(line)

    pip(content, "WARNING: this\nERROR: no version of \x1bone\nERROR: more\n")
    got(tiny, tmp_path, watch=Listener())
    why = "gave another file" if content else r"no version of \x1bone"
    assert lines[-1] == f"one-1.whl: pip failed ({why}); trying 127.0.0.1"
    assert paths(web) == ["/one-1.whl"]
    assert left(tmp_path) == ["a.bin"]


def test_without_pip_the_address_is_used(whole_component, web, asked_pip, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, package=None: None)
    got(whole_component, tmp_path)
    assert asked_pip == []
    assert paths(web) == ["/one-1.whl", "/two-1.whl"]
