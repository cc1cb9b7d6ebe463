import gc
import itertools
import socket
import struct
import subprocess
import sys
import weakref
from collections import Counter
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from deadpan.errors import DeadpanError
from deadpan.extraction import media
from deadpan.extraction.media import AudioBlock, Frame, probe, read

from ..refusals import refusal_of

av = pytest.importorskip("av", reason="needs PyAV, of the extra video")

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
UPRIGHT = [[RED, GREEN], [BLUE, WHITE]]
RATE = 16_000
COLOUR = 24  # of 255, what compression and chroma at half size may change in the midst of an area
SAMPLE = 1e-3  # of full scale, what 16 bits and resampling may change
CLOCK = 0.002  # seconds: the filter of resampling spreads the edge of a beep


def areas(colours, width=64, height=48):
    """An image of four areas, each of one colour."""
    image = np.array(colours, np.uint8)
    return image.repeat(height // 2, axis=0).repeat(width // 2, axis=1)


def colours(image):
    """The colours in the midst of the four areas."""
    height, width, _ = image.shape
    return image[height // 4 :: height // 2, width // 4 :: width // 2].astype(int)


def grey(level, size=(48, 64)):
    return np.full((*size, 3), level, np.uint8)


def beep(seconds, start, stop, *, rate=RATE, level=0.5, channels=1, of=0):
    """Silence with a 1 kHz tone from start to stop seconds in one channel, [channel sample]."""
    time = np.arange(round(seconds * rate)) / rate
    tone = level * np.sin(2 * np.pi * 1000 * time) * ((time >= start) & (time < stop))
    samples = np.zeros((channels, len(tone)), np.float32)
    samples[of] = tone
    return samples


def write(path, frames=(), samples=None, *, apart=False, options=None, format=None, **how):
    """Encode frames, (count of units, image) each, and samples [channel sample].

    apart: all video stands in front of all audio.
    """
    video_how = {key: how.pop(key) for key in ("unit", "rotation", "aspect") if key in how}
    target = path if format else str(path)
    with av.open(target, "w", format=format, options=options or {}) as file:
        # Streams are made first: the header, which the first packet writes, lists them all.
        streams = [encoded_video(file, frames, **video_how)] if frames else []
        streams += [] if samples is None else [encoded_audio(file, samples, **how)]
        packets = [packet for packets in streams for packet in packets]
        if not apart:
            packets.sort(key=lambda packet: packet.dts * packet.time_base)
        for packet in packets:
            file.mux(packet)
    return path


def encoded_video(file, frames, *, unit=Fraction(1, 10), rotation=None, aspect=None):
    video = file.add_stream("mpeg4", rate=1 / unit)
    video.height, video.width, _ = frames[0][1].shape
    video.pix_fmt, video.bit_rate = "yuv420p", 4_000_000
    video.codec_context.thread_count, video.codec_context.time_base = 1, unit
    if rotation:
        video.set_display_rotation(*rotation)
    if aspect:
        video.codec_context.sample_aspect_ratio = aspect
    packets = []
    for count, image in frames:
        frame = av.VideoFrame.from_ndarray(image, "rgb24")
        frame.pts, frame.time_base = count, unit
        packets += video.encode(frame)
    return packets + video.encode()


def encoded_audio(file, samples, *, rate=RATE, layout="mono", codec="pcm_s16le", audio_start=0.0):
    audio = file.add_stream(codec, rate=rate, layout=layout)
    resampler = av.AudioResampler(audio.format, audio.layout, rate)
    packets = []
    for first in range(0, samples.shape[1], 800):
        piece = np.ascontiguousarray(samples[:, first : first + 800])
        block = av.AudioFrame.from_ndarray(piece, "fltp", layout)
        block.sample_rate, block.time_base = rate, Fraction(1, rate)
        block.pts = first + round(audio_start * rate)
        for converted in resampler.resample(block):
            packets += audio.encode(converted)
    return packets + audio.encode()


def contents(path, **options):
    """Frames, the first block's time and all samples of a file; that it warns of nothing."""
    reading = read(path, **options)
    items = list(reading)
    assert reading.warnings == []
    return split(items)


def split(items):
    items = list(items)
    times = [item.time for item in items]
    assert times == sorted(times)
    blocks = [item for item in items if isinstance(item, AudioBlock)]
    for before, after in zip(blocks, blocks[1:], strict=False):
        assert after.time >= before.time + len(before.samples) / RATE - 1e-9
    samples = np.concatenate([block.samples for block in blocks]) if blocks else None
    return (
        [item for item in items if isinstance(item, Frame)],
        blocks[0].time if blocks else None,
        samples,
    )


def sounding(start, samples, rate=RATE):
    """Seconds at which a file begins and ends to sound."""
    loud = np.flatnonzero(np.abs(samples) > 0.05)
    return start + loud[0] / rate, start + (loud[-1] + 1) / rate


TEN = [(count, areas(UPRIGHT)) for count in range(10)]


@pytest.mark.parametrize(
    ("rotation", "shown"),
    [
        (None, UPRIGHT),
        ((90,), [[GREEN, WHITE], [RED, BLUE]]),
        ((-90,), [[BLUE, RED], [WHITE, GREEN]]),
        ((180,), [[WHITE, BLUE], [GREEN, RED]]),
        ((0, True), [[GREEN, RED], [WHITE, BLUE]]),
        ((0, False, True), [[BLUE, WHITE], [RED, GREEN]]),
        ((90, True), [[WHITE, GREEN], [BLUE, RED]]),
        ((-90, True), [[RED, BLUE], [GREEN, WHITE]]),
    ],
)
def test_the_display_matrix_is_applied(tmp_path, rotation, shown):
    path = write(tmp_path / "turned.mp4", TEN[:2], rotation=rotation)
    quarter = rotation is not None and abs(rotation[0]) == 90
    video = probe(path).video
    assert (video.width, video.height) == ((48, 64) if quarter else (64, 48))
    frames, _, _ = contents(path)
    assert len(frames) == 2
    assert frames[0].image.shape == (video.height, video.width, 3)
    np.testing.assert_allclose(colours(frames[0].image), shown, atol=COLOUR)


def test_the_rotation_is_applied_where_pyav_does_not_know_some_side_data(monkeypatch):
    def side_data(frame):
        if frame.side_data is None:
            raise ValueError("31 is not a valid Type")
        return frame.side_data

    monkeypatch.setattr(av.sidedata.sidedata, "SideDataContainer", side_data)
    matrix = struct.pack("=9i", 0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30)
    known = SimpleNamespace(side_data={"DISPLAYMATRIX": matrix})
    newer_than_pyav = SimpleNamespace(side_data=None, rotation=90)
    assert media._orientation(newer_than_pyav) == media._orientation(known) == (True, True, False)


def test_decoded_frames_do_not_wait_for_the_garbage_collector(tmp_path):
    """Each is several megabytes large, of which the collector knows nothing."""
    path = write(tmp_path / "turned.mp4", [(count, grey(count)) for count in range(60)])

    def alive():
        # Not isinstance, which asks objects of torch for their class, whereupon they warn.
        return sum(type(each) is av.VideoFrame for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = alive()  # of other tests, whose pixels they are
        with read(path) as reader:
            for _ in range(50):
                next(reader)
            assert alive() - before <= 4
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("aspect", "rotation", "size"),
    [
        (Fraction(1, 2), None, (32, 48)),
        (Fraction(4, 3), None, (85, 48)),
        (Fraction(1, 2), (90,), (48, 32)),
        (Fraction(20, 1), None, (64, 48)),  # no camera has it: an error of the header
    ],
)
def test_pixels_of_an_anamorphic_video_become_square(tmp_path, aspect, rotation, size):
    path = write(tmp_path / "wide.mp4", TEN[:2], aspect=aspect, rotation=rotation)
    frames, _, _ = contents(path)
    assert (probe(path).video.width, probe(path).video.height) == size
    assert frames[0].image.shape == (size[1], size[0], 3)
    shown = [[GREEN, WHITE], [RED, BLUE]] if rotation else UPRIGHT
    np.testing.assert_allclose(colours(frames[0].image), shown, atol=COLOUR)


def test_a_portrait_video_stays_one_and_is_reduced_by_its_longer_side(tmp_path):
    path = write(tmp_path / "portrait.mp4", [(0, areas(UPRIGHT, 48, 64))])
    for side, shape in [(None, (64, 48, 3)), (1000, (64, 48, 3)), (32, (32, 24, 3))]:
        frames, _, _ = contents(path, side=side)
        assert frames[0].image.shape == shape
        assert frames[0].image.dtype == np.uint8
        np.testing.assert_allclose(colours(frames[0].image), UPRIGHT, atol=COLOUR)


def test_60_frames_a_second_are_thinned_by_their_times(tmp_path):
    levels = [(count, grey(20 + 12 * count)) for count in range(18)]
    path = write(tmp_path / "fast.mp4", levels, unit=Fraction(1, 60))
    assert probe(path).video.fps == 60
    assert len(contents(path)[0]) == 18
    frames, _, _ = contents(path, fps=15)
    assert [frame.time for frame in frames] == pytest.approx([0, 4 / 60, 8 / 60, 12 / 60, 16 / 60])
    shown = [frame.image.mean() for frame in frames]
    np.testing.assert_allclose(shown, [20, 68, 116, 164, 212], atol=4)


def test_every_second_frame_is_taken_though_times_are_rounded_to_milliseconds(tmp_path):
    path = write(tmp_path / "thirty.mkv", [(i, grey(9)) for i in range(20)], unit=Fraction(1, 30))
    frames, _, _ = contents(path, fps=15)
    assert [frame.time for frame in frames] == [round(i / 15, 3) for i in range(10)]


def test_a_variable_frame_rate_keeps_its_times(tmp_path):
    times = [0, 40, 500, 520, 590, 1300]
    levels = [(time, grey(40 * place)) for place, time in enumerate(times)]
    path = write(tmp_path / "variable.mp4", levels, unit=Fraction(1, 1000))
    frames, _, _ = contents(path)
    assert [frame.time for frame in frames] == [time / 1000 for time in times]
    frames, _, _ = contents(path, fps=10)
    assert [frame.time for frame in frames] == [0, 0.5, 1.3]
    np.testing.assert_allclose([frame.image.mean() for frame in frames], [0, 80, 200], atol=4)


@pytest.mark.parametrize("name", ["apart.mov", "apart.mkv"])
@pytest.mark.parametrize(("video_start", "audio_start"), [(0.5, 0), (0, 0.5), (2, 2.5)])
def test_streams_that_start_apart_keep_their_offset(tmp_path, name, video_start, audio_start):
    frames = [(round(10 * video_start) + count, image) for count, image in TEN]
    path = write(tmp_path / name, frames, beep(0.8, 0.2, 0.4), audio_start=audio_start)
    first = min(video_start, audio_start)
    frames, start, samples = contents(path)
    assert frames[0].time == pytest.approx(video_start - first, abs=1e-9)
    assert start == pytest.approx(audio_start - first, abs=1e-9)
    heard = [audio_start - first + 0.2, audio_start - first + 0.4]
    assert sounding(start, samples) == pytest.approx(heard, abs=CLOCK)
    recording = probe(path)
    assert recording.video.start == pytest.approx(video_start - first)
    assert recording.audio.start == pytest.approx(audio_start - first)
    end = max(video_start + 1, audio_start + 0.8) - first
    assert recording.duration == pytest.approx(end, abs=0.001)


def test_8_khz_mono_is_resampled_in_place(tmp_path):
    path = write(tmp_path / "phone.wav", (), beep(1, 0.3, 0.6, rate=8000), rate=8000)
    _, start, samples = contents(path)
    assert (start, len(samples), samples.dtype) == (0, RATE, np.float32)
    np.testing.assert_allclose(samples[6000:9000], beep(1, 0.3, 0.6)[0, 6000:9000], atol=SAMPLE)
    assert sounding(start, samples) == pytest.approx((0.3, 0.6), abs=CLOCK)
    _, _, samples = contents(path, rate=8000)
    np.testing.assert_allclose(samples, beep(1, 0.3, 0.6, rate=8000)[0], atol=SAMPLE)


@pytest.mark.parametrize(("channel", "weight"), [(0, 2**-0.5), (2, 1), (3, 0), (4, 0.5)])
def test_5_1_is_mixed_by_the_weights_of_itu_bs_775(tmp_path, channel, weight):
    samples = beep(0.2, 0, 0.2, channels=6, of=channel, level=0.9)
    path = write(tmp_path / "cinema.wav", (), samples, layout="5.1")
    assert probe(path).audio.channels == 6
    _, _, mixed = contents(path)
    share = weight / (1 + 2 * 2**-0.5 + 2 * 0.5)  # no sum of channels is beyond full scale
    np.testing.assert_allclose(mixed, share * samples[channel], atol=SAMPLE)


def test_a_voice_in_the_middle_of_a_stereo_recording_is_as_loud_as_it_was(tmp_path):
    voice = beep(0.2, 0, 0.2, level=0.95)
    path = write(tmp_path / "stereo.wav", (), voice.repeat(2, axis=0), layout="stereo")
    _, _, mixed = contents(path)
    np.testing.assert_allclose(mixed, voice[0], atol=SAMPLE)


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le"])
def test_samples_at_the_rate_asked_for_are_left_alone(tmp_path, codec):
    path = write(tmp_path / "plain.mkv", (), beep(0.3, 0.1, 0.2), codec=codec)
    _, _, samples = contents(path)
    np.testing.assert_allclose(samples, beep(0.3, 0.1, 0.2)[0], atol=SAMPLE)


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv"])
def test_a_truncated_file_gives_what_it_has_and_says_what_lacks(tmp_path, name):
    frames = [(count, areas(UPRIGHT)) for count in range(30)]
    first = {"movflags": "faststart"} if name.endswith("mp4") else {}  # the index
    path = write(tmp_path / name, frames, beep(3, 0.2, 0.4), codec="aac", options=first)
    contents(path)  # whole: it warns of nothing
    with av.open(str(path)) as file:
        places = [packet.pos for packet in file.demux(video=0) if packet.size]
    path.write_bytes(path.read_bytes()[: places[15]])
    reading = read(path)
    frames, start, samples = split(reading)
    assert len(frames) == 15
    np.testing.assert_allclose(colours(frames[14].image), UPRIGHT, atol=COLOUR)
    assert sounding(start, samples) == pytest.approx((0.2, 0.4), abs=0.01)
    ends = [text for text in reading.warnings if text.endswith("header promises; copy it again")]
    if name.endswith("mp4"):
        assert ends[0].startswith(
            f"{path}: its video ends after 1.50 of the 3.00 s that its header"
        )
        ends = ends[1:]
    [end] = ends
    what = "its audio" if name.endswith("mp4") else "it"
    seconds = max(1.5, start + len(samples) / RATE)
    assert end.startswith(f"{path}: {what} ends after {seconds:.2f} of the 3.0")


def test_a_duration_that_ffmpeg_estimates_is_measured_and_promises_nothing(tmp_path):
    noise = beep(4, 0, 0)  # the estimate is by the bit rate, here of the silence in front
    noise[:, 2 * RATE :] = np.random.default_rng(0).uniform(-0.9, 0.9, 2 * RATE)
    path = write(tmp_path / "voice.aac", (), noise, codec="aac")
    with av.open(str(path)) as file:
        assert file.duration > 5_000_000
    assert probe(path).duration == pytest.approx(4.096)  # AAC's first block and last are padding
    _, _, samples = contents(path)
    assert len(samples) == 4.096 * RATE


def test_an_mp4_without_its_moov_atom_says_so(tmp_path):
    path = write(tmp_path / "cut.mp4", TEN)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"moov") - 4])
    for action in (probe, read):
        assert "no moov atom" in refusal_of(f"{path}: ", action, path)
    path.write_bytes(whole[: whole.index(b"moov") + 100])  # cut off within it
    assert "no moov atom, or only part of one" in refusal_of(f"{path}: ", read, path)


