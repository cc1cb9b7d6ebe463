import numpy as np
import pytest

from deadpan.data.formats.own.table import (
    ClipRow,
    looks_like_clip_table,
    own_labels,
    read_clip_table,
)
from deadpan.errors import DataError

HEADER = "video_id,clip_id,text,label,mode\n"


def read_rows(folder, content):
    path = folder / "label.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_clip_table(path)


def row_refusal(folder, content):
    with pytest.raises(DataError) as caught:
        read_rows(folder, content)
    text = str(caught.value)
    assert text.startswith(f"{folder / 'label.csv'}: ")
    assert "\n" not in text
    return text


def test_reads_rows_with_their_lines(tmp_path):
    table = read_rows(tmp_path, HEADER + 'v,1,"GOOD, REALLY",2.4,train\r\n\nv,02,,-1,test\n')
    assert table.columns == ("video_id", "clip_id", "text", "label", "mode")
    assert [(row.line, row.id) for row in table.rows] == [(2, "v_1"), (4, "v_02")]
    assert list(table.rows[0].cells.values()) == ["v", "1", "GOOD, REALLY", "2.4", "train"]
    assert table.rows[1].cells["text"] == ""


def test_columns_may_stand_in_any_order_among_others_after_a_byte_order_mark(tmp_path):
    table = read_rows(tmp_path, "\ufeffmood,annotation, id ,id2\n1, Positive,caf\xe9.1,3\n")
    cells = {"mood": "1", "annotation": "Positive", "id": "caf\xe9.1", "id2": "3"}
    assert table.rows == (ClipRow(line=2, id="caf\xe9.1", cells=cells),)


def test_id_goes_before_video_and_clip_and_columns_without_a_name_are_no_repeats(tmp_path):
    table = read_rows(tmp_path, ",video_id,clip_id,id,\n0,v,1,x,\n1,v,2,X,\n")
    assert [row.id for row in table.rows] == ["x", "X"]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("video_id,label\nv,1\n", "line 1: no column id (or video_id and clip_id); found video_id"),
        ("\n", "line 1: no column id (or video_id and clip_id); found nothing"),
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
    assert wanted in row_refusal(tmp_path, content)


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


def judge(folder, content, *, labels="", task="auto"):
    path = folder / "labels.csv"
    path.write_text(content, encoding="utf-8")
    return own_labels(path, read_clip_table(path), labels=labels, task=task)


def refusal(folder, content, **options):
    with pytest.raises(DataError) as caught:
        judge(folder, content, **options)
    text = str(caught.value)
    assert text.startswith(f"{folder / 'labels.csv'}: ")
    assert "\n" not in text
    return text.removeprefix(f"{folder / 'labels.csv'}: ")


def table(*fields):
    """A table of one column of labels."""
    return "id,label\n" + "".join(f"c{i},{field}\n" for i, field in enumerate(fields))


@pytest.mark.parametrize(
    ("content", "task", "names", "values"),
    [
        (table("-3", "0.5"), "regression", ("sentiment",), [[-3], [0.5]]),
        (table("3.01", "0.5"), "scores", ("label",), [[3.01], [0.5]]),
        (table("sad", "joy ", "sad"), "classes", ("joy", "sad"), [[0, 1], [1, 0], [0, 1]]),
        (
            "id,label_joy,label_fear\na,1,0\nb,1,1\n",
            "emotions",
            ("joy", "fear"),
            [[1, 0], [1, 1]],
        ),
        ("id,joy,fear\na,1,0\nb,1,1.5\n", "scores", ("joy", "fear"), [[1, 0], [1, 1.5]]),
        ("id,,split,group,text,start,end,mood\na,9,train,x,hm,0,1,2.5\n", "regression",
         ("sentiment",), [[2.5]]),
        ("id,label,label_T,note\na,1.5,7,x\n", "regression", ("sentiment",), [[1.5]]),
    ],
)  # fmt: skip
def test_columns_and_task_are_found_out(content, task, names, values, tmp_path):
    got = judge(tmp_path, content)
    assert (got.task, got.names, got.warnings) == (task, names, ())
    np.testing.assert_array_equal(got.values, values)


