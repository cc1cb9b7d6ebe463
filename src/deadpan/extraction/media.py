"""Media files read as video frames and audio blocks on one clock, in bounded memory.

PyAV decodes; what it leaves to its caller is done here: it applies neither the display matrix nor
the sample aspect ratio, sums channels beyond full scale, and ends silently where a file is cut off.
"""

import dataclasses
import heapq
import itertools
import math
import struct
import types
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from deadpan.errors import DataError, DeadpanError, count_of, os_failure

Av = Any
"""An object of PyAV, which is not imported before it is needed."""

RATE = 16_000
"""Samples per second of the audio that is measured: what the models of speech and pitch read."""
GAP = Fraction(1, 20)
"""Seconds by which audio's timestamps may differ from its count of samples before they decide."""
SHORTFALL = Fraction(1, 4)
"""Seconds that may lack at the end, besides a frame: headers round, and encoders pad."""
WIDEST_PIXEL = 16
"""Pixels that a header makes wider than this, or higher, count as square: the header errs."""
ESTIMATED = {"aac", "ac3", "amr", "dts", "eac3", "h264", "hevc", "m4v", "mp3", "mpegvideo"}
"""Formats whose duration FFmpeg estimates from the bit rate where no header states it."""
ANSI_ART = "tty"
"""The format as which FFmpeg would draw a text file."""
HOLLOW = "nothing in it can be decoded; copy it again, or convert it"
BOXES = {b"ftyp", b"mdat", b"wide", b"free", b"skip"}
"""What an MP4 or MOV file can begin with, apart from its moov atom."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoTrack:
    """What a file's header states of its video.

    Attributes:
        width: pixels as shown, after rotation and with square pixels.
        height: likewise.
        fps: mean frames per second; None where the header states none.
        start: seconds from the file's start.
    """

    width: int
    height: int
    fps: float | None
    start: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class AudioTrack:
    """What a file's header states of its audio.

    Attributes:
        rate: samples per second.
        channels: how many.
        start: seconds from the file's start.
    """

    rate: int
    channels: int
    start: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recording:
    """What a media file holds.

    Attributes:
        duration: seconds from the file's start to the end of its last stream.
        video: None where there is none.
        audio: None where there is none.
    """

    duration: float
    video: VideoTrack | None
    audio: AudioTrack | None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """A video frame as shown: upright, with square pixels.

    Attributes:
        time: seconds from the file's start.
        image: RGB in [0, 255].
    """

    time: float
    image: UInt8[np.ndarray, "height width 3"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AudioBlock:
    """Consecutive audio samples of one channel.

    Attributes:
        time: seconds from the file's start to the first sample.
        samples: in [-1, 1].
    """

    time: float
    samples: Float32[np.ndarray, " sample"]


def probe(path: str | Path) -> Recording:
    """Describe a media file; one without a duration in its header is read through, not decoded.

    Raises:
        DataError: it cannot be opened, or holds neither video nor audio.
        DeadpanError: PyAV is not installed.
    """
    path = Path(path)
    with _open(path) as container:
        video, audio = _streams(path, container)
        origin = _origin(container)
        # Only a decoded frame tells how it is to be rotated.
        frame = next(_decoded(container, video, Counter()), None) if video else None
        if frame is None and audio is None:
            raise DataError(f"{path}: {HOLLOW}")
        end = _header_end(container)
        return Recording(
            duration=float(_last_end(path) - origin if end is None else end - origin),
            video=frame and _video_track(video, frame, origin),
            audio=audio
            and AudioTrack(
                rate=audio.codec_context.sample_rate,
                channels=audio.codec_context.channels,
                start=float(_start(audio) - origin),
            ),
        )


def read(
    path: str | Path, *, rate: int = RATE, fps: int | float | None = None, side: int | None = None
) -> "MediaReader":
    """Read a media file from start to end: frames and audio blocks in order of time.

    A file without video has no frames, one without audio no blocks.

    Args:
        path: of the file.
        rate: samples per second of the audio; its channels are mixed into one.
        fps: at most so many frames per second: the first frame in each interval from ``k / fps`` to
            ``(k + 1) / fps`` seconds, at its own time. None: every frame.
        side: frames are reduced to at most so many pixels on their longer side. None: no limit.

    Raises:
        DataError: the file cannot be opened, holds neither video nor audio, or an argument is out
            of range.
        DeadpanError: PyAV is not installed.
    """
    for name, value in {"rate": rate, "fps": fps, "side": side}.items():
        if value is not None and not 0 < value < math.inf:
            raise DataError(f"{name} must be a positive number; got {value}")
    return MediaReader(Path(path), rate=rate, fps=None if fps is None else Fraction(fps), side=side)


class MediaReader(Iterator[Frame | AudioBlock]):
    """Frames and audio blocks of one file in order of time; see :func:`read`.

    At most one frame and one block wait for their turn, however long the file is. A block begins
    where the one before it ends, except after a gap in the recording. Frames differ in size if
    the file's own do. Leaving a ``with`` block, or the last item, closes the file.

    Attributes:
        warnings: sentences on what was cut off, damaged or left out; complete after the last item.

    Raises:
        DataError: (in place of the first item) nothing in the file can be decoded.
    """

    def __init__(self, path: Path, *, rate: int, fps: Fraction | None, side: int | None) -> None:
        self.warnings: list[str] = []
        with ExitStack() as files:
            # Each stream is read from the file by itself: with one demuxer for both, all that lies
            # between what belongs together would have to be held, at worst the whole file.
            video, audio = (
                _Track(path, files.enter_context(_open(path)), kind, self.warnings)
                for kind in ("video", "audio")
            )
            items = heapq.merge(
                _frames(video, fps, side), _blocks(audio, rate), key=lambda item: item.time
            )
            self._files = files.pop_all()
        self._items = self._until_the_end(path, items, [video, audio])

    def _until_the_end(
        self, path: Path, items: Iterator[Frame | AudioBlock], tracks: list["_Track"]
    ) -> Generator[Frame | AudioBlock, None, None]:
        """The items; and after the last one, what there is to say."""
        empty = True
        with self._files:
            for item in items:
                empty = False
                yield item
            _check_ends([track for track in tracks if track.stream is not None])
        if empty:
            raise DataError(f"{path}: {HOLLOW}")

    def __next__(self) -> Frame | AudioBlock:
        """The next frame or block."""
        return next(self._items)

    def close(self) -> None:
        """Close the file; no item comes any more."""
        self._items.close()
        self._files.close()  # also where no item was asked for yet

    def __enter__(self) -> "MediaReader":
        """The reading itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()