def test_what_is_no_media_file_is_told_in_one_line(tmp_path):
    assert "is not there" in refusal_of(tmp_path / "absent.mp4", read, tmp_path / "absent.mp4")
    assert "is a directory" in refusal_of(tmp_path, read, tmp_path)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert "is empty (0 bytes)" in refusal_of(empty, read, empty)
    for name in ("text.mp4", "text.txt"):
        text = tmp_path / name
        text.write_text("Hello, this is a transcript.\n" * 50)
        assert "is text and no media file" in refusal_of(text, read, text)
    zeros = tmp_path / "zeros.mp4"
    zeros.write_bytes(bytes(5000))
    assert "holds no video and no audio" in refusal_of(zeros, probe, zeros)


def test_a_file_without_video_and_audio_is_refused(tmp_path):
    subtitles = tmp_path / "words.srt"
    subtitles.write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    for action in (probe, read):
        assert "only streams of subtitle" in refusal_of(subtitles, action, subtitles)
    header = struct.pack(">I4s8x2I80x", 108, b"mvhd", 1000, 1000)
    boxes = struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"isom")
    bare = tmp_path / "bare.mp4"
    bare.write_bytes(boxes + struct.pack(">I4s", 8 + len(header), b"moov") + header)
    assert "holds no video and no audio that can be read" in refusal_of(bare, read, bare)


