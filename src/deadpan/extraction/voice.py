"""Pitch and 23 descriptors of the voice, 12.5 times a second, measured as the audio arrives.

swift-f0 finds the pitch; numpy computes the rest. Definitions follow GeMAPS (Eyben et al. 2016,
The Geneva Minimalistic Acoustic Parameter Set, doi 10.1109/TAFFC.2015.2457417, section 4), where
it has the descriptor. What differs is that a step's spectrum is the mean power spectrum of its five
frames, so that its loud frames count more.
"""

import math
import types
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32

from deadpan.data.containers.files import file_sha256
from deadpan.errors import DeadpanError
from deadpan.extraction.media import RATE, AudioBlock
from deadpan.extraction.sequences import Column, MeasuredSequence

if TYPE_CHECKING:
    from swift_f0 import SwiftF0

STEP = 1280
"""Samples of a step: 80 ms."""
VOICE_RATE = RATE / STEP
"""Steps per second."""

HOP = 256
"""Samples from one frame to the next, as swift-f0 has it."""
FRAMES = STEP // HOP
"""Frames of a step; their centres lie evenly around the step's own."""
WINDOW = 512
"""Samples of a frame: 32 ms."""
REACH = (WINDOW - HOP) // 2
"""Samples by which the frames of a step reach beyond it, on either side."""
SWIFT_F0_SHA256 = "6385e8c2ebc3872e82c9ff5946228de44cd3be77a750ea53698b7dbfe94b0a22"
"""SHA-256 of swift-f0's model: with another, pitches would be others under the same name."""
BEFORE, AFTER = 11, 10
"""Frames around a frame on which its pitch depends, as swift-f0 states."""
CHUNK = 50
"""Steps that are measured at once, counted on the recording's clock: the blocks do not decide."""

LOWEST_NOTE = 27.5
"""Hz of semitone 0, as in GeMAPS."""
PITCHES = (46.875, 1000.0)
"""Hz: the least that swift-f0 tells, and a child's scream."""
VOICED = 0.5
"""The confidence from which swift-f0 calls a frame voiced."""
FLOOR = 1e-10
"""Mean square of the white noise that is added to every spectrum: -100 dB, about what rounding to
16 bits makes. With it, descriptors are defined in silence: those of that noise."""
PERIODS = (1 / 500, 1 / 60)
"""Seconds: the autocorrelation's peak of harmonicity is sought between these."""
FINER = 8
"""Times that the autocorrelation is sampled more finely than the audio: between samples a peak
would be lower, and harmonicity end at 20 dB."""
MOST_HARMONIC = 40.0
"""dB: above this, harmonicity tells the window and no voice."""
MEL_BANDS, MFCCS = 26, 13
MEL_RANGE = (20.0, 8000.0)
"""Hz that the mel filters cover, as in GeMAPS."""
FREQUENCIES = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
"""Hz of the bins of a frame's spectrum."""

_OURS = "deadpan 1, after GeMAPS (Eyben et al. 2016)"


def _column(
    name: str, unit: str, low: int | float, high: int | float, source: str = _OURS
) -> Column:
    return Column(name=name, unit=unit, source=source, low=float(low), high=float(high))


