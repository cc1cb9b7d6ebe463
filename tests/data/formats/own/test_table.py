import pytest

from deadpan.data.formats.own.table import (
    ClipRow,
    ColumnNames,
    looks_like_clip_table,
    read_clip_table,
)

from ....refusals import refusal_of

HEADER = "video_id,clip_id,text,label,mode\n"


def read_rows(folder, content, **names):
    path = folder / "label.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_clip_table(path, ColumnNames(**names))


def row_refusal(folder, content, **names):
    return refusal_of(f"{folder / 'label.csv'}: ", read_rows, folder, content, **names)


def test_reads_rows_with_their_lines(tmp_path):
    table = read_rows(tmp_path, HEADER + 'v,1,"GOOD, REALLY",2.4,train\r\n\nv,02,,-1,test\n')
    assert table.columns == ("video_id", "clip_id", "text", "label", "mode")
    assert [(row.place, row.id) for row in table.rows] == [("line 2", "v_1"), ("line 4", "v_02")]
    assert list(table.rows[0].cells.values()) == ["v", "1", "GOOD, REALLY", "2.4", "train"]
    assert table.rows[1].cells["text"] == ""


def test_columns_may_stand_in_any_order_among_others_after_a_byte_order_mark(tmp_path):
    table = read_rows(tmp_path, "\ufeffmood,annotation, id ,id2\n1, Positive,caf\xe9.1,3\n")
    cells = {"mood": "1", "annotation": "Positive", "id": "caf\xe9.1", "id2": "3"}
    assert table.rows == (ClipRow(place="line 2", id="caf\xe9.1", cells=cells),)


def test_id_goes_before_video_and_clip_and_columns_without_a_name_are_no_repeats(tmp_path):
    table = read_rows(tmp_path, ",video_id,clip_id,id,\n0,v,1,x,\n1,v,2,X,\n")
    assert [row.id for row in table.rows] == ["x", "X"]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("id,a,a\nx,1,2\n", "column 'a' stands twice; rename one"),
        (HEADER, "has a header but no clips"),
        (HEADER + ",,,,\n", "has a header but no clips"),
        (HEADER + "v,1,a,1\n", "line 2: has 4 fields, the header 5"),
        (HEADER + "v,1,a,b,1,train\n", "line 2: has 6 fields, the header 5"),
        (HEADER + ",1,a,1,train\n", "line 2: no video_id; give one"),
        ("id,label\nx,1\n ,1\n", "line 3: no id; give one"),
        (
            "id,label\na,1\nb,1\na ,1\n",
            "line 4: clip 'a' is already on line 2; give each clip one row, or make ids of several "
            "columns: --data_options.id NAME,NAME",
        ),
        (HEADER.encode() + b"v,1,a,1,train\nv,2,caf\xe9,1,train\n", "line 3: not UTF-8"),
        (HEADER + "v,1," + "a" * 200_000 + ",1,train\n", "line 2: not CSV"),
        (b"", "is empty; give a table"),
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
        ("ID\tEmotion\n", True),
        ("name,label\n", True),  # read_clip_table then says what it lacks
        ("id,label\n".encode("utf-16"), True),
        ('[{"id": 1, "joy": 2}]', True),
        (b"PAR1" + bytes(9), True),  # its columns are known only by reading it
        (b"PK\x03\x04" + bytes(26) + b"xl/workbook.xml", True),
        (b"PK\x03\x04" + bytes(26) + b"data.pkl", False),
        ("id\n", False),
        ("name,score\n", False),
        ('{"score": [1, 2]}', False),
        (b"\x80\x04N.", False),
        (b"", False),
    ],
)
def test_recognised_by_its_header_whatever_its_name(content, known, tmp_path):
    path = tmp_path / "data.pkl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert looks_like_clip_table(path) is known
    assert not looks_like_clip_table(tmp_path / "not-there.csv")
    assert not looks_like_clip_table(tmp_path)


