"""The overlay clip: a recording with its faces boxed, their mouths marked, and who speaks named."""

import bisect
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from deadpan.errors import DeadpanError, os_failure
from deadpan.extraction.media import AudioBlock, Frame, read
from deadpan.extraction.recording_reader import RecordingWatch
from deadpan.extraction.timeline import Timeline, TimelineUtterance
from deadpan.extraction.tracks import ROUNDED, FaceTrack
from deadpan.files import remove_leftovers, temporary_path

OVERLAY = "overlay.mp4"
CODECS = ("libx264", "libopenh264", "mpeg4")
"""Encoders of video, of which the first counts that PyAV has: H.264, which browsers play, or else
MPEG-4."""
TICKS = 60_000
"""Of the clip's clock in a second: whole for 24, 25, 30, 60 and 29.97 frames a second, and few
enough for every encoder."""
SOUND = 48_000
"""Samples of its sound in a second."""
SPEAKS, LISTENS = (0, 114, 178), (90, 90, 90)
"""Colours of the box of who speaks, and of others; white is written on them."""
LABEL = 24
"""Lines of text that the frame's height has room for."""

Pixels = UInt8[np.ndarray, "_ _ 3"]


def write_overlay(
    timeline: Timeline,
    tracks: Mapping[str, FaceTrack],
    recording: Path,
    file: Path,
    *,
    watch: RecordingWatch | None = None,
) -> None:
    """Write the recording as an MP4 with what was measured drawn on its frames.

    A box stands round each face in view with the person's name; round who speaks it is thick and
    blue, and says so, with how modalities disagree where they do. An ellipse as high as the mouth
    is open lies on the mouth. Frames keep their size, upright and with square pixels; sound is
    mixed into one channel. One frame and one block of sound are held at a time.

    Args:
        timeline: of the recording.
        tracks: its faces by person.
        recording: its file.
        file: where the clip is written, whole or not at all.
        watch: is called as the writing proceeds.

    Raises:
        DeadpanError: the clip cannot be written.
    """
    temporary = temporary_path(file)
    if watch:
        watch.begin(timeline.recording.duration)
    try:
        remove_leftovers(file)
        _write(timeline, tracks, recording, temporary, watch)
        temporary.replace(file)
    except OSError as error:  # so are PyAV's, whose names cannot be set
        named = OSError(error.errno, error.strerror, str(file))
        raise DeadpanError(os_failure(named)) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write(
    timeline: Timeline,
    tracks: Mapping[str, FaceTrack],
    recording: Path,
    file: Path,
    watch: RecordingWatch | None,
) -> None:
    import av  # of the extra "video"

    utterances = _Speech(timeline.utterances)
    with (
        read(recording, rate=SOUND) as media,
        av.open(str(file), "w", format="mp4", options={"movflags": "+faststart"}) as clip,
    ):
        video, sound, seconds = None, None, 0.0
        if timeline.recording.has_audio:
            sound = SoundEncoder(clip)
        for item in media:
            if watch and item.time >= seconds + 1:
                watch.advance(item.time - seconds)
                seconds = item.time
            if isinstance(item, AudioBlock):
                if sound is not None:
                    sound.push(item)
                continue
            if video is None:
                video = VideoEncoder(clip, item)
            video.push(item, _drawn(item, tracks, utterances.at(item.time)))
        for stream in (video, sound):
            if stream is not None:
                stream.finish()


class _Speech:
    """The utterances, by time."""

    def __init__(self, utterances: tuple[TimelineUtterance, ...]) -> None:
        self._utterances = utterances
        self._starts = [each.start for each in utterances]

    def at(self, time: float) -> TimelineUtterance | None:
        """The last utterance that has begun, unless it has ended."""
        index = bisect.bisect_right(self._starts, time) - 1
        if index < 0 or self._utterances[index].end <= time:
            return None
        return self._utterances[index]


