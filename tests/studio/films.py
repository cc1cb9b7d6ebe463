"""Recordings made by formula."""

from fractions import Fraction

import numpy as np


def film(path, seconds=4, pictures=True):
    """Grey that grows lighter, 10 frames a second, and a tone that rises each second."""
    import av

    rate = 16_000
    with av.open(str(path), "w") as file:
        if pictures:
            video = file.add_stream("mpeg4", rate=10)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        codec = "pcm_s16le" if path.suffix in (".wav", ".mkv") else "aac"
        audio = file.add_stream(codec, rate=rate, layout="mono")
        for i in range(10 * seconds):
            if pictures:
                image = np.full((48, 64, 3), 20 + 4 * i, np.uint8)
                file.mux(video.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
            time = (np.arange(rate // 10) + i * rate // 10) / rate
            hertz = 150 + 50 * (i // 10)
            samples = 0.2 * np.sign(np.sin(2 * np.pi * hertz * time)) * np.cos(time) ** 2
            block = av.AudioFrame.from_ndarray(
                (samples[None] * 32767).astype(np.int16), "s16", "mono"
            )
            block.sample_rate, block.pts, block.time_base = rate, i * rate // 10, Fraction(1, rate)
            file.mux(audio.encode(block))
        for stream in file.streams:
            file.mux(stream.encode())
    return path
