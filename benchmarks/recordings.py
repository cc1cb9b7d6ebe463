"""What reading a recording costs: each stage alone, and the whole chain over a long file.

The recording is 640x360 at 15 frames per second, made of one clip of a face, forwards and
backwards, under a reading for LibriVox, again and again. Speed is seconds of recording per second
by the clock. Memory is the process's peak, noted each minute of the recording.

    python benchmarks/recordings.py [--minutes 10] [--out benchmarks/results/recordings]

Reads ../shared/media and the components that ``make test`` fetches.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np

from deadpan.extraction.faces import FaceLandmarker
from deadpan.extraction.media import AudioBlock, Frame, read
from deadpan.extraction.recording_reader import SIDE, RecordingReader
from deadpan.extraction.speech import SpeechDetector
from deadpan.extraction.tracks import FACE_RATE, FaceTracker
from deadpan.extraction.voice import VoiceMeter
from deadpan.extraction.words import Recognizer

ROOT = Path(__file__).resolve().parents[1]
COMPONENTS = ROOT / "data" / "components"
FACE = ROOT.parent / "shared" / "media" / "pyfeat_WolfgangLanger_Pexels.mp4"
SPEECH = ROOT / "tests" / "extraction" / "sense_and_sensibility.opus"
RATE, BLOCK = 16_000, 1024


def make_recording(path: Path, seconds: int) -> None:
    """A recording of a face and of speech."""
    images = [x.image for x in read(FACE, fps=FACE_RATE, side=640) if isinstance(x, Frame)]
    images += images[::-1]
    sound = np.concatenate(
        [x.samples for x in read(SPEECH, rate=RATE) if isinstance(x, AudioBlock)]
    )
    with av.open(path, "w") as file:
        video = file.add_stream("h264", rate=int(FACE_RATE), options={"preset": "ultrafast"})
        video.height, video.width = images[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = file.add_stream("aac", rate=RATE, layout="mono")
        for second in range(seconds):
            for k in range(second * int(FACE_RATE), (second + 1) * int(FACE_RATE)):
                frame = av.VideoFrame.from_ndarray(images[k % len(images)], "rgb24")
                file.mux(video.encode(frame))
            for start in range(second * RATE, (second + 1) * RATE, BLOCK):
                stop = min(start + BLOCK, (second + 1) * RATE)
                samples = sound[np.arange(start, stop) % len(sound)]
                block = av.AudioFrame.from_ndarray(
                    (samples[None] * 32767).astype(np.int16), "s16", "mono"
                )
                block.sample_rate, block.pts, block.time_base = RATE, start, Fraction(1, RATE)
                file.mux(audio.encode(block))
        file.mux(video.encode())
        file.mux(audio.encode())


def stages(path: Path, seconds: int) -> list[dict[str, Any]]:
    """CPU time of each stage alone, per second of recording."""
    rows = []

    def timed(stage: str, push: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        started = time.process_time()
        results = [push(item) for item in items]
        used = (time.process_time() - started) / seconds
        rows.append({"stage": stage, "cpu_per_second": used})
        return results

    items = timed(
        "decoding, scaling, resampling", lambda x: x, read(path, fps=FACE_RATE, side=SIDE)
    )
    audio = [item for item in items if isinstance(item, AudioBlock)]
    frames = [item for item in items if isinstance(item, Frame)]
    detector, recognizer = (
        SpeechDetector(COMPONENTS / "silero-vad"),
        Recognizer(COMPONENTS / "whisper-base"),
    )
    tracker = FaceTracker(FaceLandmarker(COMPONENTS / "face-landmarker"))
    windows = timed("speech or not (Silero)", detector.push, audio)
    timed("voice (pitch and 23 descriptors)", VoiceMeter().push, audio)
    speech = [*chain.from_iterable(windows), *detector.finish()]
    timed("words (Whisper base, int8)", recognizer.push, speech)
    timed("faces (15 Hz, one face)", tracker.push, frames)
    return rows


class Minutes:
    """Notes peak memory and time at each minute of a recording; a ``RecordingWatch``."""

    def __init__(self) -> None:
        self.done, self.peaks, self.times = 0.0, list[float](), list[float]()

    def begin(self, seconds: float) -> None:
        self.times.append(time.monotonic())

    def advance(self, seconds: float) -> None:
        self.done += seconds
        if self.done >= 60 * len(self.times):
            self.times.append(time.monotonic())
            self.peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def whole_chain(path: Path, seconds: int) -> dict[str, Any]:
    """The whole chain over a recording, as ``deadpan analyze`` runs it."""
    reader, watch = RecordingReader(COMPONENTS), Minutes()
    started, used = time.monotonic(), time.process_time()
    result = reader.read(path, watch=watch)
    took, used = time.monotonic() - started, time.process_time() - used
    minutes = np.diff(watch.times)
    return {
        "minutes": seconds / 60,
        "speed": seconds / took,
        "cpu_per_second": used / seconds,
        "words": len(result.words),
        "faces_found": float(result.tracks[0].sequence.present.sum() / (seconds * FACE_RATE)),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "growth_after_minute_2_mb": watch.peaks[-1] - watch.peaks[1] if len(minutes) > 2 else None,
        "first_minute_seconds": float(minutes[0]) if len(minutes) else None,
        "last_minute_seconds": float(minutes[-1]) if len(minutes) else None,
    }


def text(facts: dict[str, str], whole: dict[str, Any], each: list[dict[str, Any]]) -> str:
    """The results as Markdown."""
    from workloads.reporting import table

    number = {name: f"{x:,.2f}" for name, x in whole.items() if isinstance(x, float)}
    rows = [
        ("times real time", number["speed"]),
        ("CPU seconds a second", number["cpu_per_second"]),
        ("share of steps with the face", number["faces_found"]),
        ("peak memory, MB", number["peak_mb"]),
        ("growth after minute 2, MB", number.get("growth_after_minute_2_mb", "")),
        ("first minute, s", number.get("first_minute_seconds", "")),
        ("last minute, s", number.get("last_minute_seconds", "")),
    ]
    return "\n".join(
        [
            "# Reading a recording",
            "",
            f"640x360, 15 frames per second, one face, speech throughout; {facts['machine']}; "
            f"commit {facts['commit']}. `python benchmarks/recordings.py --minutes "
            f"{whole['minutes']:g}`",
            "",
            *table((f"{whole['minutes']:g} minutes, whole chain", ""), rows),
            "",
            *table(
                ("stage alone, 60 s", "CPU seconds a second"),
                [(row["stage"], f"{row['cpu_per_second']:.3f}") for row in each],
            ),
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if not FACE.exists():
        print(f"needs {FACE}, which is not there: nothing was measured")
        return
    seconds = 60 * arguments.minutes
    # A process of its own: this one has torch, which reading does not need.
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(1) as p:
        long, short = Path(folder) / "long.mp4", Path(folder) / "short.mp4"
        make_recording(long, seconds)
        make_recording(short, 60)
        whole = p.apply(whole_chain, (long, seconds))
        each = p.apply(stages, (short, 60))
    from workloads.reporting import about, keep

    facts = about()
    shown = text(facts, whole, each)
    print(shown)
    keep(arguments.out, {**facts, "chain": whole, "stages": each}, shown)


if __name__ == "__main__":
    main()