def test_no_file_makes_ffmpeg_open_an_address(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/clip.ts"
        playlist = tmp_path / "clip.m3u8"
        playlist.write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}\n#EXT-X-ENDLIST\n"
        )
        assert "is text" in refusal_of(playlist, read, playlist)
        assert "is not there" in refusal_of("http:", read, address)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_no_audio_and_no_video_are_stated_and_no_errors(tmp_path):
    silent = write(tmp_path / "silent.mp4", TEN)
    assert probe(silent).audio is None
    frames, start, samples = contents(silent)
    assert (len(frames), start, samples) == (10, None, None)
    blind = write(tmp_path / "blind.wav", (), beep(1, 0.2, 0.4))
    assert probe(blind).video is None
    assert probe(blind).duration == 1
    frames, start, samples = contents(blind)
    assert (frames, start, len(samples)) == ([], 0, RATE)


def test_the_cover_of_a_song_is_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as file:
        audio = file.add_stream("aac", rate=RATE, layout="mono")
        cover = file.add_stream("mjpeg")
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        image = av.VideoFrame.from_ndarray(areas(UPRIGHT), "rgb24")
        block = av.AudioFrame.from_ndarray(beep(0.5, 0.2, 0.4), "fltp", "mono")
        block.sample_rate, block.pts = RATE, 0
        for packet in [*cover.encode(image), *cover.encode(), *audio.encode(block)]:
            file.mux(packet)
        file.mux(audio.encode())
    assert probe(path).video is None
    frames, start, samples = contents(path)
    assert frames == []
    assert sounding(start, samples) == pytest.approx((0.2, 0.4), abs=0.01)


