import base64
import dataclasses
import hashlib
import json
import math
import re

import pytest

from deadpan.errors import DataError, DeadpanError
from deadpan.extraction.timeline import NOTICE, timeline_csv, timeline_json, timeline_srt
from deadpan.reports import timeline as module
from deadpan.reports.timeline import (
    axis_range,
    clock,
    embedded_media,
    lane_groups,
    relative_link,
    signed,
    timeline_files,
    valence,
    write_timeline,
)

from ..extraction.made_up import FUSED, curve, made_up, readings, words
from ..show.page import Page

HOSTILE = (
    "</script><script>hacked=1</script><!--<script> <img src=x onerror=hacked=1> \"'& {{7*7}}"
    + 60 * "w"
)


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "media" / "talk.webm"
    path.parent.mkdir()
    path.write_bytes(b"not really a film")
    return path


def page_of(timeline, recording):
    folder = recording.parents[1] / "out"
    return Page(write_timeline(timeline, recording, folder).read_text(encoding="utf-8"))


def plain(text):
    return " ".join(text.split())


def test_files_are_written_and_the_page_is_the_last(recording, tmp_path):
    timeline = made_up(run="runs/a")
    page = write_timeline(timeline, recording, tmp_path / "out")
    assert page == tmp_path / "out" / "timeline.html"
    assert list(timeline_files(timeline, recording, tmp_path / "out"))[-1] == page.name
    names = ["timeline.csv", "timeline.html", "timeline.json", "timeline.srt"]
    assert sorted(path.name for path in page.parent.iterdir()) == names
    assert json.loads((tmp_path / "out" / "timeline.json").read_bytes()) == timeline_json(timeline)
    assert (tmp_path / "out" / "timeline.csv").read_text("utf-8") == timeline_csv(timeline)
    assert (tmp_path / "out" / "timeline.srt").read_text("utf-8") == timeline_srt(timeline)


