"""Small files that stand for much: refused within the bound, or what is shared stays shared."""

import gc
import pickle
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest

from deadpan.data import load
from deadpan.data.containers import memory
from deadpan.data.containers.unpickling import count_values, read_pickle
from deadpan.errors import DataError

CONSTANT = 1 << 18


def misa(count, steps=50, width=20):
    """A pickle of clips that all point, through the pickle's memo, to one."""
    features = np.ones((steps, width), np.float32)
    entry = (["w"] * steps, features, features), np.array([[1.0]], np.float32), "segment"
    return pickle.dumps({"train": [entry] * count, "dev": [entry], "test": [entry]}, 4)


def test_clips_that_share_an_array_share_its_copy(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CONSTANT", CONSTANT)
    path = tmp_path / "shared.pkl"
    path.write_bytes(misa(400, width=500))
    assert path.stat().st_size < 110_000
    tracemalloc.start()
    clips = load(path)["train"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(clips) == 400
    assert len({id(clip.sequences["audio"]) for clip in clips}) == 1
    assert clips[0].sequences["audio"] is not clips[0].sequences["vision"]
    assert peak < 4 << 20  # a copy for each would take 80 MB


def test_what_is_mended_in_a_shared_array_is_counted_for_each_clip(tmp_path):
    features = np.full((1, 1), np.nan)
    entry = (["w"], features, features), np.array([1.0]), "s"
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"train": [entry] * 3, "dev": [], "test": []}))
    assert load(tmp_path / "x.pkl").repairs["audio: NaN set to 0"] == 3


def lists(depth, count=10):
    value: list = [1.0] * count
    for _ in range(depth):
        value = [value] * count
    return value


def write_pickle(content, **options):
    def write(folder):
        path = folder / "file.pkl"
        path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, 4))
        return path, options

    return write


def write_table(rows, audio=None):
    def write(folder):
        (folder / "own" / "audio").mkdir(parents=True)
        (folder / "own" / "labels.csv").write_text("id,label\n" + "".join(rows))
        if audio is None:
            np.save(folder / "own" / "audio" / "1.npy", np.ones((3, 2)))
        else:
            (folder / "own" / "audio" / "1.csv").write_text(audio)
        return folder / "own", {}

    return write


def write_words(folder):
    """Five hundred words, whose one vector has ten thousand numbers."""
    (folder / "vectors.txt").write_text("a" + " 0" * 10_000 + "\n")
    rows = [f"v{i},1,{'a ' * 50},1,train\n" for i in range(4)]
    (folder / "label.csv").write_text("video_id,clip_id,text,label,mode\n" + "".join(rows))
    return folder / "label.csv", {"vectors": str(folder / "vectors.txt")}


def write_ur_funny(vectors, words):
    """Clips of UR-FUNNY whose words are numbers of these vectors."""

    def write(folder):
        content = {
            "data_folds": {"train": list(range(20)), "dev": [], "test": []},
            "humor_label_sdk": dict.fromkeys(range(20), 1),
            "word_embedding_list": vectors,
            "language_sdk": {i: {"punchline_embedding_indexes": words} for i in range(20)},
        }
        for name, value in content.items():
            (folder / f"{name}.pkl").write_bytes(pickle.dumps(value))
        return folder, {}

    return write


def write_ids(folder):
    """Nine thousand clips that are one."""
    write_ur_funny([[0.5]], [0, 0, 0])(folder)
    folds = {"train": [0] * 9_000, "dev": [], "test": []}
    (folder / "data_folds.pkl").write_bytes(pickle.dumps(folds))
    return folder, {}