# Spectra lie between -100 dB, the floor, and 22 dB, the peak of a square wave at full scale; the
# bounds of what is computed from them follow from these two.
VOICE_COLUMNS = (
    # 0 where no frame is voiced, as in GeMAPS.
    _column("pitch", "semitone", 0, 12 * math.log2(PITCHES[1] / LOWEST_NOTE), "swift-f0 0.3.0"),
    _column("pitch_confidence", "", 0, 1, "swift-f0 0.3.0"),
    _column("loudness", "dB", -100, 0),
    _column("spectral_centroid", "Hz", 0, RATE / 2),
    _column("spectral_flatness", "dB", -125, 0),
    _column("alpha_ratio", "dB", -125, 125),
    _column("hammarberg_index", "dB", -125, 125),
    _column("slope_0_500", "dB/kHz", -380, 380),
    _column("slope_500_1500", "dB/kHz", -190, 190),
    _column("spectral_flux", "", 0, 2),
    _column("zero_crossing_rate", "1/s", 0, RATE),
    _column("harmonicity", "dB", -MOST_HARMONIC, MOST_HARMONIC),
    *(_column(f"mfcc_{n}", "", -75, 75) for n in range(1, MFCCS + 1)),
)
"""What is measured of a voice, in order.

- ``pitch``: median of the voiced frames, in semitones above 27.5 Hz; 0 where none is voiced.
- ``pitch_confidence``: mean over the frames of how sure it is that a voice or tone is there.
- ``loudness``: root of the mean square, relative to full scale: -3 dB for the loudest sine.
- ``spectral_centroid``: mean frequency, weighted by power.
- ``spectral_flatness``: geometric over arithmetic mean of the power spectrum; 0 dB for white noise.
- ``alpha_ratio``: power in 50-1000 Hz over that in 1-5 kHz. (openSMILE writes it with the sign
  turned.)
- ``hammarberg_index``: highest power in 0-2 kHz over that in 2-5 kHz.
- ``slope_0_500``, ``slope_500_1500``: of a line through the spectrum in dB between these Hz.
- ``spectral_flux``: squared distance of the magnitude spectra of consecutive frames of the step,
  each scaled to length 1; the mean of four.
- ``zero_crossing_rate``: changes of sign per second, about the step's mean.
- ``harmonicity``: power of the periodic part over that of the rest, from the highest peak of the
  normalised autocorrelation (Boersma 1993, Accurate short-term analysis of the fundamental
  frequency and the harmonics-to-noise ratio of a sampled sound).
- ``mfcc_1`` to ``mfcc_13``: orthonormal cosine transform of the natural logarithm of the power in
  26 mel bands; coefficient 0, which is loudness again, is left out.
"""


