"""The 25 low-level descriptors of eGeMAPS, by openSMILE, whose licence is for research only.

Eyben et al. 2016, The Geneva Minimalistic Acoustic Parameter Set for Voice Research and Affective
Computing, doi 10.1109/TAFFC.2015.2457417.
"""

import types
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from deadpan.data.containers.files import file_sha256
from deadpan.errors import DeadpanError
from deadpan.extraction.media import RATE
from deadpan.extraction.sequences import Column
from deadpan.extraction.windows import WindowMeter

VERSION = "2.6.0"
"""Of the package opensmile."""
CONFIG = "core/config/egemaps/v02/eGeMAPSv02_core.lld.conf.inc"
"""The file of the package that says what is computed."""
EGEMAPS_FILES = {
    f"opensmile/{Path(CONFIG).name}": (
        "ad96301a35ea97e14370bb6f5275826ffbf96bad47e80816e5130df072686309"
    )
}
EGEMAPS_LICENCE = (
    "openSMILE is for private, research and educational use (audEERING Research License); "
    "a product needs a commercial licence of audEERING"
)
STEP = RATE // 100
EGEMAPS_RATE = RATE / STEP
"""Steps per second."""
WINDOW = 2000
"""Steps that are measured at once: 20 s."""
REACH = 2 * RATE
"""Samples around a window: with fewer, jitter and shimmer differ from those of the whole sound."""
SHORTEST = 3 * RATE // 50
"""Samples of the longest frame, 60 ms: less cannot be measured."""


def _column(name: str, unit: str, low: float, high: float) -> Column:
    return Column(
        name=name, unit=unit, source=f"openSMILE {VERSION}, eGeMAPSv02", low=low, high=high
    )


EGEMAPS_COLUMNS = (
    _column("Loudness_sma3", "", 0.0, 100.0),
    _column("alphaRatio_sma3", "dB", -200.0, 200.0),
    _column("hammarbergIndex_sma3", "dB", -200.0, 200.0),
    _column("slope0-500_sma3", "dB/Hz", -2.0, 2.0),
    _column("slope500-1500_sma3", "dB/Hz", -2.0, 2.0),
    _column("spectralFlux_sma3", "", 0.0, 1000.0),
    *(_column(f"mfcc{n}_sma3", "", -200.0, 200.0) for n in range(1, 5)),
    _column("F0semitoneFrom27.5Hz_sma3nz", "semitone", 0.0, 70.0),
    _column("jitterLocal_sma3nz", "", 0.0, 2.0),
    _column("shimmerLocaldB_sma3nz", "dB", 0.0, 100.0),
    _column("HNRdBACF_sma3nz", "dB", -150.0, 150.0),
    _column("logRelF0-H1-H2_sma3nz", "dB", -300.0, 300.0),
    _column("logRelF0-H1-A3_sma3nz", "dB", -300.0, 300.0),
    *(
        _column(f"F{n}{name}_sma3nz", unit, low, high)
        for n in range(1, 4)
        for name, unit, low, high in (
            ("frequency", "Hz", 0.0, RATE / 2),
            ("bandwidth", "Hz", 0.0, RATE / 2),
            ("amplitudeLogRelF0", "dB", -201.0, 200.0),  # -201: no voice, or no such formant
        )
    ),
)
"""openSMILE's columns by its own names: each smoothed over three frames (``nz``: of voice)."""


def egemaps_meter() -> WindowMeter:
    """A meter of the descriptors, 100 times a second.

    A step's frames, of 20 or 60 ms, begin with it; the last 40 ms of a sound are no steps.

    Raises:
        DeadpanError: openSMILE is not installed, or is another version.
    """
    smile = _smile()

    def measure(
        samples: Float32[np.ndarray, " sample"], begin: int, steps: int
    ) -> Float[np.ndarray, "step column"]:
        if len(samples) < SHORTEST:
            return np.zeros((0, len(EGEMAPS_COLUMNS)))
        rows = smile.process_signal(samples, RATE).to_numpy()
        return rows[begin // STEP : begin // STEP + steps]

    return WindowMeter(measure, columns=EGEMAPS_COLUMNS, step=STEP, window=WINDOW, reach=REACH)


@cache
def _smile() -> Any:  # noqa: ANN401 - openSMILE has no types
    """What computes the descriptors."""
    opensmile = _opensmile()
    config = Path(opensmile.__path__[0]) / CONFIG
    (sha256,) = EGEMAPS_FILES.values()
    if not config.is_file() or file_sha256(config) != sha256:
        raise DeadpanError(
            f"{config}: is not that of openSMILE {VERSION}, by which the recipe egemaps measures; "
            f"run: pip install opensmile=={VERSION}"
        )
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.LowLevelDescriptors,
    )


def _opensmile() -> types.ModuleType:
    """The package opensmile."""
    try:
        import opensmile  # pyright: ignore[reportMissingImports] - no part of development
    except ImportError:
        raise DeadpanError(
            f"the recipe egemaps needs openSMILE; {EGEMAPS_LICENCE}; if that suits you, run: "
            "pip install 'deadpan[egemaps]'"
        ) from None
    return opensmile