def write_spreadsheet(xml, strings=""):
    """A spreadsheet of this row, and these texts that sheets share."""

    def write(folder):
        openpyxl = pytest.importorskip("openpyxl")
        write_table(["1,1\n"])(folder)
        table = folder / "own" / "labels.csv"
        book = openpyxl.Workbook()
        book.active.append(["id", "label"])
        book.save(table.with_suffix(".xlsx"))
        table.unlink()
        with zipfile.ZipFile(table.with_suffix(".xlsx")) as archive:
            parts = {name: archive.read(name).decode() for name in archive.namelist()}
        end, sheet = "</sheetData>", "xl/worksheets/sheet1.xml"
        parts[sheet] = parts[sheet].replace(end, f'<row r="2">{xml}</row>{end}')
        parts["xl/sharedStrings.xml"] = f"<sst>{strings}</sst>"
        with zipfile.ZipFile(table.with_suffix(".xlsx"), "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
        return folder / "own", {}

    return write


def write_action_units(folder):
    """A folder of tables of features that are 0 or 1."""
    (folder / "own" / "vision").mkdir(parents=True)
    (folder / "own" / "labels.csv").write_text("id,label\n" + "".join(f"{i},1\n" for i in range(4)))
    row = ",".join("01" * 20) + "\n"
    for i in range(4):
        (folder / "own" / "vision" / f"{i}.csv").write_text(row * 400)
    return folder / "own", {}


def write_npz(folder):
    """An archive of arrays, which are read one after the other."""
    (folder / "own" / "audio").mkdir(parents=True)
    (folder / "own" / "labels.csv").write_text("id,label\n1,1\n")
    arrays = {f"x{i}": np.array("some text" * 350) for i in range(20)}
    np.savez_compressed(folder / "own" / "audio" / "1.npz", audio=np.ones((9, 2)), **arrays)
    return folder / "own", {}


def write_mfn(folder):
    for split in ("train", "valid", "test"):
        with h5py.File(folder / f"audio_{split}.h5", "w") as file:
            file.create_dataset("d1", data=np.zeros((9, 900, 100), "f4"), compression="gzip")
        with h5py.File(folder / f"y_{split}.h5", "w") as file:
            file["d1"] = np.ones(9)
    return folder, {}


def write_csd(folder):
    """A hundred segments that are each the whole video."""
    starts = np.arange(1000) / 1000
    with h5py.File(folder / "COVAREP.csd", "w") as file:
        video = file.create_group("COVAREP/data/v")
        video["features"] = np.ones((1000, 20), "f4")
        video["intervals"] = np.stack([starts, starts + 1e-3], axis=1)
    with h5py.File(folder / "labels.csd", "w") as file:
        video = file.create_group("Opinion Segment Labels/data/v")
        video["features"] = np.ones((100, 1))
        video["intervals"] = np.array([0.0, 1.0]) + np.arange(100)[:, None] * 1e-9
    return folder, {}


def write_parquet(folder):
    """Six files that swell to 400 kB each: none by itself passes the bound."""
    import pyarrow.parquet

    (folder / "audio").mkdir()
    (folder / "labels.csv").write_text("id,label\n" + "".join(f"c{i},{i}\n" for i in range(6)))
    for i in range(6):
        table = pyarrow.table({"a": np.zeros(20_000)})
        pyarrow.parquet.write_table(table, folder / "audio" / f"c{i}.parquet")
    return folder, {}


ENTRY = (["w"], np.ones((1, 2)), np.ones((1, 2))), np.array([1.0]), "s"
NUMBERED = {"labels": np.arange(500) / 500, "text": np.ones((500, 1, 15), "f4")}
SWELLING = {
    "empty dicts": write_pickle(b"\x80\x04]\x94(" + b"}\x94" * 10_000 + b"e."),
    "empty lists": write_pickle(b"\x80\x04]\x94(" + b"]\x94" * 10_000 + b"e."),
    "nested lists": write_pickle(b"\x80\x04" + b"]\x94" * 10_000 + b"a" * 9_999 + b"."),
    "marks": write_pickle(b"\x80\x04]" + b"(" * 29_999 + b"1" * 29_998 + b"e."),
    "lists of one list": write_pickle({"train": {"labels": lists(30), "text": lists(30)}}),
    "clips of one clip": write_pickle({"train": [ENTRY] * 3_000, "dev": [ENTRY], "test": [ENTRY]}),
    "clips of three bytes": write_pickle(
        {"train": {"labels": np.ones(3_000, "i1"), "text": np.ones((3_000, 1, 1), "i1")}}
    ),
    "rows of a table": write_table(f"{i},1\n" for i in range(3_000)),
    "rows of a column": write_table(["1,1\n"], audio="1\n" * 9_000),
    "a class for each clip": write_pickle({"train": NUMBERED}, task="classes"),
    "words of one vector": write_words,
    "vectors of one word": write_ur_funny([[0.5] * 1_000], [0] * 500),
    "ids of one clip": write_ids,
    "cells of one row": write_spreadsheet("<c/>" * 20_000),
    "texts of a spreadsheet": write_spreadsheet("", "<si><t>a</t></si>" * 20_000),
    "compressed zeros": write_mfn,
    "segments that overlap": write_csd,
    "a folder of files": write_parquet,
}


@pytest.mark.parametrize("write", SWELLING.values(), ids=SWELLING)
def test_a_file_that_swells_is_refused_within_the_bound(write, tmp_path, monkeypatch):
    if write is write_parquet:
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(memory, "CONSTANT", CONSTANT)
    path, options = write(tmp_path)
    with pytest.raises(DataError):  # once before it is measured, for what it imports
        load(path, **options)
    size = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    bound = memory.MULTIPLE * size + CONSTANT

    def refuse():
        with pytest.raises(DataError, match="stand for more than") as refused:
            load(path, **options)
        assert str(refused.value).startswith(f"{path}: ")
        assert "\n" not in str(refused.value)

    assert least_peak(refuse, bound) < bound


def least_peak(action, bound):
    """The least bytes that an action takes in three times; other threads allocate too."""
    peaks = []
    while len(peaks) < 3 and not any(peak < bound for peak in peaks):
        gc.collect()
        tracemalloc.start()
        action()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return min(peaks)


# With the constant of each: numbers have none, or so few would never come near the bound.
SOUND = {
    "tables of 0 and 1": (write_action_units, CONSTANT),
    "arrays of an archive": (write_npz, CONSTANT),
    # Numbers of two bytes each, whose list takes eight.
    "lists of small whole numbers": (
        write_pickle(
            {
                split: {
                    "labels": [0] * 3,
                    "audio": [[[1] * 300 for _ in range(2)] for _ in range(3)],
                }
                for split in ("train", "valid", "test")
            }
        ),
        0,
    ),
}


@pytest.mark.parametrize(("write", "constant"), SOUND.values(), ids=SOUND)
def test_a_sound_file_is_read_within_the_bound(write, constant, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CONSTANT", constant)
    path, options = write(tmp_path)
    load(path, **options)  # for what it imports
    size = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    bound = memory.MULTIPLE * size + constant
    assert least_peak(lambda: load(path, **options), bound) < bound


def test_sound_files_of_the_same_kinds_are_far_from_the_bound(tmp_path, monkeypatch):
    # Without any constant: what is bounded is the multiple.
    monkeypatch.setattr(memory, "CONSTANT", 0)
    random = np.random.default_rng(0)
    words = [[f"word{random.integers(999)}" for _ in range(20)] for _ in range(100)]
    content = {
        split: [
            (
                (w, random.normal(size=(20, 9)), random.normal(size=(20, 5))),
                np.ones((1, 1)),
                f"v{i}",
            )
            for i, w in enumerate(words)
        ]
        for split in ("train", "dev", "test")
    }
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content))
    assert len(load(tmp_path / "x.pkl")["train"]) == 100