def test_a_fifth_of_a_second_is_read(tmp_path):
    path = write(tmp_path / "short.mp4", TEN[:2], beep(0.2, 0.05, 0.1), codec="aac")
    assert probe(path).duration == pytest.approx(0.2, abs=0.07)
    frames, start, samples = contents(path)
    assert len(frames) == 2
    assert sounding(start, samples) == pytest.approx((0.05, 0.1), abs=0.01)


@pytest.mark.parametrize("name", ["Grüße 動画 😀.mp4", "a:b?%03d|c.mp4"])
def test_any_name_is_read(tmp_path, monkeypatch, name):
    plain = write(tmp_path / "plain.mp4", TEN[:2])
    try:
        plain.rename(tmp_path / name)
    except OSError:
        pytest.skip("this file system does not take the name")
    assert len(contents(tmp_path / name)[0]) == 2
    monkeypatch.chdir(tmp_path)
    assert len(contents(name)[0]) == 2


def test_a_title_that_is_not_utf_8_is_no_obstacle(tmp_path):
    path = tmp_path / "title.mkv"
    write(path, TEN[:2])
    whole = path.read_bytes()
    assert b"Lavf" in whole
    path.write_bytes(whole.replace(b"Lavf", b"\xe9\xff\xfe\xe9"))
    assert len(contents(path)[0]) == 2


