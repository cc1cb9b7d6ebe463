"""What numpy and swift-f0 can measure of COVAREP's 74 columns, 100 times a second.

Degottex et al. 2014, COVAREP: A Collaborative Voice Analysis Repository for Speech Technologies,
doi 10.1109/ICASSP.2014.6853739. Columns have COVAREP's names and units; the numbers were not
compared with COVAREP's, which needs MATLAB.
"""

import math
from functools import cache

import numpy as np
from jaxtyping import Float, Float32

from deadpan.extraction.media import RATE
from deadpan.extraction.sequences import Column
from deadpan.extraction.voice import HOP, PITCHES, VOICED, pitch_detector
from deadpan.extraction.windows import WindowMeter

STEP = RATE // 100
COVAREP_RATE = RATE / STEP
"""Steps per second."""
WINDOW = 400
"""Steps that are measured at once: four seconds, and a whole number of swift-f0's frames."""
REACH = 24 * STEP
"""Samples around a window: swift-f0 hears .18 s around a frame."""
FRAME = RATE // 25
"""Samples of the frame around the middle of a step: 40 ms."""
SIZE = 1024
"""Samples of a frame's transform."""
FLOOR = 1e-5
"""Amplitude that counts as silence: -100 dB."""
MCEPS = 25
ENVELOPE_ROUNDS, ENVELOPE_PRECISION = 30, math.log(10) / 10
"""Rounds of the true envelope at most, and 2 dB, by which a peak may stand out of it."""
UNVOICED_PITCH = 100.0
"""Hz that set the envelope's smoothness where there is no voice, as in COVAREP."""
WIDENING = 1.2
"""Times that a Hamming window is longer than a box which smooths as much."""
BANDS = 7
"""Octaves of the wavelets: around 8000, 4000, ... 125 Hz."""

_SOURCE = "deadpan 1, after COVAREP"


def _column(name: str, unit: str, low: float, high: float, source: str = _SOURCE) -> Column:
    return Column(name=name, unit=unit, source=source, low=low, high=high)


COVAREP_COLUMNS = (
    _column("F0", "Hz", 0.0, PITCHES[1], "swift-f0 0.3.0"),
    _column("VUV", "", 0.0, 1.0, "swift-f0 0.3.0"),
    _column("H1H2", "dB", -120.0, 120.0),
    _column("peakSlope", "", -2.0, 2.0),
    *(_column(f"MCEP_{n}", "", -15.0, 15.0) for n in range(MCEPS)),
)
"""What is measured, in COVAREP's order.

- ``F0``: of the nearest of swift-f0's frames (COVAREP: summation of residual harmonics); 0 where
  ``VUV`` is.
- ``VUV``: 1 where swift-f0 is sure of a voice by .5 or more.
- ``H1H2``: level of the first harmonic over that of the second, of the sound as it is (COVAREP: of
  the glottal flow, after inverse filtering); 0 where there is no voice.
- ``peakSlope``: slope of the logarithms of the peaks of seven octave bands (Kane and Gobl 2011).
- ``MCEP_0`` to ``MCEP_24``: cepstrum of the true envelope (Roebel and Rodet 2005) on the mel scale.
"""

_GLOTTAL = "needs the instants of glottal closure and the inverse-filtered glottal flow"
_PHASES = "needs the phases of a harmonic model (HMPD)"
COVAREP_ABSENT = {
    **dict.fromkeys(("NAQ", "QOQ", "PSP"), _GLOTTAL),
    "MDQ": "needs the instants of glottal closure and the residual of linear prediction",
    **dict.fromkeys(("Rd", "Rd_conf"), "needs a fitted Liljencrants-Fant model of the glottis"),
    "creak": "needs COVAREP's trained network",
    **{f"HMPDM_{n}": _PHASES for n in range(25)},
    **{f"HMPDD_{n}": _PHASES for n in range(13)},
}
"""Why each of COVAREP's other columns is not measured."""


def covarep_meter() -> WindowMeter:
    """A meter of the columns.

    Raises:
        DeadpanError: swift-f0 is not installed, or another version of its model.
    """
    return WindowMeter(_measure, columns=COVAREP_COLUMNS, step=STEP, window=WINDOW, reach=REACH)


