import numpy as np
import pytest

from ..studio.films import film

pytest.importorskip("av", reason="needs PyAV, of the extra video")

from deadpan.errors import DataError, DeadpanError
from deadpan.extraction.cutting import Span, cut
from deadpan.extraction.media import AudioBlock, Frame, read


def content(path):
    """Times and greys of frames, and all samples."""
    with read(path) as media:
        items = [*media]
    frames = [(item.time, item.image.mean()) for item in items if isinstance(item, Frame)]
    blocks = [item.samples for item in items if isinstance(item, AudioBlock)]
    return frames, np.concatenate(blocks) if blocks else np.zeros(0)


@pytest.mark.parametrize(("name", "ending"), [("a.mkv", ".mkv"), ("a.wav", ".wav")])
def test_clips_hold_what_is_in_their_spans(tmp_path, name, ending):
    path = film(tmp_path / name, pictures=ending == ".mkv")
    spans = [
        Span(start=2.0, end=3.0, file=tmp_path / "second"),
        Span(start=0.5, end=2.25, file=tmp_path / "first"),
        Span(start=3.5, end=9.0, file=tmp_path / "last"),
    ]
    clips = cut(path, spans)
    assert clips == [tmp_path / f"{x}{ending}" for x in ("second", "first", "last")]
    frames, sound = content(path)
    for span, clip in zip(spans, clips, strict=True):
        own_frames, own_sound = content(clip)
        wanted = sound[round(span.start * 16_000) : round(span.end * 16_000)]
        assert np.abs(own_sound - wanted).max() < 2 / 32768
        inside = [(t - span.start, grey) for t, grey in frames if span.start <= t < span.end]
        assert len(own_frames) == len(inside)
        if inside:
            np.testing.assert_allclose(own_frames, inside, atol=4)
            np.testing.assert_allclose(
                [t for t, _ in own_frames], [t for t, _ in inside], atol=2e-3
            )


def test_what_cannot_be_read_or_written_is_refused(tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    span = Span(start=0.0, end=1.0, file=tmp_path / "none" / "clip")
    with pytest.raises(DataError, match="text and no media file"):
        cut(tmp_path / "text.wav", [span])
    with pytest.raises(DeadpanError, match="none: No such file"):
        cut(film(tmp_path / "a.wav", pictures=False), [span])
