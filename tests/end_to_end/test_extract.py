"""From a folder of labelled recordings to predictions, by way of a kill."""

import os
import signal
import subprocess
import sys

import pytest

from deadpan.cli import main

from ..recordings.sounds import labelled_clips, tone, write_wav

pytest.importorskip("av", reason="needs PyAV, of the extra video")
pytest.importorskip("swift_f0", reason="needs swift-f0, of the extra video")
CLIPS = 24


def command(folder, out, *more):
    paths = [folder / "clips", "--labels", folder / "labels.csv", "--out", folder / out]
    return ["extract", *map(str, paths), "--modalities", "audio", "--workers", "1", *more]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("open-1", "audio: 25 features per step, open-1, 12.5 steps per second"),
        (
            "glove-covarep-facet",
            "audio: 29 features per step, glove-covarep-facet, 100 steps per second",
        ),
    ],
)
def test_an_extraction_that_was_killed_goes_on_and_what_it_makes_is_trained_on(
    tmp_path, capfd, recipe, said
):
    def measuring(out):
        return command(tmp_path, out, "--recipe", recipe)

    labelled_clips(tmp_path / "clips", CLIPS)
    waits = tmp_path / "clips" / "clip13.wav"  # the 13th: eight are of the train split
    waits.unlink()
    os.mkfifo(waits)  # who opens it waits for a writer, and there is none
    process = subprocess.Popen(
        [sys.executable, "-m", "deadpan", *measuring("a")],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert any(line.startswith("42% measured") for line in process.stderr)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    cache = tmp_path / "a.cache"
    kept = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert len(kept) == 6  # five different tones, and the tag
    assert not (tmp_path / "a").exists()

    waits.unlink()
    write_wav(waits, tone(135))
    assert main(measuring("a")) == 0
    assert said in capfd.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert main(measuring("b")) == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()

    run, small = str(tmp_path / "run"), ["--model", "LFDNN", "--epochs", "2"]
    assert main(["train", "--data", str(tmp_path / "a"), *small, "--out", run]) == 0
    assert main(["evaluate", run]) == 0
    assert main(["predict", run, "--data", str(tmp_path / "b"), "--json"]) == 0
    assert capfd.readouterr().out.count('"id"') == CLIPS

    other = "glove-covarep-facet" if recipe == "open-1" else "open-1"
    assert main(command(tmp_path, "c", "--recipe", other)) == 0
    assert main(["predict", run, "--data", str(tmp_path / "c")]) == 2
    assert f"(recipe {other}, not {recipe})" in capfd.readouterr().err


def test_what_is_wrong_with_recordings_is_said_and_listed(tmp_path, capfd):
    labelled_clips(tmp_path / "clips", 6)
    (tmp_path / "clips" / "clip1.wav").write_bytes(b"")
    assert main(command(tmp_path, "a")) == 0
    told = capfd.readouterr().err
    assert "6 recordings to be measured\n" in told
    assert f"left out: {tmp_path / 'clips' / 'clip1.wav'}: is empty (0 bytes)" in told
    assert "100% measured, 0 s left" in told
    assert "warning: 1 clip could not be measured (first: 'clip1'): they were left out" in told
    failures = tmp_path / "a.failures.csv"
    assert f"{failures}: what is wrong with recordings" in told
    assert failures.read_text().startswith("id,file,left_out,reason\nclip1,")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--workers", "0"], "workers must be 1 or more; got 0"),
        (["--recipe", "open"], "unknown recipe 'open'"),
        (["--data_options.txt", "said"], "unknown option of a table of recordings 'txt'"),
    ],
)
def test_a_mistake_takes_one_line(tmp_path, capfd, more, message):
    labelled_clips(tmp_path / "clips", 3)
    assert main(command(tmp_path, "a", *more)) == 2
    told = capfd.readouterr().err
    assert told.startswith("deadpan: error: ")
    assert message in told
    assert told.count("\n") == 1
