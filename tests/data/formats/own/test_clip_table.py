import pytest

from deadpan.data.formats.own.clip_table import ClipRow, looks_like_clip_table, read_clip_table
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
    table = read(tmp_path, HEADER + 'v,1,"GOOD, REALLY",2.4,train\r\n\nv,02,,-1,test\n')
    assert table.columns == ("video_id", "clip_id", "text", "label", "mode")
    assert [(row.line, row.id) for row in table.rows] == [(2, "v_1"), (4, "v_02")]
    assert list(table.rows[0].cells.values()) == ["v", "1", "GOOD, REALLY", "2.4", "train"]
    assert table.rows[1].cells["text"] == ""


def test_columns_may_stand_in_any_order_among_others_after_a_byte_order_mark(tmp_path):
    table = read(tmp_path, "\ufeffmood,annotation, id ,id2\n1, Positive,caf\xe9.1,3\n")
    cells = {"mood": "1", "annotation": "Positive", "id": "caf\xe9.1", "id2": "3"}
    assert table.rows == (ClipRow(line=2, id="caf\xe9.1", cells=cells),)


def test_id_goes_before_video_and_clip_and_columns_without_a_name_are_no_repeats(tmp_path):
    table = read(tmp_path, ",video_id,clip_id,id,\n0,v,1,x,\n1,v,2,X,\n")
    assert [row.id for row in table.rows] == ["x", "X"]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("video_id,label\nv,1\n", "line 1: no column id (or video_id and clip_id); found video_id"),
        ("\n", "line 1: no column id (or video_id and clip_id); found nothing"),
        ("id;label\na;1\n", "line 1: columns are parted by ';'; save it with commas"),
        ("id\tlabel\na\t1\n", "line 1: columns are parted by '\\t'; save it with commas"),
        ("id,a,a\nx,1,2\n", "line 1: column 'a' stands twice; rename one"),
        (HEADER, "has a header but no clips"),
        (HEADER + "v,1,a,1\n", "line 2: not as many fields as the header (4, not 5)"),
        (HEADER + "v,1,a,b,1,train\n", "line 2: not as many fields as the header (6, not 5)"),
        (HEADER + ",1,a,1,train\n", "line 2: no video_id or clip_id; give both"),
        ("id,label\nx,1\n ,1\n", "line 3: no id; give one"),
        ("id,label\n../x,1\n", "line 2: id '../x' has a path separator"),
        ("id,label\n/etc/x,1\n", "line 2: id '/etc/x' has a path separator"),
        ("id,label\na,1\nC:\\x,1\n", "line 3: id 'C:\\\\x' has a path separator"),
        (HEADER + "v/..,1,a,1,train\n", "line 2: id 'v/.._1' has a path separator"),
        ("id,label\na,1\nb,1\na,1\n", "line 4: clip 'a' is already on line 2"),
        (HEADER.encode() + b"v,1,a,1,train\nv,2,caf\xe9,1,train\n", "line 3: not UTF-8"),
        (HEADER + "v,1," + "a" * 200_000 + ",1,train\n", "line 2: not CSV"),
        (b"", "is empty; give a clip table"),
    ],
)
def test_what_does_not_fit_is_named_by_its_line(content, wanted, tmp_path):
    assert wanted in refusal(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "known"),
    [
        (HEADER, True),
        ("\ufeff\n\nid,label\r\n", True),
        ('"id";"joy"\n', True),
        ("name,label\n", True),  # read_clip_table then says what it lacks
        ("id\n", False),
        ("name,score\n", False),
        ('{"id": 1, "label": 2}', False),
        (b"\x80\x04N.", False),
        (b"\xff\xfe" + "id,label\n".encode("utf-16-le"), False),
        (b"", False),
    ],
)
def test_recognised_by_its_header_whatever_its_name(content, known, tmp_path):
    path = tmp_path / "data.pkl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert looks_like_clip_table(path) is known
    assert not looks_like_clip_table(tmp_path / "not-there.csv")
    assert not looks_like_clip_table(tmp_path)
