"""What reading recordings costs: a long file, many short clips, and each stage alone.

Recordings are 640x360 at 15 frames per second, made of one clip of a face, forwards and backwards,
under a reading for LibriVox, again and again. Speed is seconds of recording per second by the
clock; CPU seconds per second of recording count all threads and processes, and do not depend on
what else the machine does. Models are loaded within the time of the clips, once for all of them.

    python benchmarks/recordings.py [--minutes 60] [--out benchmarks/results/recordings]

Reads ../shared/media and the components that ``make test`` fetches.
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from itertools import chain
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import av
import numpy as np

from deadpan import api
from deadpan.extraction.faces import FaceLandmarker
from deadpan.extraction.measuring import METERS, Models, measure_recording
from deadpan.extraction.media import AudioBlock, Frame, read
from deadpan.extraction.recipes import AUDIO, VISION
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
CLIPS, CLIP_SECONDS = 60, 4
WORKERS = 2
SHORT_MINUTES = 5


def make_recordings(seconds_by_path: dict[Path, int]) -> None:
    """Recordings of a face and of speech, each of which begins where the one before ends."""
    images = [x.image for x in read(FACE, fps=FACE_RATE, side=640) if isinstance(x, Frame)]
    images += images[::-1]
    sound = np.concatenate(
        [x.samples for x in read(SPEECH, rate=RATE) if isinstance(x, AudioBlock)]
    )
    first = 0
    for path, seconds in seconds_by_path.items():
        _write(path, images, sound, range(first, first + seconds))
        first += seconds


def _write(path: Path, images: list[np.ndarray], sound: np.ndarray, seconds: range) -> None:
    """Write some seconds of the images and of the sound, which repeat themselves."""
    fps = int(FACE_RATE)
    with av.open(path, "w") as file:
        video = file.add_stream("h264", rate=fps, options={"preset": "ultrafast"})
        video.height, video.width = images[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = file.add_stream("aac", rate=RATE, layout="mono")
        for second in seconds:
            for k in range(second * fps, (second + 1) * fps):
                frame = av.VideoFrame.from_ndarray(images[k % len(images)], "rgb24")
                file.mux(video.encode(frame))
            for start in range(second * RATE, (second + 1) * RATE, BLOCK):
                stop = min(start + BLOCK, (second + 1) * RATE)
                samples = sound[np.arange(start, stop) % len(sound)]
                block = av.AudioFrame.from_ndarray(
                    (samples[None] * 32767).astype(np.int16), "s16", "mono"
                )
                block.pts, block.time_base = start - seconds[0] * RATE, Fraction(1, RATE)
                block.sample_rate = RATE
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
    """Notes memory and time at each minute of a recording; a ``RecordingWatch``."""

    def __init__(self) -> None:
        self.done, self.peaks = 0.0, list[float]()
        self.clock, self.cpu = list[float](), list[float]()

    def begin(self, seconds: float) -> None:
        self._note()

    def advance(self, seconds: float) -> None:
        self.done += seconds
        if self.done >= 60 * len(self.clock):
            self.peaks.append(peak_since())
            self._note()

    def _note(self) -> None:
        self.clock.append(time.monotonic())
        self.cpu.append(time.process_time())


def peak_since() -> float:
    """Largest memory of this process, in MB, since this was last called; Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return int(kilobytes) / 1024