class _Track:
    """One stream of a file of its own: its decoded frames on the file's clock.

    Attributes:
        container: the open file.
        stream: None where the file has none of this kind that can be decoded.
        late: frames left out so far because their times go back.
        damage: reasons for which frames so far could not be decoded or converted, and how many.
        end: seconds from the file's start to the end of the last frame so far.
    """

    def __init__(self, path: Path, container: Av, kind: str, warnings: list[str]) -> None:
        video, audio = _streams(path, container)
        self.stream = video if kind == "video" else audio
        self.late, self.damage, self.end = 0, Counter[str](), Fraction(0)
        self.container, self._origin = container, _origin(container)
        self._path, self._kind, self._warnings = path, kind, warnings
        for stream in container.streams:
            if stream is not self.stream:
                stream.discard = _av().stream.Discard.all
        if self.stream is None and not all(map(_is_picture, getattr(container.streams, kind))):
            self._warn(f"its {kind} is of a codec that cannot be decoded; convert it")

    def frames(self) -> Iterator[tuple[Fraction, Av]]:
        """Each decoded frame after its time in seconds; times only grow."""
        if self.stream is None:
            return
        previous = None
        for frame in _decoded(self.container, self.stream, self.damage):
            stamp = frame.dts if frame.pts is None else frame.pts
            time = self.end if stamp is None else stamp * frame.time_base - self._origin
            if previous is not None and time <= previous:
                self.late += 1
                continue
            yield time, frame
            previous, self.end = time, time + _length(frame, self.stream)
        if self.late:
            self._warn(
                f"left out {count_of(self.late, f'{self._kind} frame')}: their times go back"
            )
        if self.damage:
            places, reason = count_of(self.damage.total(), "place"), next(iter(self.damage))
            self._warn(f"its {self._kind} is damaged in {places} ({reason}); copy the file again")

    def check_end(self, stated: Fraction, what: str) -> None:
        """Warn if what was decoded ends before the timestamp that a header states."""
        stated -= self._origin
        if stated > self.end + SHORTFALL + _frame_length(self.stream):
            self._warn(
                f"{what} ends after {float(self.end):.2f} of the {float(stated):.2f} s that its "
                "header promises; copy it again"
            )

    def _warn(self, text: str) -> None:
        self._warnings.append(f"{self._path}: {text}")