class VideoEncoder:
    """Encodes frames of one size: that of the first, made even, as encoders want it."""

    def __init__(self, clip: Any, first: Frame) -> None:  # noqa: ANN401 - PyAV's
        import av

        self._clip, self._last = clip, -1
        height, width = first.image.shape[:2]
        self._height, self._width = height + height % 2, width + width % 2
        codec = next(name for name in CODECS if name in av.codecs_available)
        options = {"preset": "veryfast", "crf": "20"} if codec == "libx264" else {}
        self._stream = clip.add_stream(codec, rate=30, options=options)
        self._stream.width, self._stream.height = self._width, self._height
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, TICKS)

    def push(self, frame: Frame, image: Pixels) -> None:
        """Encode an image at a frame's time."""
        import av

        encoded = av.VideoFrame.from_ndarray(self._fitted(image), format="rgb24")
        # Two frames may not share a tick.
        self._last = max(self._last + 1, round(frame.time * TICKS))
        encoded.pts, encoded.time_base = self._last, Fraction(1, TICKS)
        self._clip.mux(self._stream.encode(encoded))

    def _fitted(self, image: Pixels) -> Pixels:
        """A frame of another size is reduced to this one, with black beside it."""
        from PIL import Image

        if (image.shape[0], image.shape[1]) != (self._height, self._width):
            scale = min(1.0, self._height / image.shape[0], self._width / image.shape[1])
            if scale < 1:
                size = (int(image.shape[1] * scale) or 1, int(image.shape[0] * scale) or 1)
                image = np.asarray(Image.fromarray(image).resize(size))
            below, beside = self._height - image.shape[0], self._width - image.shape[1]
            # A last row or column is repeated where all that lacks is one, to make the size even.
            mode = "edge" if max(below, beside) == 1 else "constant"
            image = np.pad(image, ((0, below), (0, beside), (0, 0)), mode)
        return image

    def finish(self) -> None:
        """Encode what is left."""
        self._clip.mux(self._stream.encode(None))


class SoundEncoder:
    """Encodes blocks of one channel; what lies between them is silent."""

    def __init__(
        self,
        clip: Any,  # noqa: ANN401 - PyAV's
        *,
        codec: str = "aac",
        rate: int = SOUND,
    ) -> None:
        self._clip, self._rate, self._count = clip, rate, 0
        self._stream = clip.add_stream(codec, rate=rate, layout="mono")

    def push(self, block: AudioBlock) -> None:
        """Encode a block at its time."""
        while (missing := round(block.time * self._rate) - self._count) > 1:
            self._encode(np.zeros(min(missing, self._rate), np.float32))
        self._encode(block.samples)

    def _encode(self, samples: Float32[np.ndarray, " sample"]) -> None:
        import av

        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = self._rate, Fraction(1, self._rate)
        frame.pts, self._count = self._count, self._count + len(samples)
        self._clip.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Encode what is left."""
        self._clip.mux(self._stream.encode(None))


def _drawn(
    frame: Frame, tracks: Mapping[str, FaceTrack], utterance: TimelineUtterance | None
) -> Pixels:
    """A frame with every face in view marked; itself where none is."""
    faces = {
        name: step
        for name, track in tracks.items()
        if (step := _step_in_view(track, frame.time)) is not None
    }
    if not faces:
        return frame.image
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(frame.image)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(10, image.height // LABEL))
    # Who speaks is drawn last, over the others.
    speaker = None if utterance is None else utterance.person
    for name in sorted(faces, key=lambda name: name == speaker):
        track, step = tracks[name], faces[name]
        size = np.array([image.width, image.height] * 2)
        left, top, right, bottom = (float(x) for x in track.boxes[step] * size)
        speaks = name == speaker
        color, line = (SPEAKS, 4) if speaks else (LISTENS, 2)
        line = max(1, round(line * image.height / 360))
        draw.rectangle((left, top, right, bottom), outline=color, width=line)
        x, y = (float(x) for x in track.mouths[step] * size[:2])
        # The eyes' outer corners are about .6 of the box apart.
        open_by = max(1.0, 0.3 * float(track.mouth_openings[step]) * (right - left))
        across = 0.15 * (right - left)
        draw.ellipse((x - across, y - open_by, x + across, y + open_by), outline=color, width=line)
        label = name
        if speaks and utterance is not None:
            label += " speaks" + (f": {utterance.incongruity}" if utterance.incongruity else "")
        _write_label(draw, font, label, (left, top, bottom), image.size, color)
    return np.asarray(image)


def _write_label(
    draw: Any,  # noqa: ANN401 - Pillow's
    font: Any,  # noqa: ANN401 - Pillow's
    label: str,
    place: tuple[float, float, float],
    size: tuple[int, int],
    color: tuple[int, int, int],
) -> None:
    """White on a plate above the box, or where there is no room, below; within the frame."""
    left, top, bottom = place
    *_, width, height = draw.textbbox((0, 0), label, font=font)
    x = max(0.0, min(left, size[0] - width - 6))
    y = top - height - 6 if top >= height + 6 else min(bottom, size[1] - height - 6)
    draw.rectangle((x, y, x + width + 6, y + height + 6), fill=color)
    draw.text((x + 3, y + 2), label, fill=(255, 255, 255), font=font)


def _step_in_view(track: FaceTrack, time: float) -> int | None:
    """The row of a track at a time; None where the face is not in view."""
    sequence = track.sequence
    step = int(time * sequence.rate + ROUNDED) - sequence.first
    return step if 0 <= step < len(sequence.present) and sequence.present[step] else None
