import math
import sys
import weakref

import numpy as np
import pytest
from scipy.fft import dct

from deadpan.errors import DeadpanError
from deadpan.extraction import voice
from deadpan.extraction.media import AudioBlock
from deadpan.extraction.voice import VOICE_COLUMNS, VOICE_RATE, VoiceMeter

pytest.importorskip("swift_f0", reason="needs swift-f0, of the extra video")

RATE = 16_000
STEP = 0.08
SEMITONE = 0.25  # a quarter of one: swift-f0's pitches are interpolated between steps of .7
SPAN = np.array([column.high - column.low for column in VOICE_COLUMNS])
SECONDS = np.arange(2 * RATE) / RATE


def sine(hertz, level=0.5, seconds=SECONDS):
    return level * np.sin(2 * np.pi * hertz * seconds)


def buzz(hertz, level=0.1, harmonics=19, seconds=SECONDS):
    """Sines at the first multiples of a pitch, as the vocal folds make them."""
    return sum(sine(n * hertz, level, seconds) for n in range(1, harmonics + 1))


def noise(level=0.1, slope=0.0, seconds=2.0, seed=0):
    """Gaussian noise whose spectrum falls by ``slope`` dB per kHz."""
    count = round(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0, level, count))
    return np.fft.irfft(spectrum * 10 ** (slope * np.fft.rfftfreq(count, 1 / RATE) / 20_000))


def blocks(samples, sizes=(400,), start=0.0):
    """Blocks of these sizes, over and over."""
    first, turn = 0, 0
    while first < len(samples):
        size = sizes[turn % len(sizes)]
        piece = np.asarray(samples[first : first + size], np.float32)
        yield AudioBlock(time=start + first / RATE, samples=piece)
        first, turn = first + size, turn + 1


def measured(*parts):
    meter = VoiceMeter()
    for part in parts:
        for block in part:
            meter.push(block)
    return meter.finish()


def column(sequence, name):
    return sequence.values[:, [c.name for c in VOICE_COLUMNS].index(name)]


def medians(samples):
    sequence = measured(blocks(samples))
    assert sequence.present.all()
    return {c.name: np.median(column(sequence, c.name)) for c in VOICE_COLUMNS}


def test_pitch_and_its_confidence_are_those_of_a_buzz():
    sequence = measured(blocks(buzz(220)))
    inner = slice(3, -3)  # near the ends swift-f0 hears silence
    assert column(sequence, "pitch")[inner] == pytest.approx(36, abs=SEMITONE)  # 27.5 * 2**3
    assert column(sequence, "pitch_confidence")[inner].min() > 0.9
    assert (sequence.confidence == column(sequence, "pitch_confidence")).all()


def test_pitch_changes_where_the_voice_does():
    sequence = measured(blocks(np.concatenate([buzz(110), buzz(220)])))
    pitch = column(sequence, "pitch")
    assert pitch[3:24] == pytest.approx(24, abs=SEMITONE)
    assert pitch[26:47] == pytest.approx(36, abs=SEMITONE)


def test_the_pitch_of_a_step_is_that_of_its_middle():
    errors = []
    for speed in (12, -12):  # semitones per second: 8 ms are .1 of one
        semitones = 30 + speed * (SECONDS - 1)
        phase = np.cumsum(27.5 * 2 ** (semitones / 12)) / RATE
        sequence = measured(blocks(buzz(1, seconds=phase)))
        middle = sequence.times().mean(axis=1)
        error = column(sequence, "pitch") - (30 + speed * (middle - 1))
        errors.append(np.median(error[3:-3]))
    # What swift-f0 errs by is the same both ways; a shift in time is not.
    assert errors[0] - errors[1] == pytest.approx(0, abs=0.05)


def test_noise_has_no_pitch():
    sequence = measured(blocks(noise()))
    assert (column(sequence, "pitch") == 0).all()
    assert column(sequence, "pitch_confidence").max() < 0.1


def test_descriptors_of_a_sine_are_known():
    values = medians(sine(3000))
    assert values["loudness"] == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=0.01)
    assert values["spectral_centroid"] == pytest.approx(3000, abs=1)
    assert values["zero_crossing_rate"] == pytest.approx(6000, abs=1 / STEP)  # one more or less
    assert values["spectral_flux"] < 1e-6
    assert values["harmonicity"] > 35
    # The power of a periodic Hann window's peak is two thirds of its length: .25/4 * 1024/3. Beyond
    # the sine only the floor is there; the window's feet are what the tolerance is for.
    peak = 10 * math.log10(0.5**2 / 4 * 2 / 3 * 512)
    assert values["hammarberg_index"] == pytest.approx(-100 - peak, abs=3)