def test_values_that_are_shared_count_wherever_they_stand():
    one = [1, "text", np.ones(9)]
    assert count_values(3) == count_values([]) == count_values(np.ones(9)) == 1
    assert count_values(one) == 4
    assert count_values([one, (one,), {"a": one}]) == 1 + 4 + 5 + 5
    assert count_values(np.array([one, None], dtype=object)) >= 3
    assert count_values(lists(2)) == 1111
    assert count_values(lists(99)) > 1 << 59


@pytest.mark.parametrize("kind", [list, dict])
def test_what_holds_itself_is_refused(kind, tmp_path):
    inner = kind()
    if isinstance(inner, list):
        inner.append([inner])
    else:
        inner["a"] = [inner]
    (tmp_path / "x.pkl").write_bytes(pickle.dumps([3, inner]))
    with pytest.raises(DataError, match="holds a list or dict that holds itself"):
        read_pickle(tmp_path / "x.pkl")


def test_one_source_has_one_bound_and_the_next_another(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CONSTANT", 0)
    (tmp_path / "file").write_bytes(bytes(10))
    with memory.memory_bound("first"):
        memory.count_file(tmp_path / "file")
        memory.count_file(tmp_path / "file")  # once
        with memory.memory_bound("second"):
            memory.charge(10 * memory.MULTIPLE)
        with pytest.raises(memory.MemoryBoundError):
            memory.charge(1)
    with pytest.raises(DataError, match="^third: 0 bytes in 0 files"), memory.memory_bound("third"):
        memory.charge(1)
    memory.charge(1 << 60)  # nothing is bounded outside