@pytest.mark.parametrize(
    ("task", "names", "values"),
    [
        ("regression", ("sentiment",), [[1], [0]]),
        ("emotions", ("label",), [[1], [0]]),
        ("scores", ("label",), [[1], [0]]),
        ("classes", ("0", "1"), [[0, 1], [1, 0]]),
    ],
)
def test_a_task_may_be_told(task, names, values, tmp_path):
    got = judge(tmp_path, table("1.0", "0"), task=task)
    assert (got.task, got.names, got.warnings) == (task, names, ())
    np.testing.assert_array_equal(got.values, values)


def test_classes_named_by_numbers_stand_in_the_order_of_numbers(tmp_path):
    got = judge(tmp_path, table("10", "9", "-1", "1e1", "0.5"), task="classes")
    assert got.names == ("-1", "0.5", "9", "10")
    assert got.values.argmax(axis=1).tolist() == [3, 2, 0, 3, 1]
    assert got.values.sum(axis=1).tolist() == [1] * 5


def test_columns_may_be_named(tmp_path):
    content = "id,label,joy,fear\na,x,1,0\nb,y,0,1\n"
    assert judge(tmp_path, content, labels="fear, joy").names == ("fear", "joy")
    assert judge(tmp_path, content, labels="joy,", task="scores").names == ("joy",)
    assert "unknown column 'jo'; did you mean 'joy'" in refusal(tmp_path, content, labels="jo")


@pytest.mark.parametrize("fields", [("0", "2"), ("-1", "1", "0"), ("1", "2", "3", "4", "5")])
def test_a_few_whole_numbers_may_be_classes(fields, tmp_path):
    (warning,) = judge(tmp_path, table(*fields)).warnings
    found = ", ".join(sorted(fields, key=float))
    assert warning.startswith(f"'label' is only ever {found} and was taken as ")
    assert warning.endswith("give --data_options.task classes")


def test_many_whole_numbers_or_a_fraction_are_no_classes(tmp_path):
    assert judge(tmp_path, table(*map(str, range(11)))).warnings == ()
    assert judge(tmp_path, table("0", "1", "0.5")).warnings == ()


def test_mmsa_tables_are_regression_unless_told(tmp_path):
    content = "video_id,clip_id,text,label,mode\nv,1,hm,{},train\n"
    got = judge(tmp_path, content.format(1))
    assert (got.task, got.warnings) == ("regression", ())
    assert "line 2: label is 4; wanted a number in [-3, 3]" in refusal(tmp_path, content.format(4))
    assert judge(tmp_path, content.format(4), task="scores").names == ("label",)


@pytest.mark.parametrize(
    ("content", "options", "wanted"),
    [
        (table("1"), {"task": "class"}, "unknown task 'class'; did you mean 'classes'"),
        (table("0.5", "nan"), {}, "line 3: label is nan; wanted a number in [-3, 3]"),
        (table("0.5", ""), {}, "line 3: label '' is no number, others are; mend it, or give"),
        (table("0.5", "high"), {}, "line 3: label 'high' is no number, others are"),
        (table("high"), {"task": "regression"}, "line 2: label 'high' is no number; wanted a"),
        (table("0.5", "3.5"), {"task": "regression"}, "line 3: label is 3.5; wanted a number in"),
        (table("1", "2"), {"task": "emotions"}, "line 3: label is 2; wanted 0 or 1"),
        (table("1e39", "2"), {}, "line 2: label is 1e+39; wanted a finite number"),
        (table("inf", "2"), {"task": "classes"}, "line 2: label is inf; wanted a finite number"),
        (table("a", "", "b"), {}, "line 3: label is empty; wanted the name of a class"),
        (table("a", "a"), {}, "label is 'a' in every row; wanted two classes or more"),
        (table("1", "1"), {"task": "classes"}, "label is '1' in every row"),
        ("id,split\na,train\n", {}, "line 1: no column of labels; add a column label"),
        (
            "id,joy,note\na,1,x\n",
            {},
            "line 1: no column label, and joy, note are not all numbers ('note' is not); give "
            "--data_options.labels NAME,NAME",
        ),
        (
            "id,label_a,label_b\na,1,0\nb,1,x\n",
            {},
            "line 3: label_b 'x' is no number, others are",
        ),
        (
            "id,label_a,label_b\na,1,1\n",
            {"task": "classes"},
            "classes wants one column of labels, not label_a, label_b; give",
        ),
        ("id,a,b\na,1,0\n", {"task": "regression"}, "regression wants one column of labels"),
    ],
)
def test_what_does_not_fit_is_told(content, options, wanted, tmp_path):
    assert refusal(tmp_path, content, **options).startswith(wanted)
