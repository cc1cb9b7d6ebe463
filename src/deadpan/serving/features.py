"""Features as a user gives them, made ready for an exported file; numpy alone."""

from collections.abc import Sequence

import numpy as np

from deadpan.errors import DeadpanError


def numbers(index: int, name: str, given: object) -> np.ndarray:
    """A modality's features as float32."""
    try:
        plain = np.asarray(given)
        if plain.dtype.kind in "cmM":  # numpy would drop a part of these, or count days
            raise TypeError
        with np.errstate(over="ignore"):  # infinity is refused in words
            return plain.astype(np.float32, copy=False)
    except (TypeError, ValueError):
        raise DeadpanError(f"clip {index}: {name} does not hold numbers") from None
    except RuntimeError as error:  # torch, of a tensor that it is still recording
        raise DeadpanError(f"clip {index}: {name} gives no array ({error})") from None


def without_medians(
    clips: Sequence[dict[str, np.ndarray]], groups: Sequence[str] | None, modalities: Sequence[str]
) -> list[dict[str, np.ndarray]]:
    """Every clip less the median of its group's steps, as ``--normalization group`` has it."""
    if groups is None or len(groups) != len(clips):
        got = "none" if groups is None else str(len(groups))
        raise DeadpanError(
            f"this model wants each speaker's median taken off; give the speaker of each of the "
            f"{len(clips)} clips as groups (got {got})"
        )
    medians: dict[tuple[str, str], np.ndarray] = {}
    for group in set(groups):
        own = [clip for clip, of in zip(clips, groups, strict=True) if of == group]
        for name in modalities:
            if steps := [clip[name] for clip in own if name in clip]:
                medians[group, name] = np.median(np.concatenate(steps), axis=0)
    return [
        {name: x - medians.get((group, name), np.float32(0)) for name, x in clip.items()}
        for clip, group in zip(clips, groups, strict=True)
    ]
