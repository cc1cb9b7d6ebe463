import os
from pathlib import Path

import pytest

from deadpan.data.containers.files import first_bytes, open_file, printable
from deadpan.errors import DataError


def message(path: Path) -> str:
    with pytest.raises(DataError) as caught, open_file(path, "a thing"):
        raise AssertionError("opened what is no file")
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.endswith("; give a thing")
    assert "\n" not in text
    return text


def test_gives_the_bytes_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    with open_file(tmp_path / "a", "a thing") as stream:
        assert stream.read() == b"abc"


def test_refuses_what_is_no_file(tmp_path):
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    assert "is a directory" in message(tmp_path)
    assert "no such file" in message(tmp_path / "none")
    assert "is empty" in message(tmp_path / "empty")
    assert "not a regular file" in message(tmp_path / "pipe")


def test_says_why_a_file_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / "secret"
    path.write_bytes(b"abc")

    def deny(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)  # root may read all, so modes would test nothing
    assert "cannot be read (Permission denied)" in message(path)
    assert first_bytes(path, 2) == b""


def test_first_bytes_of_anything(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert first_bytes(tmp_path / "a", 2) == b"ab"
    assert first_bytes(tmp_path / "none", 2) == b""
    assert first_bytes(tmp_path, 2) == b""


def test_shown_is_short_and_on_one_line():
    assert printable("a\nb") == "a\\nb"
    assert len(printable("x" * 1000)) == 60
    assert printable(3) == "3"
