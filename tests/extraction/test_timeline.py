import csv
import dataclasses
import io
import json
import re
from pathlib import Path

import pytest

from deadpan.extraction.timeline import (
    NOTICE,
    SCHEMA,
    Timeline,
    TimelineUtterance,
    timeline_csv,
    timeline_json,
    timeline_srt,
)
from deadpan.extraction.utterances import Word

from .made_up import curve, made_up, readings, words

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "timeline.md"
OPEN_KEYS = {"readings": "MODALITY", "gate": "MODALITY", "contributions": "MODALITY"}
OPEN_KEYS |= {"made_by": "NAME"}
TYPES = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
    "object": dict,
    "list": list,
}


def one(utterance: TimelineUtterance) -> Timeline:
    return dataclasses.replace(made_up(), utterances=(utterance,))


def said(text: str, **fields) -> Timeline:
    first = made_up().utterances[0]
    return one(dataclasses.replace(first, words=words(text, 0.0), **fields))


def test_json_of_an_utterance_and_a_curve():
    value = timeline_json(made_up(run="runs/a"))
    assert (value["schema"], value["notice"], value["run"]) == (SCHEMA, NOTICE, "runs/a")
    first, second, _ = value["utterances"]
    assert first["text"] == "That’s terrible."
    assert first["words"][1] == {"text": "terrible.", "start": 0.5, "end": 1.0, "probability": 1.0}
    assert first["readings"]["text"] == {"value": -0.5, "confidence": 0.8, "reason": None}
    assert first["fused"]["contributions"] == {"text": -1.5, "audio": -0.25, "vision": 0.5}
    assert (first["fused"]["low"], first["incongruity"]) == (-2.0, "a smile on negative words")
    assert (second["person"], second["fused"], second["incongruity"]) == (None, None, None)
    assert second["readings"]["vision"] == {"value": None, "confidence": 0.0, "reason": "no face"}
    assert value["curves"][0] == {
        "person": "person 1",
        "modality": "vision",
        "name": "smile",
        "unit": "",
        "source": "by hand",
        "low": 0.0,
        "high": 1.0,
        "rate": 2.0,
        "first": 0,
        "values": [0.125, 0.5, 0.75, 0.5, 0.25, None, None, 0.0],
        "confidence": [0.9] * 5 + [0.0, 0.0, 0.9],
    }
    assert value["curves"][1]["first"] == 4


def test_json_without_a_run_has_null_and_survives_a_round_trip():
    value = timeline_json(made_up())
    assert value["run"] is None
    assert json.loads(json.dumps(value, allow_nan=False)) == value


def test_numbers_are_rounded():
    third = curve(None, "audio", [1 / 3], confidence=1 / 3)
    timeline = dataclasses.replace(
        said("so", end=2 / 3, readings=readings(text=2 / 3)), curves=(third,)
    )
    (written,) = timeline_json(timeline)["curves"]
    assert (written["values"], written["confidence"]) == ([0.3333], [0.33])
    (utterance,) = timeline_json(timeline)["utterances"]
    assert (utterance["end"], utterance["readings"]["text"]["value"]) == (0.667, 0.6667)


def test_moments_are_the_utterances_with_an_incongruity():
    timeline = made_up()
    assert timeline.moments == timeline.utterances[:1]


def test_csv_leaves_abstentions_empty_and_gives_their_reason():
    first, second, _ = csv.DictReader(io.StringIO(timeline_csv(made_up(run="runs/a"))))
    assert list(first)[:5] == ["start", "end", "person", "face_of", "text"]
    assert (first["text_confidence"], first["vision_value"], first["score"]) == (
        "0.8",
        "0.75",
        "-1.25",
    )
    assert (first["contribution_vision"], second["contribution_vision"]) == ("0.5", "")
    assert (second["person"], second["text"], second["vision_value"]) == ("", "Who knows?", "")
    assert (second["vision_reason"], second["audio_reason"]) == ("no face", "")


def test_csv_without_utterances_is_its_header():
    silent = dataclasses.replace(made_up(), utterances=())
    assert timeline_csv(silent) == "start,end,person,face_of,text,incongruity\n"
    assert timeline_srt(silent) == ""


