import pytest

from deadpan.errors import DeadpanError
from deadpan.locks import LOCK, alone
from deadpan.reports import folder as folder_module
from deadpan.reports.folder import write_page_folder


def test_files_are_written_in_their_order(tmp_path, monkeypatch):
    order = []
    write = folder_module.write_atomically
    monkeypatch.setattr(
        folder_module,
        "write_atomically",
        lambda path, content: (order.append(path.name), write(path, content)),
    )
    write_page_folder({"b.csv": b"1", "a.html": b"2"}, tmp_path / "new" / "folder")
    assert order == ["b.csv", "a.html"]
    assert (tmp_path / "new" / "folder" / "a.html").read_bytes() == b"2"
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 2


def test_a_file_in_the_way_is_refused_in_one_line(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(DeadpanError, match=r"out: cannot be written \(.*\); give another --out"):
        write_page_folder({"a.html": b"2"}, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def refuse_html(path, content):
    if path.suffix == ".html":
        raise OSError(28, "No space left on device")
    path.write_bytes(content)


@pytest.mark.parametrize("others", [False, True])
def test_a_new_folder_that_could_not_be_filled_is_removed(tmp_path, monkeypatch, others):
    monkeypatch.setattr(folder_module, "write_atomically", refuse_html)
    out = tmp_path / "out"
    if others:
        out.mkdir()
        (out / "notes.txt").write_text("mine")
    with pytest.raises(DeadpanError, match="No space left"):
        write_page_folder({"a.csv": b"1", "a.html": b"2"}, out)
    assert out.exists() == others


def test_a_folder_that_another_process_writes_is_refused(tmp_path, monkeypatch):
    from filelock import FileLock, Timeout

    def held(*_, **__):
        raise Timeout(str(tmp_path / LOCK))

    monkeypatch.setattr(FileLock, "acquire", held)
    with pytest.raises(DeadpanError, match="another 'deadpan' works there"), alone(tmp_path / LOCK):
        pass
    with pytest.raises(DeadpanError, match="another 'deadpan' works there"):
        write_page_folder({"a.html": b"2"}, tmp_path)
    assert not (tmp_path / "a.html").exists()