def test_descriptors_of_white_noise_are_known():
    values = medians(noise())
    assert values["loudness"] == pytest.approx(-20, abs=0.5)
    assert values["spectral_centroid"] == pytest.approx(4000, abs=150)
    # Of a mean over about four independent frames: digamma(4) - log(4) nepers of power.
    assert values["spectral_flatness"] == pytest.approx(10 * math.log10(math.exp(-0.13)), abs=0.2)
    assert values["alpha_ratio"] == pytest.approx(10 * math.log10(950 / 4000), abs=0.5)
    assert values["hammarberg_index"] == pytest.approx(0, abs=1)
    assert values["zero_crossing_rate"] == pytest.approx(RATE / 2, rel=0.03)
    assert values["harmonicity"] < -5
    # 2 - 2 E|X|^2 / E|X^2| of Rayleigh magnitudes; frames overlap, which makes it a little less.
    assert values["spectral_flux"] == pytest.approx(2 - math.pi / 2, abs=0.05)


def test_slopes_and_ratios_of_falling_noise_are_known():
    values = medians(noise(slope=-20))
    assert values["slope_500_1500"] == pytest.approx(-20, abs=1.5)
    assert values["slope_0_500"] == pytest.approx(-20, abs=6)  # of 16 bins
    # The integral of 10**(-2 kHz): between .05 and 1, and between 1 and 5.
    ratio = (10**-0.1 - 10**-2) / (10**-2 - 10**-10)
    assert values["alpha_ratio"] == pytest.approx(10 * math.log10(ratio), abs=0.7)
    assert values["hammarberg_index"] == pytest.approx(40, abs=3)


@pytest.mark.parametrize("decibels", [0, 10, 20])
def test_harmonicity_is_the_ratio_of_a_buzz_to_noise(decibels):
    power = 19 * 0.1**2 / 2
    values = medians(buzz(150) + noise(math.sqrt(power / 10 ** (decibels / 10))))
    assert values["harmonicity"] == pytest.approx(decibels, abs=1)


def test_mfccs_are_those_of_the_textbook():
    samples = noise(slope=-5)
    frames = [samples[1280 + 256 * n - 128 :][:512] for n in range(5)]  # of the second step
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    power = np.mean([abs(np.fft.rfft((f - f.mean()) * window)) ** 2 / 192 for f in frames], axis=0)
    mel = [1127 * math.log(1 + hertz / 700) for hertz in (20, 8000)]
    edges = [700 * (math.exp(m / 1127) - 1) for m in np.linspace(*mel, 28)]
    bands = []
    for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
        weights = np.interp(np.arange(257) * 31.25, [low, middle, high], [0, 1, 0])
        bands.append(power @ weights)
    expected = dct(np.log(bands), norm="ortho")[1:14]
    sequence = measured(blocks(samples))
    # float32 rounds both the samples and the result.
    assert sequence.values[1, -13:] == pytest.approx(expected, abs=1e-4)


def test_only_loudness_tells_how_loud_it_is():
    quiet, loud = measured(blocks(noise(0.01))), measured(blocks(noise(0.1)))
    change = loud.values - quiet.values
    assert column(loud, "loudness") - column(quiet, "loudness") == pytest.approx(20, abs=1e-3)
    change[:, 1:3] = 0  # how sure swift-f0 is depends on it too
    # A noise floor at -100 dB, 60 below the quiet noise, changes the weakest bins a little.
    assert np.abs(change / SPAN).max() < 1e-3


def test_silence_is_that_of_the_floor():
    sequence = measured(blocks(np.zeros(RATE)))
    assert len(sequence.values) == 12
    assert sequence.present.all()
    assert (sequence.confidence == 0).all()
    for name, value in {
        "pitch": 0,
        "loudness": -100,
        "spectral_centroid": 4000,
        "spectral_flatness": 0,
        "alpha_ratio": 10 * math.log10(31 / 128),  # bins of 31.25 Hz
        "hammarberg_index": 0,
        "spectral_flux": 0,
        "zero_crossing_rate": 0,
    }.items():
        assert column(sequence, name) == pytest.approx(value, abs=1e-3), name


def test_a_constant_voltage_is_silence():
    for name in ("loudness", "spectral_centroid", "zero_crossing_rate"):
        silence, constant = (measured(blocks(np.full(RATE, x))) for x in (0, 0.25))
        assert column(constant, name)[1:-1] == pytest.approx(column(silence, name)[1:-1])


