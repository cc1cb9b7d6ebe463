import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.studio.analyses import AnalysisFolder, plain_name, safe_file
from deadpan.studio.signatures import is_media


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("talk.mp4", "talk.mp4"),
        ("My talk, 2nd part.MP4", "My_talk_2nd_part.mp4"),
        ("../../etc/passwd", "etc_passwd"),
        ("a/../b.wav", "a_b.wav"),
        ("<script>alert(1)</script>.webm", "script_alert_1_script.webm"),
        ("Gespräch-1.m4a", "Gespräch-1.m4a"),
        ("...", "recording"),
        ("", "recording"),
    ],
)
def test_a_file_is_named_after_its_recording(name, file):
    assert safe_file(name) == file


@given(st.text())
def test_no_name_leads_out_of_a_folder(name):
    file = safe_file(name)
    assert not {*"/\\\0:"} & {*file}
    assert file[0] not in ".-"
    assert len(file.encode()) < 200
    assert safe_file(file) == file
    assert plain_name(name).isprintable()


def send(folder, name="talk.wav"):
    upload = folder.upload(name)
    upload.write(b"RIFF")
    return upload.finish()


def test_what_is_on_disk_is_whole_or_not_there(tmp_path):
    folder = AnalysisFolder(tmp_path / "analyses")
    first, second = send(folder, "a.wav"), send(folder, "b.wav")
    half = folder.upload("half.wav")
    half.write(b"RIFF")  # and the studio is killed
    folder.path.joinpath(f".{'0' * 16}.removed").mkdir()
    assert len([*folder.path.iterdir()]) == 4
    assert AnalysisFolder(folder.path).load() == [first, second]
    assert len([*folder.path.iterdir()]) == 2
    assert folder.recording(first).read_bytes() == b"RIFF"
    half.abandon()
    folder.remove(first)
    assert folder.load() == [second]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"id": "f"}', json.dumps({"file": "../../secret"}), "nonsense"]
)
def test_a_damaged_analysis_is_listed_as_failed(tmp_path, content):
    folder = AnalysisFolder(tmp_path)
    analysis = send(folder)
    whole = json.loads((tmp_path / analysis.id / "job.json").read_text())
    if content.startswith("{"):
        content = json.dumps(whole | json.loads(content))
    (tmp_path / analysis.id / "job.json").write_text(content)
    (loaded,) = folder.load()
    assert (loaded.id, loaded.state) == (analysis.id, "failed")
    assert "; remove the analysis" in loaded.error


@pytest.mark.parametrize(
    ("start", "media"),
    [
        (b"\x00\x00\x00\x20ftypisom", True),
        (b"RIFF....WAVE", True),
        (b"\x1a\x45\xdf\xa3", True),
        (b"G" + bytes(187) + b"G", True),
        (b"\xff\xfb\x90", True),
        (b"PK\x03\x04", False),
        (b"\x1f\x8b\x08", False),
        (b"<html>", False),
        (b"GIF89a", False),
        (b"\xff\xff\xff\xff", False),
        (b"#!/bin/sh", False),
        (bytes(64), False),
        (b"", False),
    ],
)
def test_a_recording_is_told_by_how_it_begins(start, media):
    assert is_media(start) is media