def test_a_recording_that_is_gone_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(DataError, match=r"gone.mp4: the recording cannot be read \(No such file"):
        write_timeline(made_up(), tmp_path / "gone.mp4", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_way_is_refused(recording, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(DeadpanError, match="out: cannot be written"):
        write_timeline(made_up(), recording, tmp_path / "out")


def test_a_small_recording_is_inside_the_page_and_a_large_one_is_linked(recording, monkeypatch):
    page = page_of(made_up(), recording)
    (player,) = page.all("video")
    head, _, content = player["src"].partition(",")
    assert (head, base64.b64decode(content)) == ("data:video/webm;base64", b"not really a film")
    assert "The recording is inside this page; its file: talk.webm" in plain(page.text)
    monkeypatch.setattr(module, "LARGEST_EMBEDDED", len(b"not really a film") - 1)
    page = page_of(made_up(), recording)
    assert page.all("video")[0]["src"] == "../media/talk.webm"
    assert "larger than 0 MB and so not inside" in plain(page.text)
    assert {"href": "../media/talk.webm"} in page.all("a")


def test_the_largest_embedded_recording_fits_the_data_uris_of_browsers():
    assert 4 * math.ceil(module.LARGEST_EMBEDDED / 3) < 32_000_000


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.MP4", "video/mp4"), ("a.mov", "video/mp4"), ("a.x", "application/octet-stream")],
)
def test_media_types(tmp_path, name, kind):
    (tmp_path / name).write_bytes(b"abc")
    assert embedded_media(tmp_path / name) == f"data:{kind};base64,YWJj"


def test_links_are_relative_and_quoted(tmp_path):
    out = tmp_path / "out"
    assert relative_link(tmp_path / "über a#b?%.mp4", out) == "../%C3%BCber%20a%23b%3F%25.mp4"
    assert relative_link(out / "http:x.mp4", out) == "http%3Ax.mp4"
    assert relative_link(out / 'a"<b>.mp4', out) == "a%22%3Cb%3E.mp4"


def test_lanes_of_people_and_of_whom_nobody_sees():
    first, second, unseen = lane_groups(made_up(run="runs/a"))
    assert (first.title, first.note) == ("person 1", "4.0 s in view, 1.0 s speaking")
    assert [(lane.title, lane.label, lane.curve) for lane in first.lanes] == [
        ("Words", "reading of each utterance", None),
        ("Face", "smile", 0),
        ("Voice", "loudness (dB)", 2),
        ("Fused score", "sentiment, with its 90 % interval", None),
    ]
    assert [lane.readings for lane in first.lanes] == [True, True, True, False]
    assert [lane.shared for lane in first.lanes] == [False, False, True, False]
    assert [lane.curve for lane in second.lanes] == [None, 1, 2]
    assert (unseen.title, unseen.note, unseen.utterances) == ("Off screen", "", (1,))
    assert [(lane.modality, lane.curve) for lane in unseen.lanes] == [
        ("text", None),
        ("vision", None),
        ("audio", 2),
    ]


def test_a_run_without_intervals_claims_none():
    timeline = made_up(run="runs/a")
    bare = dataclasses.replace(FUSED, low=None, high=None)
    first = dataclasses.replace(timeline.utterances[0], fused=bare)
    timeline = dataclasses.replace(timeline, utterances=(first, *timeline.utterances[1:]))
    assert lane_groups(timeline)[0].lanes[-1].label == "sentiment"


def test_the_voice_stands_alone_where_nobody_speaks_and_with_speakers_else():
    timeline = made_up()
    silent = dataclasses.replace(timeline, utterances=(), persons=())
    (group,) = lane_groups(dataclasses.replace(silent, curves=timeline.curves[2:]))
    assert [(lane.curve, lane.shared) for lane in group.lanes] == [(0, False)]
    seen = dataclasses.replace(timeline, utterances=timeline.utterances[:1])
    assert [group.title for group in lane_groups(seen)] == ["person 1", "person 2"]


def test_a_modality_with_two_curves_has_its_readings_once():
    timeline = made_up()
    frown = curve("person 1", "vision", [0.5], name="frown")
    first, *_ = lane_groups(dataclasses.replace(timeline, curves=(*timeline.curves, frown)))
    assert [(x.label, x.readings) for x in first.lanes if x.modality == "vision"] == [
        ("smile", True),
        ("frown", False),
    ]


@pytest.mark.parametrize(
    ("values", "ends", "axis"),
    [
        ([0.0, 0.4], (0.0, 1.0), (0, 1)),  # a third of the range: all of it
        ([0.11, 0.24], (0.0, 1.0), (0.1, 0.3)),
        ([120.0, 260.0], (46.0, 2093.0), (100, 300)),
        ([-3.0, 12.0], (-1e6, 1e6), (-10, 20)),
        ([5.0, 5.0], (-1e6, 1e6), (5, 6)),
        ([0.0, 0.0], (-1e6, 1e6), (0, 1)),
        ([-1.0, 5.0], (0.0, 4.0), (-1, 5)),  # values out of range are not cut off
        ([2.0, 2.0], (2.0, 2.0), (2, 3)),
        ([None, None], (0.0, 4.0), (0, 4)),
        ([None, None], (0.0, 0.0), (0, 1)),
    ],
)
def test_ends_of_an_axis(values, ends, axis):
    one = curve("a", "vision", values, low=ends[0], high=ends[1])
    assert axis_range(one, [one]) == axis


def test_people_share_the_axis_of_a_column():
    quiet = curve("a", "vision", [0.11, 0.12])
    lively = curve("b", "vision", [0.0, 1.0])
    other = curve("a", "vision", [7.0, 9.0], name="other", high=1e6)
    assert axis_range(quiet, [quiet, lively, other]) == (0, 1)
    assert axis_range(quiet, [quiet, other]) == (0.11, 0.12)


def test_times_and_numbers_in_words():
    times = [clock(x) for x in (0.0, 7.46, 59.96, 3723.0)]
    assert times == ["0:00.0", "0:07.5", "1:00.0", "1:02:03.0"]
    assert clock(59.6, digits=0) == "1:00"
    assert [signed(x) for x in (0.5, -1.25, -0.001)] == ["+0.50", "−1.25", "+0.00"]


def test_what_colours_the_words():
    first, second, third = made_up(run="runs/a").utterances
    assert valence(first) == pytest.approx(-1.25 / 3)
    assert (valence(second), valence(third)) == (None, 0.6)
    wild = dataclasses.replace(first, fused=dataclasses.replace(FUSED, score=4.0))
    assert valence(wild) == 1


def test_the_transcript_is_coloured_faded_and_says_who_speaks(recording):
    page = page_of(made_up(), recording)
    said = [each for each in page.all("p") if each.get("class", "").startswith("said")]
    assert [each["class"] for each in said] == ["said negative", "said abstains", "said positive"]
    assert [each.get("style") for each in said] == ["--strength:0.50", None, "--strength:0.60"]
    assert {each["dir"] for each in said} == {"auto"}
    faint = [each for each in page.all("span") if "opacity" in each.get("style", "")]
    assert [(each["style"], each["title"]) for each in faint] == [
        ("opacity:0.58", "probability 0.30")
    ] * 2
    assert "0:01.5 off screen Who knows?" in plain(page.text)


def test_abstentions_are_said_with_their_reason_and_are_no_number(recording):
    text = plain(page_of(made_up(), recording).text)
    assert "Words abstains: no word of the lexicon Voice calm −0.25 confidence 0.80" in text
    assert "Face abstains: no face" in text


def test_moments_link_to_their_time(recording):
    page = page_of(made_up(), recording)
    text = plain(page.text)
    assert "0:00.0–0:01.0 a smile on negative words" in text
    assert "person 1: “That’s terrible.”" in text
    times = [each["data-seek"] for each in page.all("a") if "data-seek" in each]
    assert times == ["0.000", "0.000", "1.500", "3.000"]  # the moment, then every utterance
    calm = [dataclasses.replace(each, incongruity="") for each in made_up().utterances]
    page = page_of(dataclasses.replace(made_up(), utterances=tuple(calm)), recording)
    assert "In none of 3 utterances do modalities clearly disagree." in page.text
    assert "None: a moment is listed only where" in page.text


def test_a_page_without_a_run_says_that_readings_are_training_free(recording):
    text = plain(page_of(made_up(), recording).text)
    assert "No trained model was used: these are training-free readings." in text
    assert "Coloured by what the words alone say" in text


def test_a_run_is_named_with_its_score_interval_and_contributions(recording):
    text = plain(page_of(made_up(run="runs/a"), recording).text)
    assert "training-free" not in text
    assert "predicted by the run runs/a" in text
    assert (
        "Fused score −1.25 90 % interval −2.00 to +0.50 ; positive with probability 0.12 "
        "from words −1.50 gate weight 0.50 from voice −0.25 gate weight 0.25 from face +0.50"
    ) in text.replace("+0.50;", "+0.50 ;")


def test_a_run_without_intervals_and_contributions(recording):
    bare = dataclasses.replace(
        FUSED, low=None, high=None, positive_probability=None, contributions={}
    )
    first = dataclasses.replace(made_up(run="a").utterances[0], fused=bare)
    page = page_of(dataclasses.replace(made_up(run="a"), utterances=(first,)), recording)
    assert "gatewords 0.50, voice 0.25, face 0.25" in plain(page.text)
    assert "interval −" not in page.text


def test_warnings_notice_and_what_made_it_are_on_the_page(recording):
    text = plain(page_of(made_up(), recording).text)
    assert "The last 0.2 s are damaged." in text
    assert NOTICE in text
    assert "face-landmarker" + "ab" * 32 in text


def test_sound_alone_has_an_audio_player_and_nobody_is_off_screen(recording):
    timeline = made_up()
    sound = dataclasses.replace(
        timeline,
        recording=dataclasses.replace(timeline.recording, has_video=False),
        persons=(),
        curves=timeline.curves[2:],
        utterances=tuple(dataclasses.replace(each, person=None) for each in timeline.utterances),
    )
    page = page_of(sound, recording)
    assert (len(page.all("audio")), page.all("video")) == (1, [])
    assert "no picture" in page.text
    assert "ff screen" not in page.text.replace("“", "").split("Incongruent moments")[0]
    assert [group.title for group in lane_groups(sound)] == ["Voices"]


def test_a_recording_without_anything_says_so(recording):
    empty = dataclasses.replace(made_up(), persons=(), utterances=(), curves=())
    text = plain(page_of(empty, recording).text)
    assert "No speech was found." in text
    assert "Nothing could be read from this recording: it has no speech and no face." in text


def hostile_timeline():
    timeline = made_up(run=HOSTILE)
    first = timeline.utterances[0]
    reading = dataclasses.replace(readings()["text"], reason=HOSTILE)
    utterance = dataclasses.replace(
        first,
        person=HOSTILE,
        words=(*words("so", 0.0), dataclasses.replace(first.words[0], text=HOSTILE)),
        readings={"text": reading, HOSTILE: readings(vision=0.5)["vision"]},
        incongruity=HOSTILE,
    )
    return dataclasses.replace(
        timeline,
        recording=dataclasses.replace(timeline.recording, file=HOSTILE, warnings=(HOSTILE,)),
        persons=(dataclasses.replace(timeline.persons[0], name=HOSTILE),),
        utterances=(utterance,),
        curves=(curve(HOSTILE, HOSTILE, [0.5], name=HOSTILE, unit=HOSTILE, source=HOSTILE),),
        made_by={HOSTILE: HOSTILE},
    )


def test_no_text_becomes_markup(recording):
    page = page_of(hostile_timeline(), recording)
    assert (len(page.all("script")), page.all("img")) == (2, [])
    assert page.text.count(HOSTILE) >= 10
    numbers = json.loads(page.scripts[0])
    assert list(numbers["utterances"][0]["readings"]) == ["text", HOSTILE]
    assert "<" not in page.scripts[0]
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_lone_surrogates_do_not_stop_the_page(recording):
    first = made_up().utterances[0]
    broken = dataclasses.replace(first, words=words("a\udc80", 0.0), person="person 1")
    assert "a?" in page_of(dataclasses.replace(made_up(), utterances=(broken,)), recording).text


def test_only_the_pages_own_script_may_run_and_nothing_may_be_requested(recording):
    page = page_of(made_up(), recording)
    (policy,) = (each["content"] for each in page.all("meta") if "http-equiv" in each)
    digest = hashlib.sha256(page.scripts[1].encode()).digest()
    assert f"script-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy
    addresses = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in ("src", "href") and not value.startswith(("data:", "#"))
    ]
    files = {"timeline.json", "timeline.csv", "timeline.srt", "../media/talk.webm"}
    assert set(addresses) == files


