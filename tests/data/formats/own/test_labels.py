import numpy as np
import pytest

from deadpan.data.containers import memory
from deadpan.data.formats.own.labels import own_labels
from deadpan.data.formats.own.table import ColumnNames, read_clip_table

from ....refusals import refusal_of


def judge(folder, content, *, label="", task="auto", names=None):
    path = folder / "labels.csv"
    path.write_text(content, encoding="utf-8")
    return own_labels(path, read_clip_table(path, names), label=label, task=task)


def refusal(folder, content, **options):
    start = f"{folder / 'labels.csv'}: "
    return refusal_of(start, judge, folder, content, **options).removeprefix(start)


def table(*fields):
    """A table of one column of labels."""
    return "id,label\n" + "".join(f"c{i},{field}\n" for i, field in enumerate(fields))


@pytest.mark.parametrize(
    ("content", "task", "names", "values"),
    [
        (table("-3", "0.5"), "regression", ("sentiment",), [[-3], [0.5]]),
        (table("3.01", "0.5"), "scores", ("label",), [[3.01], [0.5]]),
        (table("sad", "joy", "sad"), "classes", ("joy", "sad"), [[0, 1], [1, 0], [0, 1]]),
        (
            "id,label_joy,label_fear\na,1,0\nb,1,1\n",
            "emotions",
            ("joy", "fear"),
            [[1, 0], [1, 1]],
        ),
        ("id,label_joy,Label_fear\na,True,0\nb,1,false\n", "emotions",
         ("joy", "fear"), [[1, 0], [1, 0]]),
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
    assert judge(tmp_path, content, label="Fear, joy").names == ("fear", "joy")
    assert judge(tmp_path, content, label="joy,", task="scores").names == ("joy",)
    assert "unknown column 'jo'; did you mean 'joy'" in refusal(tmp_path, content, label="jo")


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
        (table("0.5", "nan"), {}, "line 3: label is nan, as in 1 row of 2; label every clip, or"),
        (table("0.5", ""), {}, "line 3: label is empty, as in 1 row of 2; label every clip, or"),
        (table("0.5", "high"), {}, "line 3: label 'high' is no number, others are"),
        (table("high"), {"task": "regression"}, "line 2: label 'high' is no number; wanted a"),
        (table("0.5", "3.5"), {"task": "regression"}, "line 3: label is 3.5; wanted a number in"),
        (table("1", "2"), {"task": "emotions"}, "line 3: label is 2; wanted 0 or 1"),
        (table("1e39", "2"), {}, "line 2: label is 1e+39; wanted a finite number"),
        (table("inf", "2"), {"task": "classes"}, "line 2: label is inf; wanted a finite number"),
        (table("a", "", "b", "N/A"), {}, "line 3: label is empty, as in 2 rows of 4; label every"),
        (
            table("0.5", '"0,5"', "1", '"1,5"'),
            {},
            "line 3, line 5: label '0,5' has a decimal comma, another is '0.5'; write all labels",
        ),
        (table('"0,5"', "high"), {}, "line 2: label '0,5' has a decimal comma, another is 'high'"),
        (
            table(*(f"c{i}" for i in range(11)), "c0"),
            {},
            "10 of 12 clips are alone in their class (first: 'c1'): 'label' may be an id or a "
            "transcript; give --data_options.label NAME, or none to predict",
        ),
        (
            table(*map(str, range(11))),
            {"task": "classes"},
            "11 of 11 clips are alone in their class (first: '0.0'): 'label' may be an id",
        ),
        (table("a", "a"), {}, "label is 'a' in every row; wanted two classes or more"),
        (table("1", "1"), {"task": "classes"}, "label is '1' in every row"),
        (
            "id,joy,note\na,1,x\n",
            {},
            "no column label, and joy, note are not all numbers ('note' is not); give "
            "--data_options.label NAME, or none to predict",
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
        ("id,a,b\na,1,0\n", {"task": "regression"}, "regression wants one label, not a, b; give"),
    ],
)
def test_what_does_not_fit_is_told(content, options, wanted, tmp_path):
    assert refusal(tmp_path, content, **options).startswith(wanted)


@pytest.mark.parametrize(
    "content",
    [
        "id,split\na,train\nb,test\n",
        "id,speaker,Duration,start_time,wav,Unnamed: 0\na,s,1.5,0,a.wav,0\nb,s,2,0,b.wav,1\n",
        table("", ""),
        table("nan", "NaN"),
        table("NA", "<NA>"),
        "id,label_joy,label_fear\na,,\nb,nan,\n",
        "id,duration_s,start_sec,duration (s),End [ms],frame\na,1,2,3,4,5\nb,2,3,4,5,6\n",
        "id,sentiment,notes\na,,\nb,,\n",
        "id,label_joy,mood\na,,1\nb,,2\n",
    ],
)
def test_clips_without_labels(content, tmp_path):
    got = judge(tmp_path, content)
    assert (got.names, got.values.shape, got.warnings) == ((), (2, 0), ())


def test_labels_may_be_left_out_on_request(tmp_path):
    assert judge(tmp_path, table("0.5", ""), label="none").names == ()
    got = judge(tmp_path, "id,none\na,0.5\nb,1.5\n", label="none")
    assert got.values.tolist() == [[0.5], [1.5]]  # a column of that name


def test_decimal_commas_are_read_where_all_labels_have_them(tmp_path):
    got = judge(tmp_path, table('"0,5"', '"-1,25"', "2"))
    assert (got.task, got.values.tolist()) == ("regression", [[0.5], [-1.25], [2]])
    assert got.warnings == ("'label' has decimal commas: 0,5 was read as 0.5",)
    assert judge(tmp_path, "id;label\na;1,5\nb;\u22122\n").values.tolist() == [[1.5], [-2]]


def test_classes_are_one_whatever_the_case_and_blanks(tmp_path):
    got = judge(tmp_path, table("Happy", '"happy "', "happy", "SAD", "Sad", "angry", "angry"))
    assert got.names == ("Sad", "angry", "happy")
    assert got.values.argmax(axis=1).tolist() == [2, 2, 2, 0, 0, 1, 1]
    assert got.warnings == (
        "'Happy', 'happy', 'happy ' of 'label' were taken as one class 'happy', and 1 more so",
    )


def test_columns_that_are_guessed_are_named(tmp_path):
    got = judge(tmp_path, "id,Duration,joy,fear\na,2.5,1,0\nb,3,1,1.5\n")
    assert (got.task, got.names) == ("scores", ("joy", "fear"))
    assert got.warnings == (
        "no column label: joy, fear were taken as labels; if some are none, give "
        "--data_options.label NAME,NAME",
    )


def test_one_column_that_is_guessed_is_named(tmp_path):
    got = judge(tmp_path, "id,,split,group,text,start,end,mood\na,9,train,x,hm,0,1,2.5\n")
    assert (got.task, got.names, got.values.tolist()) == ("regression", ("sentiment",), [[2.5]])
    assert got.warnings == (
        "no column label: mood was taken as label; if it is none, give --data_options.label NAME, "
        "or none to predict",
    )


@pytest.mark.parametrize("blank", ["", "NA", "nan"])
def test_columns_without_a_field_are_no_labels_where_others_have_some(blank, tmp_path):
    got = judge(tmp_path, f"id,sentiment,notes\na,1.5,{blank}\nb,-2,{blank}\n")
    assert (got.names, got.values.tolist()) == (("sentiment",), [[1.5], [-2]])
    got = judge(tmp_path, f"id,label_joy,label_fear\na,1.5,{blank}\nb,-2,{blank}\n")
    assert got.values.tolist() == [[1.5], [-2]]
    assert got.warnings[0] == "no row has a field in label_fear: it was ignored"


def test_confidence_and_success_may_be_labels(tmp_path):
    got = judge(tmp_path, "id,success\na,yes\nb,no\n")
    assert (got.names, got.warnings[0][:34]) == (
        ("no", "yes"),
        "no column label: success was taken",
    )
    assert judge(tmp_path, "id,confidence\na,1.5\nb,-2\n").values.tolist() == [[1.5], [-2]]


def test_a_column_of_many_classes_is_taken_where_it_is_named(tmp_path):
    content = table(*(f"c{i}" for i in range(11)), "c0")
    got = judge(tmp_path, content, label="label")
    assert (len(got.names), got.values.sum()) == (11, 12)
    assert got.warnings[0].startswith("10 of 12 clips are alone in their class (first: 'c1')")
    got = judge(tmp_path, table(*map(str, range(11))), label="label", task="classes")
    assert got.values.tolist() == np.eye(11).tolist()
    assert "11 of 11 clips are alone" in got.warnings[0]


def test_a_column_that_may_be_an_id_is_refused_before_it_takes_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CONSTANT", 1 << 20)
    with memory.memory_bound(tmp_path):
        text = refusal(tmp_path, table(*(f"c{i}" for i in range(500))))
    assert text.startswith("500 of 500 clips are alone in their class")


def test_words_for_nothing_may_be_classes(tmp_path):
    assert judge(tmp_path, table("none", "joy", "none")).names == ("joy", "none")
    assert judge(tmp_path, table("+", "-", "?")).names == ("+", "-", "?")


MOSEI = "sentiment,happy,sad,anger,surprise,disgust,fear"


def mosei(*rows, names=MOSEI):
    return f"id,{names}\n" + "".join(f"c{i},{row}\n" for i, row in enumerate(rows))


STRENGTHS = ("-2,0,0.33,0,3,0,0", "1,1,0,0,0,0,2")


@pytest.mark.parametrize("names", [MOSEI, ",".join(f"label_{x}" for x in MOSEI.split(","))])
def test_the_seven_labels_of_mosei_are_its_sentiment_as_in_every_format(names, tmp_path):
    content = mosei(*STRENGTHS, names=names)
    got = judge(tmp_path, content)
    assert (got.task, got.names, got.values.tolist()) == ("regression", ("sentiment",), [[-2], [1]])
    assert got.warnings[-1].startswith(
        "labels have seven numbers, sentiment and six emotions as in MOSEI; sentiment was taken"
    )
    assert judge(tmp_path, content, task="regression").values.tolist() == [[-2], [1]]
    got = judge(tmp_path, content, task="emotions")
    assert (got.names, got.values.tolist()) == (
        tuple(MOSEI.split(",")[1:]),
        [[0, 1, 0, 1, 0, 0], [1, 0, 0, 0, 0, 1]],
    )
    assert got.warnings[-1] == "emotions of a strength above 0 were taken as present"
    assert judge(tmp_path, content, label="happy,sad").names == ("happy", "sad")
    named = judge(tmp_path, content, label=names)
    assert (named.task, named.names) == ("scores", tuple(MOSEI.split(",")))


def test_the_six_emotions_of_mosei_have_strengths(tmp_path):
    names = ",".join(MOSEI.split(",")[1:])
    got = judge(tmp_path, mosei(*STRENGTHS), label=names)
    assert (got.task, got.names) == ("scores", tuple(names.split(",")))
    assert "give --data_options.task emotions" in got.warnings[0]
    got = judge(tmp_path, mosei(*STRENGTHS), label=names, task="emotions")
    assert got.values.tolist() == [[0, 1, 0, 1, 0, 0], [1, 0, 0, 0, 0, 1]]
    content = mosei("-2,0,-1,0,3,0,0", "-3.5,0,0,0,0,0,0")
    assert refusal(tmp_path, content, task="emotions").startswith("line 2: sad is -1; wanted 0 or")
    assert refusal(tmp_path, content).startswith("line 3: sentiment is -3.5; wanted a number in [")


def test_columns_that_the_user_named_otherwise_are_no_labels(tmp_path):
    content = "film,mood,who\na,low,x\nb,high,y\nc,low,x\n"
    names = ColumnNames(id="film", group="who")
    assert judge(tmp_path, content, names=names).names == ("high", "low")


def test_a_few_clips_of_as_many_classes_may_be_new_ones(tmp_path):
    got = judge(tmp_path, table("sad", "happy", "angry"))
    assert got.names == ("angry", "happy", "sad")
    assert got.warnings == (
        "3 of 3 clips are alone in their class (first: 'sad'): 'label' may be an id or a "
        "transcript; if so, give --data_options.label NAME",
    )
