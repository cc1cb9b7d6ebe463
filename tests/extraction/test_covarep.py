import math

import numpy as np
import pytest

from deadpan.extraction.covarep import COVAREP_ABSENT, COVAREP_COLUMNS, REACH, covarep_meter
from deadpan.extraction.media import AudioBlock

from ..recordings.sounds import tone

pytest.importorskip("swift_f0", reason="needs swift-f0, of the extra video")
RATE = 16_000
COLUMN = {column.name: number for number, column in enumerate(COVAREP_COLUMNS)}
ORIGINAL = [
    *"F0 VUV NAQ QOQ H1H2 PSP MDQ peakSlope Rd Rd_conf creak".split(),
    *(f"MCEP_{n}" for n in range(25)),
    *(f"HMPDM_{n}" for n in range(25)),
    *(f"HMPDD_{n}" for n in range(13)),
]


def measured(samples, block=4000):
    meter = covarep_meter()
    samples = np.asarray(samples, np.float32)
    for start in range(0, len(samples), block):
        meter.push(AudioBlock(time=start / RATE, samples=samples[start : start + block]))
    return meter.finish()


def column(samples, name):
    """A column without the first and the last tenth of a second."""
    return measured(samples).values[10:-10, COLUMN[name]]


def noise(seconds=0.5, level=0.1):
    return np.random.default_rng(0).uniform(-level, level, round(seconds * RATE))


def test_each_of_covareps_74_columns_is_measured_or_said_to_be_absent():
    assert len(ORIGINAL) == 74
    measured_here = [name for name in ORIGINAL if name not in COVAREP_ABSENT]
    assert measured_here == [column.name for column in COVAREP_COLUMNS]
    assert set(COVAREP_ABSENT) < set(ORIGINAL)


@pytest.mark.parametrize("hertz", [90.0, 150.0, 240.0])
def test_the_pitch_of_a_voice_is_in_hertz_and_noise_has_none(hertz):
    assert np.abs(column(tone(hertz), "F0") / hertz - 1).max() < 0.02
    assert (column(tone(hertz), "VUV") == 1).all()
    for name in ("F0", "VUV", "H1H2"):
        assert (column(noise(), name) == 0).all()


def test_a_step_is_100th_of_a_second_and_the_last_one_whole():
    sequence = measured(tone(seconds=0.5055))
    assert (sequence.rate, sequence.values.shape) == (100, (50, len(COVAREP_COLUMNS)))
    assert measured(tone(seconds=0.009)).values.shape == (0, len(COVAREP_COLUMNS))


def test_the_second_harmonic_of_half_the_amplitude_is_six_decibels_down():
    assert np.abs(column(tone(), "H1H2") - 20 * math.log10(2)).max() < 0.1


def test_the_peak_slope_of_white_noise_is_that_of_the_wavelets_energies():
    # A wavelet an octave lower has twice the energy: noise is higher by the root of two.
    slope = column(noise(seconds=4), "peakSlope").mean()
    assert abs(slope + math.log10(2) / 2) < 0.04
    low = np.convolve(noise(seconds=4), np.ones(16) / 16, mode="same")
    assert column(low, "peakSlope").mean() < slope - 0.1


def test_the_mel_cepstrum_of_a_flat_spectrum_is_its_level():
    click = np.zeros(8000)
    click[4000] = 0.5
    row = measured(click).values[25]  # the step whose middle is nearest to it
    cepstrum = row[COLUMN["MCEP_0"] :]
    assert np.abs(cepstrum[1:]).max() < 0.01
    assert cepstrum[0] < math.log(0.5)


def test_a_louder_sound_differs_in_its_level_alone():
    sound = tone() + noise(level=0.02)  # without noise, silence between harmonics has a floor
    difference = (measured(sound).values - measured(sound / 2).values)[10:-10]
    assert np.abs(difference[:, COLUMN["MCEP_0"]] - math.log(2)).max() < 1e-3
    others = [n for name, n in COLUMN.items() if name not in ("MCEP_0", "F0")]
    assert np.abs(difference[:, others]).max() < 0.02


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(8000),
        noise(level=1.0),
        np.sign(tone(200)),
        np.eye(1, 8000, 4000)[0],
        tone(60, level=0.4),
    ],
    ids=["silence", "noise", "square", "click", "low"],
)
def test_numbers_are_finite_and_within_the_ranges(samples):
    values = measured(samples).values
    assert len(values) == 50
    for number, each in enumerate(COVAREP_COLUMNS):
        assert values[:, number].min() >= each.low - 1e-6, each.name
        assert values[:, number].max() <= each.high, each.name


def test_neither_blocks_nor_windows_change_a_number():
    long = np.concatenate([tone(150, 2.5), noise(2.5), tone(200, 3.0)])
    whole = measured(long)
    assert np.array_equal(whole.values, measured(long, block=1237).values)
    cut = 128 * 400  # a multiple of a step and of swift-f0's frames
    part = measured(long[cut:])
    away = REACH // 160
    same = whole.values[cut // 160 + away :]
    assert np.abs(same - part.values[away:]).max() < 1e-3
