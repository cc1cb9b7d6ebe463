import pytest

from deadpan.data.readers.clip_table import ClipRow, looks_like_clip_table, read_clip_table
from deadpan.errors import DataError

HEADER = "video_id,clip_id,text,label,mode\n"


def read(folder, content):
    path = folder / "label.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_clip_table(path)


def refusal(folder, content):
    with pytest.raises(DataError) as caught:
        read(folder, content)
    text = str(caught.value)
    assert text.startswith(f"{folder / 'label.csv'}: ")
    assert "\n" not in text
    return text


def test_reads_rows_with_their_lines(tmp_path):
    rows = read(tmp_path, HEADER + 'v,1,"GOOD, REALLY",2.4,train\r\n\nv,02,,-1,test\n')
    assert rows == [
        ClipRow(line=2, video="v", clip="1", text="GOOD, REALLY", label=2.4, mode="train"),
        ClipRow(line=4, video="v", clip="02", text="", label=-1.0, mode="test"),
    ]


def test_columns_may_stand_in_any_order_among_others_after_a_byte_order_mark(tmp_path):
    table = "\ufeffmode,annotation,label,text,clip_id,video_id\ntrain,Positive,1,caf\xe9,3,w\n"
    (row,) = read(tmp_path, table)
    assert row == ClipRow(line=2, video="w", clip="3", text="caf\xe9", label=1.0, mode="train")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("video_id,clip_id,text\nv,1,a\n", "line 1: no column label, mode"),
        ("\n", "line 1: no column video_id, clip_id"),
        (HEADER, "has a header but no clips"),
        (HEADER + "v,1,a,1,train\nv,2,a,high,train\n", "line 3: label 'high' is no number"),
        (HEADER + "v,1,a,,train\n", "line 2: label '' is no number"),
        (HEADER + "v,1,a,1\n", "line 2: not as many fields"),
        (HEADER + "v,1,a,b,1,train\n", "line 2: not as many fields"),
        (HEADER + ",1,a,1,train\n", "line 2: no video_id or clip_id"),
        (HEADER.encode() + b"v,1,a,1,train\nv,2,caf\xe9,1,train\n", "line 3: not UTF-8"),
        (HEADER + "v,1," + "a" * 200_000 + ",1,train\n", "line 2: not CSV"),
        (b"", "is empty; give a clip table"),
    ],
)
def test_what_does_not_fit_is_named_by_its_line(content, wanted, tmp_path):
    assert wanted in refusal(tmp_path, content)


def test_recognised_by_name_or_header(tmp_path):
    assert looks_like_clip_table(tmp_path / "not-there.csv")
    (tmp_path / "table.txt").write_text(HEADER)
    assert looks_like_clip_table(tmp_path / "table.txt")
    (tmp_path / "data.pkl").write_bytes(b"\x80\x04N.")
    assert not looks_like_clip_table(tmp_path / "data.pkl")
    assert not looks_like_clip_table(tmp_path)