@pytest.mark.parametrize("apart", [False, True])
def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch, apart):
    alive, made = weakref.WeakSet(), []

    def counted(kind):
        def make(**fields):
            item = kind(**fields)
            alive.add(item)
            made.append(kind)
            return item

        return make

    frames = [(count, grey(count % 200)) for count in range(300)]
    path = write(
        tmp_path / "minute.mkv",
        frames,
        beep(60, 30, 31, rate=8000),
        rate=8000,
        unit=Fraction(1, 5),
        apart=apart,  # all video in front of all audio, which no single demuxer could read so
        options={"max_interleave_delta": "1"} if apart else None,
    )
    monkeypatch.setattr(media, "Frame", counted(Frame))
    monkeypatch.setattr(media, "AudioBlock", counted(AudioBlock))
    before, most = -1.0, 0
    for item in read(path):
        assert item.time >= before
        before = item.time
        most = max(most, len(alive))
    assert made.count(Frame) == 300
    assert made.count(AudioBlock) > 300
    assert most <= 3  # one in hand, one of each stream in wait


def audio_of(path, pieces):
    """Write pieces of audio, (start in seconds, samples) each, whose times say what they like."""
    with av.open(str(path), "w") as file:
        audio = file.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for start, samples in pieces:
            block = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16), "s16", "mono")
            block.sample_rate, block.pts = RATE, round(start * RATE)
            for packet in audio.encode(block):
                packet.dts = packet.pts
                file.mux(packet)
    return path


