import json

import pytest

from deadpan.data.store.format import (
    dump_metadata,
    dump_record,
    matches_schema,
    parse_metadata,
    parse_recipes,
    parse_record,
)
from deadpan.errors import DataError

from .toy_datasets import toy


@pytest.mark.parametrize(
    ("value", "wanted", "answer"),
    [
        ("a", str, True),
        (1, str, False),
        (1, int, True),
        (True, int, False),
        (1, float, False),
        (float("nan"), float, True),
        (None, (str, type(None)), True),
        ([], [str], True),
        (["a", 1], [str], False),
        ("ab", [str], False),
        ({"a": [1], "b": []}, {str: [int]}, True),
        ({"a": [1], "b": 2}, {str: [int]}, False),
        ([], {str: int}, False),
        ({"a": 1, "more": None}, {"a": int}, True),
        ({"more": None}, {"a": int}, False),
    ],
)
def test_values_are_held_against_what_was_wanted(value, wanted, answer):
    assert matches_schema(value, wanted) is answer


def test_facts_are_readable_json_and_further_ones_are_kept():
    facts = json.loads(dump_metadata(toy(), source={"name": "x"}))
    assert facts["splits"] == {"train": 2, "valid": 1, "test": 1}
    assert facts["padding"] == {"text": {"side": "left", "share": 0.25}}
    assert facts["source"] == {"name": "x"}
    assert parse_metadata(json.dumps(facts)) == facts


def test_facts_that_are_missing_damaged_or_of_the_future_are_refused():
    good = json.loads(dump_metadata(toy()))
    for text, told in (
        (None, "describe no data set"),
        ("{", "no JSON"),
        ("[]", "damaged (its metadata)"),
        (json.dumps({**good, "format": 2}), "a store of another version"),
        (json.dumps({**good, "widths": {"text": "3"}}), "damaged (its metadata)"),
        (json.dumps({k: x for k, x in good.items() if k != "name"}), "damaged (its metadata)"),
    ):
        with pytest.raises(DataError) as caught:
            parse_metadata(text)
        assert told in str(caught.value)


COLUMN = {"name": "pitch", "unit": "Hz", "source": "swift-f0", "low": 0, "high": None}
MEASURED = {"name": "open-1", "rate": None, "files": {}}


@pytest.mark.parametrize(
    "recipes",
    [
        *([], {"text": None}, {"text": 1}, {"text": "columns"}, {"text": {"layers": "6"}}),
        *({"text": {"columns": []}}, {"text": MEASURED | {"columns": [COLUMN]}}),
        {"text": MEASURED | {"columns": [COLUMN | {"high": -1}]}},
    ],
)
def test_a_damaged_recipe_is_refused(recipes):
    with pytest.raises(DataError, match="damaged"):
        parse_recipes({"recipes": recipes})


def test_an_older_store_has_no_recipes_and_no_transcripts():
    assert "recipes" not in json.loads(dump_metadata(toy()))
    assert parse_recipes({}) == {}
    assert parse_record(b'{"id": "a", "group": null, "words": []}')["transcript"] == ""


def test_a_record_is_a_line_of_ascii():
    for clip in toy()["train"]:
        line = dump_record(clip)
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        record = parse_record(line)
        assert (record["id"], record["truth"]) == (clip.id, clip.truth)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[" * 100_000,
        b"null",
        b'{"id": 1, "group": null, "words": []}',
        b'{"id": "a", "group": null, "words": [1]}',
        b'{"id": "a", "group": null, "words": [], "truth": 1}',
        b'{"id": "a", "group": null, "words": [], "transcript": 1}',
        b'{"id": "a", "group": null, "words": [], "truth": {"kind": "x", "score": 1.0}}',
    ],
)
def test_a_damaged_record_is_refused(line):
    with pytest.raises(DataError, match="damaged"):
        parse_record(line)


def test_the_truth_of_the_first_edition_of_controlled_is_refused():
    line = b'{"id": "a", "group": null, "words": [], "truth": {"kind": "x", "tendencies": {}}}'
    with pytest.raises(DataError, match="first edition of `controlled`, .* convert it again"):
        parse_record(line)
