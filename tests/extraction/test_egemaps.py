import sys
import types
from pathlib import Path

import numpy as np
import pytest

from deadpan.data.containers.files import file_sha256
from deadpan.errors import DeadpanError
from deadpan.extraction import egemaps
from deadpan.extraction.egemaps import CONFIG, EGEMAPS_COLUMNS, egemaps_meter
from deadpan.extraction.media import AudioBlock, read

from ..recordings.sounds import tone

RATE = 16_000


def measured(samples, block=4000):
    meter = egemaps_meter()
    samples = np.asarray(samples, np.float32)
    for start in range(0, len(samples), block):
        meter.push(AudioBlock(time=start / RATE, samples=samples[start : start + block]))
    return meter.finish()


@pytest.fixture(autouse=True)
def opened_anew():
    egemaps._smile.cache_clear()
    yield
    egemaps._smile.cache_clear()


class Rows:
    """Stands for a table of pandas: the level of each frame of 60 ms, 25 times."""

    def __init__(self, samples):
        assert samples.dtype == np.float32
        frames = np.lib.stride_tricks.sliding_window_view(samples, 960)[::160]
        self.rows = np.abs(frames).mean(axis=1, keepdims=True).repeat(25, axis=1)

    def to_numpy(self):
        return self.rows


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """A package that stands for openSMILE, with its file of what is computed."""
    config = tmp_path / CONFIG
    config.parent.mkdir(parents=True)
    config.write_text("descriptors")
    package = types.ModuleType("opensmile")
    package.__path__ = [str(tmp_path)]
    package.FeatureSet = types.SimpleNamespace(eGeMAPSv02="set")
    package.FeatureLevel = types.SimpleNamespace(LowLevelDescriptors="level")
    package.Smile = lambda *, feature_set, feature_level: types.SimpleNamespace(
        process_signal=lambda samples, rate: Rows(samples)
    )
    monkeypatch.setitem(sys.modules, "opensmile", package)
    monkeypatch.setattr(egemaps, "EGEMAPS_FILES", {"opensmile/x": file_sha256(config)})
    return config


def test_long_sound_is_measured_in_windows_as_if_it_were_whole(stand_in):
    samples = np.sin(np.arange(25 * RATE) ** 1.5 / 1e4).astype(np.float32)
    sequence = measured(samples, block=7001)
    assert (sequence.rate, sequence.first) == (100, 0)
    assert np.array_equal(sequence.values, Rows(samples).rows.astype(np.float32))
    assert sequence.values.shape == (2495, len(EGEMAPS_COLUMNS))


def test_what_is_shorter_than_a_frame_has_no_step(stand_in):
    assert measured(np.zeros(959)).values.shape == (0, 25)
    assert measured(np.zeros(960)).values.shape == (1, 25)


def test_another_version_is_refused(stand_in):
    stand_in.write_text("other descriptors")
    with pytest.raises(DeadpanError, match=r"is not that of openSMILE 2.6.0, .*opensmile==2.6.0"):
        egemaps_meter()


def test_without_opensmile_its_licence_is_said_before_it_is_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    message = r"openSMILE is for private, research and educational use .*deadpan\[egemaps\]"
    with pytest.raises(DeadpanError, match=message):
        egemaps_meter()


@pytest.fixture
def opensmile():
    return pytest.importorskip("opensmile", reason="needs openSMILE, of the extra egemaps")


def test_the_columns_are_opensmiles_and_windows_change_no_number(opensmile):
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.LowLevelDescriptors,
    )
    assert [column.name for column in EGEMAPS_COLUMNS] == smile.feature_names
    speech = Path(__file__).with_name("sense_and_sensibility.opus")
    samples = np.concatenate([block.samples for block in read(speech)])
    sequence = measured(samples)
    rows = smile.process_signal(samples, RATE).to_numpy()
    assert len(samples) > 20 * RATE
    assert np.array_equal(sequence.values, rows[: len(sequence.values)])
    assert 0 <= len(rows) - len(sequence.values) <= 1


@pytest.mark.parametrize(
    "samples",
    [np.zeros(16000), np.random.default_rng(0).uniform(-1, 1, 32000), np.sign(tone(200, 1.0))],
    ids=["silence", "noise", "square"],
)
def test_numbers_are_finite_and_within_the_ranges(opensmile, samples):
    values = measured(samples).values
    assert len(values) > 90
    for number, column in enumerate(EGEMAPS_COLUMNS):
        assert values[:, number].min() >= column.low, column.name
        assert values[:, number].max() <= column.high, column.name