def test_a_gap_in_the_audio_moves_what_follows(tmp_path):
    tone = beep(0.1, 0, 0.1)
    pieces = [(0.1 * count + (1 if count > 4 else 0.01), tone) for count in range(10)]
    path = audio_of(tmp_path / "gap.mkv", [(0, tone), *pieces[1:]])
    blocks = list(read(path))
    starts = [round(block.time, 6) for block in blocks]
    assert 0.5 not in starts  # ten milliseconds are jitter
    assert starts[:5] == [0, 0.1, 0.2, 0.3, 0.4]
    assert starts[5:] == [1.5, 1.6, 1.7, 1.8, 1.9]


def test_audio_whose_times_go_back_is_left_out_and_said(tmp_path):
    path = audio_of(
        tmp_path / "back.mkv", [(t, beep(0.1, 0, 0.1)) for t in (0, 0.1, 0.2, 0.2, 0.21, 0.3)]
    )
    reading = read(path)
    assert [round(block.time, 6) for block in reading] == [0, 0.1, 0.2, 0.3]
    assert reading.warnings == [f"{path}: left out 2 audio frames: their times go back"]


def test_channels_may_change_on_the_way(tmp_path):
    mono = write(tmp_path / "mono.aac", (), beep(0.512, 0.1, 0.2), codec="aac").read_bytes()
    voice = beep(0.512, 0.1, 0.2).repeat(2, axis=0)
    path = write(tmp_path / "both.aac", (), voice, codec="aac", layout="stereo")
    path.write_bytes(mono + path.read_bytes())
    _, start, samples = contents(path)
    half = len(samples) // 2
    assert len(samples) == 2 * 9 * 1024
    np.testing.assert_allclose(samples[:half], samples[half:], atol=0.02)  # what AAC loses