class VoiceMeter:
    """Measures the voice in blocks of audio, which come in order of time at 16 kHz.

    Numbers do not depend on how the audio is cut into blocks. At most four seconds of audio are
    held. A step of which any sample is missing, at the ends or in a gap, is absent. Pitch depends
    on up to .18 s around its frame, all else on the step and 8 ms around it: what is cut out of a
    longer recording at a multiple of 80 ms has the same numbers but near the cuts.
    """

    def __init__(self) -> None:
        self._detector = pitch_detector()
        self._pending: list[Float32[np.ndarray, " sample"]] = []
        self._start = 0  # where the first pending sample stands on the clock, in samples
        self._end = 0  # where the next sample would stand
        self._next = 0  # the first step that was not measured yet
        self._measured: dict[int, Float32[np.ndarray, "step column"]] = {}  # by first step

    def push(self, block: AudioBlock) -> None:
        """Measure one more block."""
        if not len(block.samples):
            return
        position = round(block.time * RATE)
        if not self._pending or abs(position - self._end) > 1:  # times are rounded: 1 is no gap
            self._measure(self._end // STEP)
            self._start = self._end = max(position, self._end)
            self._next = -(-self._start // STEP)
            self._pending = []
        self._pending.append(block.samples)
        self._end += len(block.samples)
        whole = (self._end - (AFTER + 1) * HOP) // (CHUNK * STEP) * CHUNK
        if whole > self._next:
            self._measure(whole)

    def finish(self) -> MeasuredSequence:
        """Measure what is left; nothing may be pushed after it.

        Returns:
            A sequence from the first step to the last one that is whole. Its confidence is that of
            the pitch.
        """
        self._measure(self._end // STEP)
        first = min(self._measured, default=0)
        count = max((start + len(x) for start, x in self._measured.items()), default=0) - first
        values = np.zeros((count, len(VOICE_COLUMNS)), np.float32)
        present = np.zeros(count, bool)
        for start, measured in self._measured.items():
            steps = slice(start - first, start - first + len(measured))
            values[steps], present[steps] = measured, True
        return MeasuredSequence(
            columns=VOICE_COLUMNS,
            rate=VOICE_RATE,
            first=first,
            values=values,
            present=present,
            confidence=values[:, 1].copy(),
        )

    def _measure(self, stop: int) -> None:
        """Measure the steps before ``stop``, and forget what no later step needs."""
        if stop <= self._next:
            return
        samples = np.concatenate(self._pending)
        while self._next < stop:
            first, last = self._next, min(stop, (self._next // CHUNK + 1) * CHUNK)
            pitch = self._pitch(samples, first, last)
            rest = _described(_cut(samples, first * STEP - self._start, last * STEP - self._start))
            self._measured[first] = np.column_stack([pitch, rest]).astype(np.float32)
            self._next = last
        keep = max(0, stop * STEP - BEFORE * HOP - self._start)
        self._pending, self._start = [samples[keep:]], self._start + keep

    def _pitch(
        self, samples: Float32[np.ndarray, " sample"], first: int, last: int
    ) -> Float[np.ndarray, "step 2"]:
        """Pitch in semitones and its confidence."""
        # swift-f0 centres frames at multiples of HOP from where it starts to hear.
        centre = first * STEP + HOP // 2 - self._start
        before = min(BEFORE, centre // HOP)
        count = (last - first) * FRAMES
        begin = centre - before * HOP
        heard = samples[begin : begin + (before + count + AFTER) * HOP]
        # Without the last half hop, which may lie behind the end, it would not tell the last frame.
        heard = np.pad(heard, (0, max(0, (before + count) * HOP - len(heard))))
        result = self._detector.detect(heard, RATE, *PITCHES)
        hertz, confidence = (
            x[before : before + count].reshape(-1, FRAMES)
            for x in (result.pitch_hz, result.confidence)
        )
        semitones = np.where(confidence >= VOICED, 12 * np.log2(hertz / LOWEST_NOTE), np.nan)
        voiced = ~np.isnan(semitones).all(axis=1)
        pitch = np.zeros(len(semitones))
        pitch[voiced] = np.nanmedian(semitones[voiced], axis=1)
        return np.column_stack([pitch, confidence.mean(axis=1)])


def _cut(
    samples: Float32[np.ndarray, " sample"], begin: int, end: int
) -> Float[np.ndarray, " longer"]:
    """The samples of some steps with what frames reach beyond them, 0 where nothing was recorded.

    Args:
        samples: those at hand.
        begin: index of the first sample of the first step.
        end: index after the last sample of the last step.
    """
    begin, end = begin - REACH, end + REACH
    padding = max(0, -begin), max(0, end - len(samples))
    return np.pad(samples[max(0, begin) : end].astype(np.float64), padding)


def _described(samples: Float[np.ndarray, " sample"]) -> Float[np.ndarray, "step descriptor"]:
    """Everything but the pitch, of all steps in ``samples``, which reach beyond the steps."""
    steps = samples[REACH:-REACH].reshape(-1, STEP)
    steps = steps - steps.mean(axis=1, keepdims=True)
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    frames = frames.reshape(-1, FRAMES, WINDOW)
    frames = frames - frames.mean(axis=2, keepdims=True)
    window = _hann(WINDOW)
    powers = np.abs(np.fft.rfft(frames * window)) ** 2 / (window**2).sum() + FLOOR
    power = powers.mean(axis=1)
    level = 10 * np.log10(power)
    return np.column_stack(
        [
            10 * np.log10((steps**2).mean(axis=1).clip(FLOOR)),
            power @ FREQUENCIES / power.sum(axis=1),
            (level.mean(axis=1) - 10 * np.log10(power.mean(axis=1))).clip(max=0),
            _above(power[:, _bins(50, 1000)].sum(axis=1), power[:, _bins(1000, 5000)].sum(axis=1)),
            _above(power[:, _bins(0, 2000)].max(axis=1), power[:, _bins(2000, 5000)].max(axis=1)),
            _slope(level, _bins(0, 500)),
            _slope(level, _bins(500, 1500)),
            _flux(np.sqrt(powers)),
            np.count_nonzero(np.diff(steps > 0), axis=1) * RATE / (STEP - 1),
            _harmonicity(steps),
            np.log(power @ _mel_filters().T) @ _cosines().T,
        ]
    )


def _hann(count: int) -> Float[np.ndarray, " count"]:
    """A periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(count) / count)


def _bins(low: int, high: int) -> slice:
    """The bins of a frame's spectrum above ``low`` Hz and up to ``high`` Hz."""
    return slice(*np.searchsorted(FREQUENCIES, [low, high], side="right"))


def _above(
    power: Float[np.ndarray, " step"], other: Float[np.ndarray, " step"]
) -> Float[np.ndarray, " step"]:
    """By how many dB the first power is above the other."""
    return 10 * np.log10(power / other)


def _slope(level: Float[np.ndarray, "step bin"], bins: slice) -> Float[np.ndarray, " step"]:
    """Slope in dB/kHz of the line that fits some bins by least squares."""
    x = FREQUENCIES[bins] / 1000
    x = x - x.mean()
    return level[:, bins] @ x / (x @ x)


def _flux(magnitudes: Float[np.ndarray, "step frame bin"]) -> Float[np.ndarray, " step"]:
    """Mean squared distance of consecutive spectra of length 1."""
    unit = magnitudes / np.linalg.norm(magnitudes, axis=2, keepdims=True)
    return (np.diff(unit, axis=1) ** 2).sum(axis=2).mean(axis=1)


def _harmonicity(steps: Float[np.ndarray, "step sample"]) -> Float[np.ndarray, " step"]:
    """Harmonics to noise in dB, by the window and the division of Boersma (1993)."""
    window = _hann(STEP)
    shortest, longest = (round(seconds * RATE * FINER) for seconds in PERIODS)
    lags = slice(shortest - 1, longest + 2)
    own = _autocorrelation(window[None], floor=0.0)[:, lags]
    correlation = _autocorrelation(steps * window, floor=FLOOR * (window**2).sum())[:, lags] / own
    inner = correlation[:, 1:-1]
    peaks = (inner >= correlation[:, :-2]) & (inner >= correlation[:, 2:])
    highest = np.where(peaks, inner, 0).max(axis=1)
    limit = 10 ** (-MOST_HARMONIC / 10) / 1.01  # dB of it: 40.04, which the clip below ends
    highest = highest.clip(limit, 1 - limit)
    return (10 * np.log10(highest / (1 - highest))).clip(-MOST_HARMONIC, MOST_HARMONIC)


def _autocorrelation(
    x: Float[np.ndarray, "step sample"], floor: float
) -> Float[np.ndarray, "step lag"]:
    """Autocorrelation, 1 at lag 0, at ``FINER`` lags a sample.

    ``floor`` is the energy of white noise that is added.
    """
    size = 2 * STEP  # more than the samples and the longest lag: nothing wraps around
    power = np.abs(np.fft.rfft(x, size)) ** 2 + floor
    correlation = np.fft.irfft(power, FINER * size)
    return correlation / correlation[:, :1]


@cache
def _mel_filters() -> Float[np.ndarray, "band bin"]:
    """Triangles of height 1, evenly spaced on the mel scale of HTK."""
    low, high = (1127 * math.log(1 + hertz / 700) for hertz in MEL_RANGE)
    edges = 700 * (np.exp(np.linspace(low, high, MEL_BANDS + 2) / 1127) - 1)
    rising = (FREQUENCIES - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - FREQUENCIES) / np.diff(edges)[1:, None]
    return np.minimum(rising, falling).clip(0)


@cache
def _cosines() -> Float[np.ndarray, "coefficient band"]:
    """Rows 1 to ``MFCCS`` of the orthonormal cosine transform (DCT-II)."""
    order, band = np.arange(1, MFCCS + 1)[:, None], np.arange(MEL_BANDS)
    return math.sqrt(2 / MEL_BANDS) * np.cos(np.pi * order * (band + 0.5) / MEL_BANDS)


@cache
def pitch_detector() -> "SwiftF0":
    """swift-f0 on one thread, which does not spin; DeadpanError if its model is another."""
    swift_f0 = _swift_f0()
    model = Path(swift_f0.__path__[0]) / "model.onnx"
    if file_sha256(model) != SWIFT_F0_SHA256:
        raise DeadpanError(
            f"{model}: is not the model of swift-f0 0.3.0, by which voices are measured; run: pip "
            "install swift-f0==0.3.0"
        )
    return swift_f0.SwiftF0(threads=1, spin=False)


def _swift_f0() -> types.ModuleType:
    """The package swift-f0."""
    try:
        import swift_f0
    except ImportError:
        raise DeadpanError(
            "measuring the voice needs swift-f0; run: pip install 'deadpan[video]'"
        ) from None
    return swift_f0