def whole_chain(path: Path, seconds: int) -> dict[str, Any]:
    """The whole chain over a recording, as ``deadpan analyze`` runs it."""
    reader, watch = RecordingReader(COMPONENTS), Minutes()
    loading = peak_since()
    started, used = time.monotonic(), time.process_time()
    result = reader.read(path, watch=watch)
    took, used = time.monotonic() - started, time.process_time() - used
    clock, cpu = np.diff(watch.clock), np.diff(watch.cpu)
    few = max(1, min(10, len(clock) // 2))
    return {
        "minutes": seconds / 60,
        "speed": seconds / took,
        "cpu_per_second": used / seconds,
        "words": len(result.words),
        "faces_found": float(result.tracks[0].sequence.present.sum() / (seconds * FACE_RATE)),
        "peak_mb": max(loading, peak_since(), *watch.peaks),
        "growth_after_minute_2_mb": max(watch.peaks[2:]) - watch.peaks[1]
        if len(watch.peaks) > 2
        else None,
        "compared_minutes": few,
        "first_minutes": _per_second(clock[:few], cpu[:few]),
        "last_minutes": _per_second(clock[-few:], cpu[-few:]),
        "peak_mb_by_minute": watch.peaks,
        "seconds_by_minute": clock.tolist(),
        "cpu_seconds_by_minute": cpu.tolist(),
    }


def _per_second(clock: np.ndarray, cpu: np.ndarray) -> dict[str, float]:
    """Means over some minutes."""
    return {"speed": 60 / float(clock.mean()), "cpu_per_second": float(cpu.mean()) / 60}


def measured(seconds: int, work: Callable[[], Any]) -> dict[str, Any]:
    """Speed and CPU time of work on some seconds of recordings, by this process and others."""
    started, used = time.monotonic(), _cpu()
    work()
    took = time.monotonic() - started
    # The server that the workers were forked from has their CPU time, and it counts once it ended.
    forkserver._forkserver._stop()
    return {"speed": seconds / took, "cpu_per_second": (_cpu() - used) / seconds}


def _cpu() -> float:
    each = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in each)


def unheard(path: Path, seconds: int) -> dict[str, Any]:
    """A recording without recognition, as a worker of ``deadpan extract`` measures it."""
    models = Models(COMPONENTS)
    return measured(seconds, lambda: measure_recording(path, METERS["open-1"], models))


def analyzed(paths: list[Path], out: Path) -> dict[str, Any]:
    """Clips by ``deadpan analyze``, with their pages."""
    work = lambda: api.analyze(paths, out=out, components=COMPONENTS)  # noqa: E731
    return measured(len(paths) * CLIP_SECONDS, work)


def extracted(folder: Path, count: int, out: Path, modalities: str) -> dict[str, Any]:
    """Clips by ``deadpan extract``."""
    labels = folder / "labels.csv"
    rows = [f"clip{k},{(-1) ** k},{'train' if k % 4 else 'test'}" for k in range(count)]
    labels.write_text("\n".join(["id,label,split", *rows]) + "\n")

    def work() -> None:
        api.extract(
            folder,
            labels=labels,
            out=out,
            modalities=modalities,
            workers=WORKERS,
            components=COMPONENTS,
        )

    return measured(count * CLIP_SECONDS, work)


def text(
    facts: dict[str, Any],
    whole: dict[str, Any],
    cases: list[dict[str, Any]],
    each: list[dict[str, Any]],
) -> str:
    """The results as Markdown."""
    from workloads.reporting import table

    minutes, few = f"{whole['minutes']:g} minutes", whole["compared_minutes"]
    growth = whole["growth_after_minute_2_mb"]
    return "\n".join(
        [
            "# Reading recordings",
            "",
            f"640x360, 15 frames per second, one face, speech throughout; {facts['machine']}; load "
            f"{facts['load']} before and after; commit {facts['commit']}. "
            f"`python benchmarks/recordings.py --minutes {whole['minutes']:g}`",
            "",
            *table(
                ("recordings", "times real time", "CPU seconds a second"),
                [
                    (row["case"], f"{row['speed']:.2f}", f"{row['cpu_per_second']:.3f}")
                    for row in [{"case": f"{minutes}, whole chain", **whole}, *cases]
                ],
            ),
            "",
            *table(
                (f"{minutes}, whole chain", ""),
                [
                    ("share of steps with the face", f"{whole['faces_found']:.4f}"),
                    ("peak memory, MB", f"{whole['peak_mb']:.0f}"),
                    (
                        "highest peak of a minute after minute 2 over that of minute 2, MB",
                        "" if growth is None else f"{growth:.1f}",
                    ),
                    *(
                        (f"{name} {few} minutes, {title}", f"{whole[f'{name}_minutes'][key]:.3f}")
                        for key, title in (
                            ("speed", "times real time"),
                            ("cpu_per_second", "CPU seconds a second"),
                        )
                        for name in ("first", "last")
                    ),
                ],
            ),
            "",
            *table(
                (f"stage alone, {SHORT_MINUTES} minutes", "CPU seconds a second"),
                [(row["stage"], f"{row['cpu_per_second']:.3f}") for row in each],
            ),
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=60, help="of the long recording")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if not FACE.exists():
        print(f"needs {FACE}, which is not there: nothing was measured")
        return
    seconds, load = 60 * arguments.minutes, os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        long, short, clips = (Path(folder) / name for name in ("long.mp4", "short.mp4", "clips"))
        clips.mkdir()
        paths = [clips / f"clip{k}.mp4" for k in range(CLIPS)]
        make_recordings({long: seconds})
        make_recordings({short: 60 * SHORT_MINUTES})
        make_recordings(dict.fromkeys(paths, CLIP_SECONDS))
        stores = Path(folder) / "all.safetensors", Path(folder) / "unheard.safetensors"
        names = f"{CLIPS} clips of {CLIP_SECONDS} s"
        fewer = f"{SHORT_MINUTES} minutes without recognition, in one thread"
        # A process of its own for each: this one has torch, which reading does not need.
        cases = [
            {"case": case, **_apart(work, *inputs)}
            for case, work, inputs in (
                (f"{names}, analyze", analyzed, (paths, Path(folder) / "pages")),
                (f"{names}, extract", extracted, (clips, CLIPS, stores[0], "")),
                (
                    f"{names}, extract without recognition",
                    extracted,
                    (clips, CLIPS, stores[1], f"{AUDIO},{VISION}"),
                ),
                (fewer, unheard, (short, 60 * SHORT_MINUTES)),
            )
        ]
        whole = _apart(whole_chain, long, seconds)
        each = _apart(stages, short, 60 * SHORT_MINUTES)
    from workloads.reporting import about, keep

    facts = {**about(), "load": f"{load[0]:.1f} and {os.getloadavg()[0]:.1f}"}
    shown = text(facts, whole, cases, each)
    print(shown)
    keep(arguments.out, {**facts, "chain": whole, "cases": cases, "stages": each}, shown)


def _apart(work: Callable[..., Any], *inputs: Any) -> Any:
    """What a function returns that a new process calls."""
    # Not a ``Pool``, whose processes may not have workers of their own.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        return executor.submit(work, *inputs).result()


if __name__ == "__main__":
    main()