def test_audio_that_cannot_be_resampled_is_said(tmp_path):
    path = write(tmp_path / "odd.wav", (), beep(0.2, 0, 0.2))
    whole = bytearray(path.read_bytes())
    rate = whole.index(b"fmt ") + 12
    whole[rate : rate + 4] = struct.pack("<I", 2**31 - 1)
    path.write_bytes(whole)
    reading = read(path)
    assert "nothing in it can be decoded" in refusal_of(f"{path}: ", list, reading)
    assert "its audio is damaged in " in reading.warnings[0]


def test_a_stream_that_pyav_does_not_know_ends_nothing_early():
    def demux(_):
        yield from [1, 2]
        raise IndexError("list index out of range")  # as PyAV 18.1 does for damaged MPEG-TS

    damage = Counter()
    assert list(media._packets(SimpleNamespace(demux=demux), None, damage)) == [1, 2]
    assert not damage


def test_the_decoder_is_emptied_where_a_file_is_broken_off():
    def demux(_):
        yield "packet"
        raise av.error.InvalidDataError(1, "broken off")

    damage, stream = Counter(), SimpleNamespace(decode=lambda packet: [packet])
    frames = list(media._decoded(SimpleNamespace(demux=demux), stream, damage))
    assert frames == ["packet", None]
    assert damage == {"broken off": 1}


def test_raw_video_without_timestamps_is_timed_by_its_rate(tmp_path):
    path = write(tmp_path / "raw.m4v", TEN, format="m4v")
    frames, _, _ = contents(path)
    assert [frame.time for frame in frames] == pytest.approx([i / 10 for i in range(10)])


def test_damage_within_a_file_is_passed_over_and_said(tmp_path):
    path = write(tmp_path / "damaged.mp4", [(i, grey(200 - 9 * i)) for i in range(20)])
    whole = bytearray(path.read_bytes())
    with av.open(str(path)) as file:
        places = [(packet.pos, packet.size) for packet in file.demux() if packet.size]
    for position, size in places[5:8]:
        whole[position : position + size] = bytes(size)
    path.write_bytes(whole)
    reading = read(path)
    frames, _, _ = split(reading)
    assert len(frames) >= 15
    assert reading.warnings[0].startswith(f"{path}: its video is damaged in 3 places (")


def test_a_stream_of_an_unknown_codec_is_absent_and_said(tmp_path):
    path = write(tmp_path / "odd.mkv", TEN, beep(1, 0.2, 0.4))
    whole = path.read_bytes().replace(b"V_MPEG4/ISO/ASP", b"V_FUTURE/YEARS!")
    path.write_bytes(whole)
    assert probe(path).video is None
    reading = read(path)
    frames, start, samples = split(reading)
    assert frames == []
    assert sounding(start, samples) == pytest.approx((0.2, 0.4), abs=CLOCK)
    assert reading.warnings == [
        f"{path}: its video is of a codec that cannot be decoded; convert it"
    ]
    path.write_bytes(whole.replace(b"A_PCM/INT/LIT", b"A_FUTURE/YEAR"))
    text = refusal_of(f"{path}: holds no video and no audio that can be decoded", read, path)
    assert "only streams of audio, video" in text


