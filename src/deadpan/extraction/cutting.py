"""Spans of a recording as clips of their own, for data sets."""

import dataclasses
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from deadpan.errors import DeadpanError, os_failure
from deadpan.extraction.media import RATE, AudioBlock, Frame, probe, read
from deadpan.extraction.overlay import SoundEncoder, VideoEncoder
from deadpan.extraction.recording_reader import RecordingWatch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Span:
    """A part of a recording, and the clip's file.

    Attributes:
        start: seconds from the recording's start.
        end: likewise.
        file: without its ending, which the recording decides.
    """

    start: float
    end: float
    file: Path


def cut(
    recording: Path, spans: Sequence[Span], *, watch: RecordingWatch | None = None
) -> list[Path]:
    """Write spans of a recording as clips: ``.mkv``, or ``.wav`` where there is no video.

    Frames are encoded anew; sound is kept as the samples that are measured, in one channel.

    Args:
        recording: its file.
        spans: in any order; they may overlap.
        watch: is called as the recording is read.

    Returns:
        The clips' files, in the order of the spans.

    Raises:
        DataError: the recording cannot be read.
        DeadpanError: a clip cannot be written.
    """
    header = probe(recording)
    ending = ".wav" if header.video is None else ".mkv"
    clips = [_Clip(span, Path(f"{span.file}{ending}"), header.audio is not None) for span in spans]
    if watch:
        watch.begin(header.duration)
    seconds = 0.0
    try:
        with ExitStack() as closing, read(recording) as media:
            for clip in clips:
                closing.callback(clip.close)
            for item in media:
                if watch and item.time >= seconds + 1:
                    watch.advance(item.time - seconds)
                    seconds = item.time
                for clip in clips:
                    clip.push(item)
    except OSError as error:  # so are PyAV's
        for clip in clips:
            with suppress(OSError):
                clip.file.unlink(missing_ok=True)
        failure = os_failure(OSError(error.errno, error.strerror, str(spans[0].file.parent)))
        raise DeadpanError(failure) from None
    return [clip.file for clip in clips]


class _Clip:
    """One clip; its file is open from the first to the last item of its span."""

    def __init__(self, span: Span, file: Path, has_sound: bool) -> None:
        self.file = file
        self._span, self._has_sound = span, has_sound
        self._container: Any = None
        self._video: VideoEncoder | None = None
        self._sound: SoundEncoder | None = None
        self._done = False

    def push(self, item: Frame | AudioBlock) -> None:
        """Write what of an item is in the span."""
        if self._done:
            return
        # A second late: frames and sound come in order of time, but blocks begin before they end.
        if item.time > self._span.end + 1:
            self.close()
        elif isinstance(item, Frame):
            if self._span.start <= item.time < self._span.end:
                container = self._opened()
                if self._video is None:
                    self._video = VideoEncoder(container, item)
                shifted = dataclasses.replace(item, time=item.time - self._span.start)
                self._video.push(shifted, item.image)
        else:
            self._push_sound(item)

    def _push_sound(self, block: AudioBlock) -> None:
        first, last = (
            min(max(round((end - block.time) * RATE), 0), len(block.samples))
            for end in (self._span.start, self._span.end)
        )
        if first < last:
            self._opened()
            assert self._sound is not None
            time = max(block.time + first / RATE - self._span.start, 0.0)
            self._sound.push(AudioBlock(time=time, samples=block.samples[first:last]))

    def _opened(self) -> Any:  # noqa: ANN401 - PyAV's
        import av  # of the extra "video"

        if self._container is None:
            self._container = av.open(str(self.file), "w")
            if self._has_sound:
                self._sound = SoundEncoder(self._container, codec="pcm_s16le", rate=RATE)
        return self._container

    def close(self) -> None:
        """Write the end of the file."""
        if self._done:
            return
        self._done = True
        if self._container is None:
            return
        try:
            for stream in (self._video, self._sound):
                if stream is not None:
                    stream.finish()
        finally:
            self._container.close()
