"""What the name of a clip tells: its id, and the video or actor it is from."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from deadpan.data.dataset import Clip

VIDEO_CLIP = re.compile(r"(?P<video>.+)_\d+")
YOUTUBE_CLIP = re.compile(r"(?P<video>[\w-]{11})_\d+")
SEGMENT = re.compile(r"(?P<video>.+)\[(?P<clip>\d+)\]")
"""As the CMU Multimodal SDK names a part of a video."""
RAVDESS = re.compile(r"\d\d(?:-\d\d){5}-(?P<actor>\d\d)")
"""Modality, channel, emotion, intensity, statement, repetition, actor: two digits each."""


def joined(parts: Sequence[str]) -> str:
    """One id of the parts a file gives: ``VIDEO_START_END``; '' of none.

    ``VIDEO[3]`` becomes ``VIDEO_3``, as other files name it. Where start and end are both zero,
    which is how files say that they are not known, the first part names the clip by itself.
    """
    if not _one_name(parts):
        return "_".join(parts)
    match = SEGMENT.fullmatch(parts[0])
    return f"{match['video']}_{match['clip']}" if match else parts[0]


def group_of(parts: Sequence[str]) -> str | None:
    """The video of ``(VIDEO_CLIP)``, ``(VIDEO$_$CLIP)``, ``(VIDEO[CLIP])`` or ``(VIDEO, ...)``.

    For RAVDESS's names, of seven pairs of digits, the actor: the last pair.
    None where a name has none of these forms: a wrong group would be worse than none.
    """
    if not parts:
        return None
    name = parts[0]
    if match := RAVDESS.fullmatch(name):
        return f"actor-{match['actor']}"
    if "$_$" in name:
        return name.rpartition("$_$")[0]
    if match := SEGMENT.fullmatch(name):
        return match["video"]
    if _one_name(parts):
        match = VIDEO_CLIP.fullmatch(name)
        return match["video"] if match else None
    # Beside start and end stands the video, whose own name may end in _1, or VIDEO_CLIP again.
    match = YOUTUBE_CLIP.fullmatch(name)
    return match["video"] if match else name


def unique(splits: Mapping[str, Sequence[Clip]]) -> tuple[dict[str, list[Clip]], int]:
    """The same clips with ids that differ, and how many had to be renamed (``id#2``, ``id#3``)."""
    taken = {clip.id for clips in splits.values() for clip in clips}
    seen: Counter[str] = Counter()
    renamed = 0

    def rename(clip: Clip) -> Clip:
        nonlocal renamed
        seen[clip.id] += 1
        if seen[clip.id] == 1:
            return clip
        renamed += 1
        while (name := f"{clip.id}#{seen[clip.id]}") in taken:
            seen[clip.id] += 1
        taken.add(name)
        return dataclasses.replace(clip, id=name)

    return {name: [rename(clip) for clip in clips] for name, clips in splits.items()}, renamed


def _one_name(parts: Sequence[str]) -> bool:
    """Whether the first part is the whole name: alone, or beside a start and an end of zero."""
    return len(parts) == 1 or (
        len(parts) == 3 and all(re.fullmatch(r"0(?:\.0*)?", part) for part in parts[1:])
    )