def _check_ends(tracks: list[_Track]) -> None:
    """Compare the ends of what was decoded with the header's, which FFmpeg leaves to its caller."""
    container = tracks[0].container
    if _is_estimated(container):
        return
    ends = {track: _stream_end(track.stream) for track in tracks}
    for track, end in ends.items():
        if end is not None:
            track.check_end(end, f"its {track.stream.type}")
    end = _header_end(container)
    if end is not None and set(ends.values()) == {None}:
        max(tracks, key=lambda track: track.end).check_end(end, "it")


def _frames(track: _Track, fps: Fraction | None, side: int | None) -> Iterator[Frame]:
    """The video's frames as shown, thinned to ``fps`` and reduced to ``side``."""
    stream = track.stream
    if stream is None:
        return
    scaler, aspect = _av().video.reformatter.VideoReformatter(), _pixel_aspect(stream)
    # A time may have been rounded to the unit of timestamps, which must not put it into the
    # interval before its own: 133 ms for the second frame at 15 per second.
    rounding, previous = stream.time_base / 2, None
    for time, frame in track.frames():
        if fps is not None:
            interval = math.floor((time + rounding) * fps)
            if interval == previous:
                continue
            previous = interval
        try:
            image = _image(frame, scaler, aspect, side)
        except _av().error.FFmpegError as reason:
            track.damage[reason.strerror] += 1
            continue
        yield Frame(time=float(time), image=image)


def _image(
    frame: Av,
    scaler: Av,
    aspect: Fraction,
    side: int | None,
) -> UInt8[np.ndarray, "height width 3"]:
    """A decoded frame as RGB, upright, with square pixels."""
    how = _av().video.reformatter.Interpolation
    width, height = frame.width * aspect, Fraction(frame.height)
    scale = min(Fraction(1), side / max(width, height)) if side else 1
    scaled = scaler.reformat(
        frame,
        max(1, round(width * scale)),
        max(1, round(height * scale)),
        "rgb24",
        # The last three make the same pixels on every processor.
        interpolation=how.BILINEAR | how.ACCURATE_RND | how.FULL_CHR_H_INT | how.BITEXACT,
        threads=1,
    )
    image = scaled.to_ndarray()
    transposed, rows, columns = _orientation(frame)
    if transposed:
        image = image.transpose(1, 0, 2)
    return np.ascontiguousarray(image[:: -1 if rows else 1, :: -1 if columns else 1])


def _orientation(frame: Av) -> tuple[bool, bool, bool]:
    """Whether to transpose a frame, then to reverse its rows, then its columns, to show it.

    A display matrix (ISO/IEC 14496-12, 6.2.2) has x' = a x + c y and y' = b x + d y.
    """
    try:
        # `frame.side_data` is the same, but frame and mapping then hold each other, and wait for
        # the garbage collector: 80 MB of them at 640 x 360, 390 MB in 10 s of 1920 x 1080.
        matrix = _av().sidedata.sidedata.SideDataContainer(frame).get("DISPLAYMATRIX")
    except ValueError:  # PyAV lists no side data at all where it does not know one kind of them
        angle = math.radians(frame.rotation)
        a, b, c, d = math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)
    else:
        if matrix is None:
            return False, False, False
        a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix))
    return (True, b < 0, c < 0) if abs(b) > abs(a) else (False, d < 0, a < 0)


def _pixel_aspect(stream: Av) -> Fraction:
    """Width of a pixel over its height; 1 where a header states none, or an absurd one."""
    aspect = stream.sample_aspect_ratio
    return aspect if aspect and 1 <= WIDEST_PIXEL * aspect <= WIDEST_PIXEL**2 else Fraction(1)