def test_rows_of_commas_and_blanks_around_ids_are_of_spreadsheets(tmp_path):
    table = read_rows(tmp_path, "id ;label;;\na ;1;;\n;;;\n\n b;2;;\n;;;\n")
    assert table.columns == ("id", "label")
    assert [(row.id, row.cells["label"]) for row in table.rows] == [("a", "1"), ("b", "2")]


def test_columns_in_capitals_are_taken_and_said(tmp_path):
    table = read_rows(tmp_path, "ID,Label,TEXT,Duration\na,1,hm,2\n")
    assert table.columns == ("id", "label", "text", "Duration")
    assert dict(table.rows[0].cells) == {"id": "a", "label": "1", "text": "hm", "Duration": "2"}
    assert table.warnings == ("columns ID, Label, TEXT were taken as id, label, text",)
    assert read_rows(tmp_path, "Id,joy\na,1\n").warnings == ("column Id was taken as id",)
    # Two columns that differ in case only are two columns.
    assert read_rows(tmp_path, "id,text,Text\na,1,2\n").columns == ("id", "text", "Text")


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("video_id,label", "has columns video_id, label: wanted id, label; give the column of ids "
         "with --data_options.id NAME"),
        ("score,File Name", "--data_options.id 'File Name'"),
        ("clip,mood", "--data_options.id clip"),
    ],
)  # fmt: skip
def test_a_table_without_ids_is_told_its_columns_and_the_option(header, wanted, tmp_path):
    assert row_refusal(tmp_path, f"{header}\nv,1\n").endswith(wanted)


MELD = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,"
    "EndTime\n"
)
KNOWN_HEADERS = {
    MELD: (
        "is MELD's table",
        "give --data_options.id 'dia{Dialogue_ID}_utt{Utterance_ID}' --data_options.label Emotion "
        "--data_options.text Utterance --data_options.group Dialogue_ID",
    ),
    "Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode\n": (
        "is EmoryNLP's table",
        "give --data_options.id 'sea{Season}_ep{Episode}_sc{Scene_ID}_utt{Utterance_ID}' "
        "--data_options.label Emotion --data_options.text Utterance --data_options.group "
        "Season,Episode,Scene_ID",
    ),
    "name,chinese\n": (
        "is MERTools' transcription",
        "give --data_options.id name --data_options.text chinese",
    ),
}


@pytest.mark.parametrize("header", KNOWN_HEADERS)
def test_tables_of_the_field_come_with_their_options(header, tmp_path):
    text = row_refusal(tmp_path, header + "," * header.count(",") + "\n")
    for words in KNOWN_HEADERS[header]:
        assert words in text


def test_columns_of_other_names(tmp_path):
    row = '1,"Oh, no",Ross,sadness,negative,3,7,4,7,"0:1,2","0:1,9"\n'
    table = read_rows(
        tmp_path,
        MELD + row,
        id="dia{Dialogue_ID}_utt{utterance_id}.mp4",
        text="Utterance",
        group="Season,Episode,Dialogue_ID",
        split="sentiment",
    )
    (clip,) = table.rows
    assert clip.id == "dia3_utt7.mp4"
    cells = {name: clip.cells[name] for name in ("text", "group", "split", "Emotion", "speaker")}
    assert cells == {
        "text": "Oh, no",
        "group": "4_7_3",
        "split": "negative",
        "Emotion": "sadness",
        "speaker": "Ross",
    }
    assert table.assigned == {
        *("Dialogue_ID", "Utterance_ID", "Utterance", "Season", "Episode", "Sentiment", ""),
    }
    assert "unknown column 'Uterance'; did you mean 'Utterance'" in row_refusal(
        tmp_path, MELD + row, id="Dialogue_ID", text="Uterance"
    )
    assert "line 2: no Sentiment; give one" in row_refusal(
        tmp_path, MELD + row.replace("negative", ""), id="Sentiment"
    )