@pytest.mark.parametrize(
    "samples",
    [
        np.sign(sine(50)),
        np.sign(sine(7000)),
        sine(200, 1.0),
        sine(8000, 1.0),
        (np.arange(RATE) % 1280 == 0) * 1.0,
        (np.arange(RATE) > 6000) * 1.0,
        np.random.default_rng(0).choice([-1.0, 1.0], RATE),
        np.cumsum(noise(0.001)),
    ],
)
def test_values_are_within_their_columns_ranges(samples):
    values = measured(blocks(samples)).values
    assert np.isfinite(values).all()
    for number, column in enumerate(VOICE_COLUMNS):
        assert values[:, number].min() >= column.low, column
        assert values[:, number].max() <= column.high, column


def test_there_are_25_columns_of_different_names():
    assert len({column.name for column in VOICE_COLUMNS}) == len(VOICE_COLUMNS) == 25


def speech(seconds):
    """A voice whose pitch sways between 120 and 180 Hz, half a second of pause after each."""
    samples = np.arange(seconds * RATE)
    phase = 2 * np.pi * np.cumsum(150 + 30 * np.sin(samples / 9000)) / RATE
    voiced = sum(np.sin(n * phase) / n for n in range(1, 12)) / 8
    return np.where(samples // 8000 % 3 < 2, voiced, 0) + noise(0.003, seconds=seconds)


SPEECH = speech(9)


@pytest.mark.parametrize("sizes", [(9 * RATE,), (1, 7, 9999), (1024,)])
def test_the_size_of_blocks_changes_nothing(sizes):
    one, other = measured(blocks(SPEECH)), measured(blocks(SPEECH, sizes))
    assert (one.values == other.values).all()
    assert (one.first, len(one.values)) == (0, 112)


def test_a_clip_measures_as_the_recording_it_was_cut_from():
    whole, clip = measured(blocks(SPEECH)), measured(blocks(SPEECH[30 * 1280 : 100 * 1280]))
    change = np.abs(whole.values[30:100] - clip.values) / SPAN
    # onnxruntime may sum in another order where windows differ in length.
    assert change[3:-3].max() < 1e-4
    # At a cut the frames half outside hear silence. All is near but pitch, which needs .18 s.
    assert change[:, 2:].max() < 0.05


def test_a_gap_is_absent_and_the_clock_goes_on():
    first, second = buzz(110)[: RATE // 2], buzz(220)
    sequence = measured(blocks(first, start=0.3), blocks(second, start=100.01))
    assert sequence.rate == VOICE_RATE == 12.5
    assert sequence.first == 4  # .32 s: the step from .24 s on lacks its beginning
    times = sequence.times()
    present = times[sequence.present]
    assert present[[0, 5, 6, -1]] == pytest.approx(
        np.array([[0.32, 0.40], [0.72, 0.80], [100.08, 100.16], [101.92, 102.0]])
    )
    assert len(present) == 6 + 24
    absent = ~sequence.present
    assert (sequence.values[absent] == 0).all()
    assert (sequence.confidence[absent] == 0).all()
    assert column(sequence, "pitch")[-6] == pytest.approx(36, abs=SEMITONE)


def test_times_that_are_rounded_are_no_gap():
    samples = buzz(220)
    shifted = [
        AudioBlock(time=block.time + 0.9 * (number % 2) / RATE, samples=block.samples)
        for number, block in enumerate(blocks(samples))
    ]
    assert (measured(shifted).values == measured(blocks(samples)).values).all()


def test_what_is_shorter_than_a_step_has_none():
    for sequence in (measured(), measured(blocks(buzz(220)[:1200])), measured(blocks([]))):
        assert sequence.values.shape == (0, 25)
        assert sequence.times().shape == (0, 2)


def test_one_step_is_measured():
    sequence = measured(blocks(buzz(220)[:1280]))
    assert sequence.present.tolist() == [True]


def test_at_most_five_seconds_of_audio_are_held():
    meter = VoiceMeter()
    arrays = []
    for block in blocks(SPEECH, (RATE,)):
        meter.push(block)
        arrays.append(weakref.ref(block.samples))
    del block
    assert sum(array() is not None for array in arrays) <= 5


def test_another_model_of_swift_f0_is_refused(monkeypatch):
    monkeypatch.setattr(voice, "SWIFT_F0_SHA256", "0" * 64)
    voice.pitch_detector.cache_clear()
    with pytest.raises(
        DeadpanError, match=r"model\.onnx: is not the model of .* pip install swift"
    ):
        VoiceMeter()


def test_a_missing_extra_names_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "swift_f0", None)
    voice.pitch_detector.cache_clear()
    with pytest.raises(DeadpanError, match=r"pip install 'deadpan\[video\]'"):
        VoiceMeter()