class _Segment:
    """Consecutive samples of one format, resampled.

    Attributes:
        format: name of the samples' format, of the channels' layout, and the rate, of the input.
        end: seconds from the file's start to the sample after the last one.
    """

    def __init__(
        self, format: tuple[str, str, int], start: Fraction, rate: int, damage: Counter[str]
    ) -> None:
        self.format, self.end = format, start
        self._damage = damage
        self._start, self._rate, self._count = start, rate, 0
        # Without the option, channels are added up beyond full scale: 1.41 for a voice in the
        # middle of a stereo recording.
        self._resampler = _av().AudioResampler(
            "flt", "mono", rate, options={"rematrix_maxval": "1"}
        )

    def blocks(self, frame: Av) -> Iterator[AudioBlock]:
        """What comes out for a frame that goes in; for None, the rest."""
        if frame is not None:
            self.end += Fraction(frame.samples, frame.sample_rate)
        try:
            converted = self._resampler.resample(frame)
        except _av().error.FFmpegError as reason:
            self._damage[reason.strerror] += 1
            return
        for resampled in converted:
            if resampled is not None and resampled.samples:
                time = self._start + Fraction(self._count, self._rate)
                self._count += resampled.samples
                samples = resampled.to_ndarray()[0]
                # Files of floats go beyond full scale, and some hold NaN.
                samples = np.nan_to_num(samples, posinf=1, neginf=-1).clip(-1, 1)
                yield AudioBlock(time=float(time), samples=samples)


def _blocks(track: _Track, rate: int) -> Iterator[AudioBlock]:
    """The audio as blocks of one channel at ``rate``, timed by counting samples between gaps."""
    segment = None
    for time, frame in track.frames():
        format = (frame.format.name, frame.layout.name, frame.sample_rate)
        if segment and time < segment.end - GAP:
            track.late += 1
            continue
        if segment is None or segment.format != format or time > segment.end + GAP:
            start = time
            if segment:
                yield from segment.blocks(None)
                start = max(time, segment.end)
            segment = _Segment(format, start, rate, track.damage)
        yield from segment.blocks(frame)
    if segment:
        yield from segment.blocks(None)


def _av() -> types.ModuleType:
    """PyAV."""
    try:
        import av
    except ImportError:
        raise DeadpanError(
            "reading recordings needs av; run: pip install 'deadpan[video]'"
        ) from None
    return av


def _open(path: Path) -> Av:
    """Open a media file."""
    av = _av()
    try:
        if not path.exists():
            raise DataError(f"{path}: is not there; check the path")
        if not path.is_file():
            kind = "a directory" if path.is_dir() else "no regular file"
            raise DataError(f"{path}: is {kind}; give a media file")
        with path.open("rb") as file:
            if not file.read(1):
                raise DataError(f"{path}: is empty (0 bytes); copy or record it again")
        container = av.open(
            f"file:{path}",  # no name is an address then, and FFmpeg opens nothing but files
            metadata_errors="replace",  # a title that is not UTF-8 is no reason to refuse a file
        )
    except av.error.FFmpegError:
        raise DataError(f"{path}: {_unreadable(path)}") from None
    except OSError as error:
        raise DataError(os_failure(error)) from None
    if container.format.name == ANSI_ART or not len(container.streams):
        container.close()
        raise DataError(f"{path}: {_unreadable(path)}")
    return container


def _unreadable(path: Path) -> str:
    """Why a file is no media file, and what to do."""
    with path.open("rb") as file:
        start = file.read(4096)
    if min(start) >= ord("\t"):  # media files have zeros within their first bytes
        return "is text and no media file, whatever its name; give the recording itself"
    if start[4:8] in BOXES and not _has_moov(path):
        return (
            "has no moov atom, or only part of one; this index of an MP4 file is written last, so "
            "recording or copying was cut off; copy it again, or repair it with untrunc"
        )
    return "holds no video and no audio that can be read; wanted MP4, MOV, MKV, WebM, AVI, WAV, MP3"


def _has_moov(path: Path) -> bool:
    """Whether an MP4 or MOV file has a whole moov atom; see ISO/IEC 14496-12, 4.2, on boxes."""
    with path.open("rb") as file:
        while len(header := file.read(16)) >= 8:
            size, kind = struct.unpack(">I4s", header[:8])
            if size == 1 and len(header) == 16:
                size = int.from_bytes(header[8:])
            end = file.tell() - len(header) + size
            if kind == b"moov":
                return end <= path.stat().st_size
            if size < 8:  # 0: the box extends to the end of the file
                return False
            file.seek(end)
    return False