def test_the_script_draws_what_the_lanes_hold(recording):
    numbers = json.loads(page_of(made_up(run="a"), recording).scripts[0])
    assert numbers["duration"] == 4
    assert numbers["utterances"][0] == {
        "start": 0.0,
        "end": 1.0,
        "incongruent": True,
        "readings": {"text": -0.5, "audio": 0.25, "vision": 0.75},
        "fused": {"score": -1.25, "low": -2.0, "high": 0.5},
    }
    assert numbers["curves"][1]["values"] == [0.25, 0.5, 0.5, 0.75]
    assert [group["utterances"] for group in numbers["groups"]] == [[0], [2], [1]]
    assert numbers["groups"][0]["lanes"][2] == {
        "modality": "audio",
        "low": -120,
        "high": 0,
        "curve": 2,
        "shared": True,
        "readings": True,
    }


def test_marks_of_the_overview_stand_at_their_times(recording):
    page = page_of(made_up(), recording)
    marks = [each["style"] for each in page.all("i") if each.get("class") in ("moment", "spoken")]
    assert marks == [
        "left:0.000%;width:25.000%",
        "left:37.500%;width:25.000%",
        "left:75.000%;width:12.500%",
    ]


def test_colours_are_those_of_the_other_pages(recording):
    folder = recording.parent
    style = write_timeline(made_up(), recording, folder).read_text("utf-8")
    assert re.search(r"--text: #0072B2; --vision: #009E73; --audio: #D55E00;", style)