def _measure(
    samples: Float32[np.ndarray, " sample"], begin: int, steps: int
) -> Float[np.ndarray, "step column"]:
    """The columns of the steps from a sample on; a step that is not whole is none."""
    steps = min(steps, (len(samples) - begin) // STEP)
    if not steps:
        return np.zeros((0, len(COVAREP_COLUMNS)))
    pitch, voiced = _pitch(samples, begin, steps)
    x = samples.astype(np.float64)
    frames = _frames(x, begin)[:steps] * _window()
    levels = np.log((np.abs(np.fft.rfft(frames, SIZE)) * 2 / _window().sum()).clip(FLOOR))
    rows = np.empty((steps, len(COVAREP_COLUMNS)))
    rows[:, 0], rows[:, 1] = pitch, voiced
    rows[:, 2] = np.where(voiced, _harmonics(frames, pitch), 0.0)
    rows[:, 3] = _peak_slopes(x, begin, steps)
    rows[:, 4:] = _mel_cepstra(_true_envelopes(levels, np.where(voiced, pitch, UNVOICED_PITCH)))
    return rows


def _frames(x: Float[np.ndarray, " sample"], begin: int) -> Float[np.ndarray, "step frame"]:
    """The frame around the middle of each step from a sample on; 0 where nothing was recorded."""
    half = FRAME // 2
    padded = np.pad(x, half)  # a frame then begins where its middle was
    return np.lib.stride_tricks.sliding_window_view(padded, FRAME)[begin + STEP // 2 :: STEP]


def _pitch(
    samples: Float32[np.ndarray, " sample"], begin: int, steps: int
) -> tuple[Float[np.ndarray, " step"], np.ndarray]:
    """Hz of each step, 0 where it has no voice, and whether it has one."""
    # Without the last half hop, which may lie behind the end, it would not tell the last frame.
    result = pitch_detector().detect(np.pad(samples, (0, HOP)), RATE, *PITCHES)
    frames = np.round((begin + (np.arange(steps) + 0.5) * STEP) / HOP).astype(int)
    frames = frames.clip(max=len(result.pitch_hz) - 1)
    voiced = result.confidence[frames] >= VOICED
    return np.where(voiced, result.pitch_hz[frames], 0.0), voiced


def _harmonics(
    frames: Float[np.ndarray, "step sample"], pitch: Float[np.ndarray, " step"]
) -> Float[np.ndarray, " step"]:
    """By how many dB the spectrum of each frame is higher at the pitch than at twice the pitch."""
    angles = 2 * np.pi / RATE * pitch[:, None] * np.arange(FRAME)
    first, second = (
        np.abs((frames * np.exp(-1j * number * angles)).sum(axis=1)) * 2 / _window().sum()
        for number in (1, 2)
    )
    return 20 * np.log10(first.clip(FLOOR) / second.clip(FLOOR))


def _peak_slopes(
    x: Float[np.ndarray, " sample"], begin: int, steps: int
) -> Float[np.ndarray, " step"]:
    """Slope of the base-10 logarithms of the octave bands' peaks, from low to high, per octave."""
    peaks: list[np.ndarray] = []
    for band in reversed(range(BANDS)):
        wavelet = _wavelet(band)
        reach = len(wavelet) // 2
        size = len(x) + len(wavelet) - 1
        y = np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(wavelet, size), size)
        frames = _frames(np.abs(y[reach : reach + len(x)]), begin)[:steps]
        peaks.append(np.log10(frames.max(axis=1).clip(FLOOR)))
    numbers = np.arange(BANDS) - (BANDS - 1) / 2
    return numbers @ np.stack(peaks) / (numbers @ numbers)


@cache
def _wavelet(octave: int) -> Float[np.ndarray, " sample"]:
    """A cosine under a Gaussian, around 8000 Hz or octaves below (d'Alessandro and Sturmel 2011).

    It is as high in each octave, so that white noise is louder in the lower ones.
    """
    scale = 2**octave
    time = np.arange(-6 * scale, 6 * scale + 1) / scale  # in samples of the highest octave
    return -np.cos(np.pi * time) * np.exp(-(time**2) / 2)


def _true_envelopes(
    levels: Float[np.ndarray, "step bin"], pitch: Float[np.ndarray, " step"]
) -> Float[np.ndarray, "step bin"]:
    """Smooth curves over the peaks of logarithmic spectra.

    A cepstrally smoothed spectrum is raised to the spectrum where that is higher, and smoothed
    again, until no peak stands out of it by more than 2 dB.
    """
    order = WIDENING * RATE / 2 / pitch[:, None]
    quefrency = np.arange(SIZE // 2 + 1)
    lifter = 0.54 + 0.46 * np.cos(np.pi * quefrency / order)
    lifter[quefrency > order] = 0.0
    envelopes, raised = levels.copy(), levels.copy()
    left = np.arange(len(levels))
    for _ in range(ENVELOPE_ROUNDS):
        cepstra = np.fft.irfft(raised[left], SIZE)[:, : SIZE // 2 + 1]
        # The real transform of an even sequence, of which irfft gives both halves.
        smooth = np.fft.rfft(_even(cepstra * lifter[left]), SIZE).real
        envelopes[left] = smooth
        raised[left] = np.maximum(raised[left], smooth)
        left = left[(levels[left] - smooth).max(axis=1) > ENVELOPE_PRECISION]
        if not len(left):
            break
    return envelopes


def _even(half: Float[np.ndarray, "step bin"]) -> Float[np.ndarray, "step sample"]:
    """Both halves of even sequences."""
    return np.concatenate([half, half[:, -2:0:-1]], axis=1)


def _mel_cepstra(envelopes: Float[np.ndarray, "step bin"]) -> Float[np.ndarray, "step coefficient"]:
    """Coefficients c such that a logarithmic amplitude is c0 + c1 cos(w) + c2 cos(2 w) + ...

    ``w`` goes evenly from 0 to pi over the mel scale.
    """
    bins = np.arange(envelopes.shape[1]) * RATE / SIZE
    mels = 1127 * np.log1p(bins / 700)
    even = np.linspace(0, mels[-1], len(bins))
    places = np.interp(even, mels, np.arange(len(bins)))
    lower = np.floor(places).astype(int).clip(max=len(bins) - 2)
    share = places - lower
    warped = envelopes[:, lower] * (1 - share) + envelopes[:, lower + 1] * share
    cepstra = np.fft.irfft(warped, SIZE)[:, :MCEPS]
    cepstra[:, 1:] *= 2
    return cepstra


@cache
def _window() -> Float[np.ndarray, " sample"]:
    """A periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