def test_srt():
    assert timeline_srt(made_up(run="runs/a")) == (
        "1\n00:00:00,000 --> 00:00:01,000\nperson 1: That’s terrible.\n"
        "[text -0.5, audio +0.2, vision +0.8, score -1.2] !! a smile on negative words\n"
        "\n2\n00:00:01,500 --> 00:00:02,500\nWho knows?\n"
        "[text abstains, audio -0.2, vision abstains]\n"
        "\n3\n00:00:03,000 --> 00:00:03,500\nperson 2: Great!\n"
        "[text +0.6, audio +0.0, vision +0.5]\n"
    )


def test_no_text_breaks_a_cue_of_the_srt():
    timeline = said(
        "so\n\n2\n00:00:00,000 --> 00:00:09,000\nforged", readings={}, incongruity="a\n\n3"
    )
    assert timeline_srt(timeline) == (
        "1\n00:00:00,000 --> 00:00:01,000\nperson 1: so 2 00:00:00,000 -> 00:00:09,000 forged\n"
        "!! a 3\n"
    )


def test_a_number_that_rounds_to_zero_has_no_minus():
    assert "[audio +0.0]" in timeline_srt(
        said("so", readings={"audio": readings(audio=-0.04)["audio"]})
    )


@pytest.mark.parametrize(
    ("seconds", "time"),
    [(0.9996, "00:00:01,000"), (59.9999, "00:01:00,000"), (36_061.5, "10:01:01,500")],
)
def test_times_of_the_srt_carry_over(seconds, time):
    late = said("so", start=seconds, end=seconds)
    assert f"{time} --> {time}" in timeline_srt(late)


def test_text_of_an_utterance_is_one_line():
    word = Word(text=" a\n b ", start=0.0, end=1.0, probability=1.0)
    utterance = dataclasses.replace(made_up().utterances[0], words=(word, word))
    assert utterance.text == "a b a b"


def documented():
    """Type and range of every key, by its path, as the tables of the document state them."""
    lines = re.findall(r"^\| `([^`]+)` \|([^|]+)\|([^|]*)\|", DOCUMENT.read_text(), re.M)
    assert len({path for path, *_ in lines}) == len(lines), "no key stands twice"
    return {path: (kind.strip().split(" or "), unit.strip()) for path, kind, unit in lines}


def leaves(value, path=""):
    """Every value with its path: ``words[].start``; keys that are data have a name in capitals."""
    if path:
        yield path, value
    if isinstance(value, list):
        for item in value:
            yield from leaves(item, f"{path}[]")
    if isinstance(value, dict):
        stands_for = OPEN_KEYS.get(path.rsplit(".", 1)[-1])
        for key, item in value.items():
            yield from leaves(item, f"{path}.{stands_for or key}".lstrip("."))


def test_the_document_describes_every_key_and_no_other():
    described = documented()
    present = list(leaves(timeline_json(made_up(run="runs/a"))))
    assert {path for path, _ in present} == set(described)
    for path, value in present:
        kinds, unit = described[path]
        assert any(isinstance(value, TYPES[kind]) for kind in kinds), path
        assert "boolean" in kinds or not isinstance(value, bool), path
        if (limits := re.search(r"\[(−?\d+), (−?\d+)\]", unit)) and value is not None:
            low, high = (float(limit.replace("−", "-")) for limit in limits.groups())
            assert low <= value <= high, path


def test_what_the_document_calls_null_or_optional_is_so():
    nullable = {path for path, (kinds, _) in documented().items() if "null" in kinds}
    timelines = [made_up(), made_up(run="runs/a")]
    seen = {
        path for each in timelines for path, value in leaves(timeline_json(each)) if value is None
    }
    never_here = {  # null in other recordings only; tested above, or a run without intervals
        "utterances[].fused.low",
        "utterances[].fused.high",
        "utterances[].fused.positive_probability",
    }
    assert nullable == seen | never_here


def test_the_document_names_the_schema():
    assert f"`{SCHEMA}`" in DOCUMENT.read_text()