def test_a_file_of_which_nothing_can_be_decoded_is_refused_in_the_end(tmp_path):
    path = write(tmp_path / "hollow.mp4", TEN, options={"movflags": "faststart"})
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"mdat") + 4])
    assert "nothing in it can be decoded" in refusal_of(f"{path}: ", list, read(path))
    assert "nothing in it can be decoded" in refusal_of(f"{path}: ", probe, path)


def test_a_live_recording_without_a_duration_is_measured(tmp_path):
    class Pipe:
        def __init__(self, file):
            self.write = file.write

    path = tmp_path / "live.mkv"
    with path.open("wb") as file:
        write(Pipe(file), TEN, beep(1, 0.2, 0.4), codec="aac", format="matroska")
    with av.open(str(path)) as file:
        assert file.duration is None
    assert probe(path).duration == pytest.approx(1, abs=0.07)  # AAC's last block is filled up
    frames, start, samples = contents(path)
    assert len(frames) == 10
    assert sounding(start, samples) == pytest.approx((0.2, 0.4), abs=0.01)


def test_reading_stops_where_it_is_left(tmp_path):
    path = write(tmp_path / "clip.mkv", TEN, beep(1, 0.2, 0.4))
    with read(path) as reading:
        assert isinstance(next(reading), Frame)
    assert list(reading) == []
    with read(path) as reading:
        pass
    assert list(reading) == []


@pytest.mark.parametrize(
    ("option", "value"), [("rate", 0), ("fps", -1), ("fps", float("nan")), ("side", 0)]
)
def test_arguments_out_of_range_are_refused(tmp_path, option, value):
    text = refusal_of(option, read, tmp_path, **{option: value})
    assert text == f"{option} must be a positive number; got {value}"


def test_an_absent_pyav_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    for action in (probe, read):
        with pytest.raises(DeadpanError, match=r"pip install 'deadpan\[video\]'"):
            action(tmp_path / "clip.mp4")


def test_importing_loads_nothing_heavy():
    script = (
        "import sys, deadpan.extraction.media, deadpan.extraction.voice;"
        "print(*{'av', 'onnxruntime', 'torch', 'pandas', 'librosa'} & set(sys.modules))"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (process.returncode, process.stdout, process.stderr) == (0, "\n", "")


@pytest.mark.parametrize(
    ("name", "size", "seconds", "fps"),
    [
        ("mexca_test_video_audio_5_seconds", (640, 360), 5.016, 25),
        ("pyfeat_WolfgangLanger_Pexels", (640, 360), 19.69, 24_000 / 1001),
        ("pyfeat_single_face", (640, 360), 2.419, 30),
    ],
)
def test_real_clips(shared, name, size, seconds, fps):
    path = shared / "media" / f"{name}.mp4"
    if not path.exists():
        pytest.skip(f"needs {path}, which is not there")
    recording = probe(path)
    assert (recording.video.width, recording.video.height) == size
    assert recording.video.fps == pytest.approx(fps)
    assert recording.duration == pytest.approx(seconds, abs=0.001)
    # The first seconds of a longer one.
    items = list(itertools.takewhile(lambda item: item.time < 6, read(path, fps=5, side=64)))
    frames, start, samples = split(items)
    seconds = min(seconds, 6)
    assert len(frames) == pytest.approx(5 * seconds, abs=1)
    assert {frame.image.shape for frame in frames} == {(36, 64, 3)}
    assert start == 0
    assert len(samples) == pytest.approx(seconds * RATE, abs=0.05 * RATE)


def test_samples_of_a_file_of_floats_stay_within_full_scale(tmp_path):
    samples = np.zeros((1, 1600), np.float32)
    samples[0, 400:800], samples[0, 800:1200], samples[0, 1200:] = 3, -np.inf, np.nan
    path = write(tmp_path / "loud.wav", samples=samples, codec="pcm_f32le")
    _, start, read_samples = contents(path)
    assert start == 0
    assert (read_samples == np.repeat([0, 1, -1, 0], 400)).all()