def _streams(path: Path, container: Av) -> tuple[Av, Av]:
    """The video and the audio stream to read, None for what is absent or cannot be decoded."""
    chosen = []
    for kind in ("video", "audio"):
        streams = [
            stream
            for stream in getattr(container.streams, kind)
            if stream.codec_context is not None and not _is_picture(stream)
        ]
        best = container.streams.best(kind)
        chosen.append(best if best in streams else next(iter(streams), None))
    if chosen == [None, None]:
        kinds = ", ".join(sorted({stream.type for stream in container.streams}))
        raise DataError(
            f"{path}: holds no video and no audio that can be decoded, only streams of {kinds}; "
            "give another file, or convert it"
        )
    return chosen[0], chosen[1]


def _is_picture(stream: Av) -> bool:
    """Whether a stream of video is a cover or a thumbnail."""
    kinds = _av().stream.Disposition
    return bool(stream.disposition & (kinds.attached_pic | kinds.timed_thumbnails))


def _decoded(container: Av, stream: Av, damage: Counter[str]) -> Iterator[Av]:
    """Decode a stream to its end, or to where the file is broken off.

    Args:
        container: the open file.
        stream: of it.
        damage: counts the packets that cannot be decoded, by reason.
    """
    for packet in itertools.chain(_packets(container, stream, damage), [None]):
        try:
            frames = stream.decode(packet)  # None flushes the decoder
        except EOFError:  # flushed before
            continue
        except _av().error.FFmpegError as reason:
            damage[reason.strerror] += 1
            continue
        yield from frames


def _packets(container: Av, streams: Av, damage: Counter[str]) -> Iterator[Av]:
    """Packets of one stream or a list of them, to where the file ends or is broken off."""
    try:
        yield from container.demux(streams)
    except _av().error.FFmpegError as reason:
        damage[reason.strerror] += 1
    except IndexError:
        # All packets have come, but PyAV flushes its streams, and a transport stream has gained
        # one on the way that PyAV does not have.
        pass


def _start(stream: Av) -> Fraction:
    """First timestamp of a stream in seconds; 0 where its header states none."""
    return (stream.start_time or 0) * stream.time_base


def _origin(container: Av) -> Fraction:
    """Timestamp of the file's start in seconds: that of the first stream of video or audio."""
    streams = (*container.streams.video, *container.streams.audio)
    starts = [_start(stream) for stream in streams if not _is_picture(stream)]
    # Below 0 lies only what an encoder puts before the first sample, and decoders drop.
    return max(Fraction(0), min(starts))


def _stream_end(stream: Av) -> Fraction | None:
    """Timestamp of a stream's end in seconds; None where the header does not state it."""
    if stream.duration is None:
        return None
    return _start(stream) + stream.duration * stream.time_base


def _is_estimated(container: Av) -> bool:
    """Whether FFmpeg estimates durations: twice too long where a recording begins in silence."""
    return not ESTIMATED.isdisjoint(container.format.name.split(","))


def _header_end(container: Av) -> Fraction | None:
    """Timestamp of the file's end in seconds; None where the header does not state it."""
    if container.duration is None or _is_estimated(container):
        return None
    duration = Fraction(container.duration, _av().time_base)
    if all(stream.duration is None for stream in container.streams):
        return duration  # Matroska counts from timestamp 0, not from the first stream's start
    return Fraction(container.start_time or 0, _av().time_base) + duration


def _last_end(path: Path) -> Fraction:
    """Timestamp of the file's end in seconds, found by reading through it."""
    with _open(path) as container:
        streams = [stream for stream in _streams(path, container) if stream]
        end = Fraction(0)
        for packet in _packets(container, streams, Counter()):
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
        return end


def _length(frame: Av, stream: Av) -> Fraction:
    """Duration of a frame in seconds."""
    if stream.type == "audio":
        return Fraction(frame.samples, frame.sample_rate)
    return frame.duration * frame.time_base or _frame_length(stream)


def _frame_length(stream: Av) -> Fraction:
    """Mean duration of a frame of video in seconds; 0 where it is unknown, and for audio."""
    rate = stream.average_rate if stream.type == "video" else None
    return 1 / rate if rate else Fraction(0)


def _video_track(stream: Av, frame: Av, origin: Fraction) -> VideoTrack:
    """Describe a stream of video by its header and its first frame."""
    size = (max(1, round(frame.width * _pixel_aspect(stream))), frame.height)
    width, height = size[::-1] if _orientation(frame)[0] else size
    return VideoTrack(
        width=width,
        height=height,
        fps=float(stream.average_rate) if stream.average_rate else None,
        start=float(_start(stream) - origin),
    )
