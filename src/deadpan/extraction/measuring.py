"""Measuring recordings, each in one pass; a process that does nothing else may do it."""

import dataclasses
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from deadpan.data.containers.files import file_sha256
from deadpan.data.feature_recipe import FeatureRecipe
from deadpan.errors import DataError, DeadpanError, os_failure
from deadpan.extraction.feature_cache import FeatureCache
from deadpan.extraction.media import AudioBlock, Frame, read
from deadpan.extraction.recipes import AUDIO
from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.voice import RATE, VoiceMeter

FRAMES_UNSEEN = 0.01
"""Frames per second where no modality looks at them: the fewer, the fewer are converted."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the measuring of one recording ended.

    Attributes:
        recording: its SHA-256; "" where it could not be read.
        failure: why nothing could be measured; "" where it went well.
        remedy: what is to be mended before any recording can be measured; "" if nothing.
        warnings: sentences on what of it could not be read.
    """

    recording: str = ""
    failure: str = ""
    remedy: str = ""
    warnings: tuple[str, ...] = ()


class _Meter(Protocol):
    """Measures one modality of a recording as its items come."""

    def push(self, item: AudioBlock | Frame) -> None:
        """Take the next block or frame; it may be of no use."""

    def finish(self) -> MeasuredSequence:
        """What was measured."""
        ...


class _Audio:
    """The voice."""

    def __init__(self) -> None:
        self._meter = VoiceMeter()

    def push(self, item: AudioBlock | Frame) -> None:
        if isinstance(item, AudioBlock):
            self._meter.push(item)

    def finish(self) -> MeasuredSequence:
        return self._meter.finish()


METERS: Mapping[str, type[_Meter]] = {AUDIO: _Audio}
"""What measures each modality of a recording."""


def measure_recording(
    path: Path, recipes: Mapping[str, FeatureRecipe]
) -> tuple[dict[str, MeasuredSequence], tuple[str, ...]]:
    """Measure some modalities of a recording in one pass.

    Args:
        path: of the media file.
        recipes: of the modalities, which decide whose columns are wanted.

    Returns:
        A sequence for each, empty where the file has none of it, and sentences on what was cut off
        or damaged.

    Raises:
        DataError: the file cannot be read.
        DeadpanError: a package of the extra ``video`` is missing.
    """
    meters = {name: METERS[name]() for name in recipes}
    with read(path, rate=RATE, fps=FRAMES_UNSEEN) as reader:
        for item in reader:
            for meter in meters.values():
                meter.push(item)
    return {name: meter.finish() for name, meter in meters.items()}, tuple(reader.warnings)


def measured_outcome(
    path: Path, recipes: Mapping[str, FeatureRecipe], cache: FeatureCache
) -> Outcome:
    """Measure what the cache lacks of a recording; whatever goes wrong is in the outcome."""
    try:
        recording = file_sha256(path)
    except OSError as error:
        return Outcome(failure=os_failure(error))
    try:
        kept = {name: cache.load(recording, recipe) for name, recipe in recipes.items()}
        missing = {name: recipes[name] for name, entry in kept.items() if entry is None}
        warnings = tuple(text for entry in kept.values() if entry for text in entry[1])
        if missing:
            sequences, warnings = measure_recording(path, missing)
            for name, sequence in sequences.items():
                cache.save(recording, recipes[name], sequence, warnings)
        return Outcome(recording=recording, warnings=tuple(dict.fromkeys(warnings)))
    except DataError as error:
        return Outcome(failure=str(error))
    except DeadpanError as error:  # a missing package: no recording can be measured
        return Outcome(remedy=str(error))
    except OSError as error:  # of the cache: a full disk
        return Outcome(remedy=os_failure(error))
    except Exception as error:  # noqa: BLE001 - whatever it was, other recordings are measured
        reason = traceback.format_exception_only(error)[-1].strip()
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome(failure=f"{path}: {reason} ({Path(frame.filename).name}:{frame.lineno})")


def measure_on_demand(pipe: Connection, recipes: Mapping[str, FeatureRecipe], folder: Path) -> None:
    """Measure the recordings whose paths come through a pipe, and send back each outcome.

    Args:
        pipe: to the process that wants it; when that closes it or ends, this returns.
        recipes: of the modalities to measure.
        folder: of the cache.
    """
    cache = FeatureCache(folder)
    try:
        while True:
            pipe.send(measured_outcome(pipe.recv(), recipes, cache))
    except (EOFError, OSError):  # nobody is there any more
        return
