"""Splits by video or speaker: made where a file has none, or leaving one group out at a time."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Sequence

from deadpan.data.dataset import SPLIT_WARNINGS, Clip, Dataset
from deadpan.errors import DataError, unknown_name
from deadpan.types import SPLITS

SHARES = {"train": 0.6, "valid": 0.2, "test": 0.2}
"""Share of the clips in each split, where a file has no splits."""


def groups_of(dataset: Dataset) -> list[str]:
    """Every video or speaker of a data set, in alphabetical order.

    Raises:
        DataError: a clip has no group.
    """
    clips = [clip for split in SPLITS for clip in dataset[split]]
    if ungrouped := [clip.id for clip in clips if clip.group is None]:
        raise DataError(
            f"{dataset.name}: the video of {len(ungrouped)} clips is not known (first: "
            f"'{ungrouped[0]}'); folds need ids such as VIDEO_CLIP"
        )
    return sorted({str(clip.group) for clip in clips})


def leave_out(dataset: Dataset, group: str) -> Dataset:
    """Test on one group, validate on the next two in the alphabet, train on the rest.

    After the last group comes the first. The file's own splits are pooled, so that each group is
    tested once over all folds.

    Raises:
        DataError: an unknown group, or fewer than four groups.
    """
    groups = groups_of(dataset)
    if group not in groups:
        raise DataError(f"{dataset.name}: {unknown_name('group', group, groups)}")
    if len(groups) < 4:
        raise DataError(
            f"{dataset.name}: leaving one out needs 4 groups or more; found {len(groups)}"
        )
    index = groups.index(group)
    split_of = dict.fromkeys(groups, "train")
    for step, split in enumerate(("test", "valid", "valid")):
        split_of[groups[(index + step) % len(groups)]] = split
    splits: dict[str, list[Clip]] = {name: [] for name in SPLITS}
    for name in SPLITS:
        for clip in dataset[name]:
            splits[split_of[str(clip.group)]].append(clip)
    # The file's splits are gone, and the warnings about them no longer hold.
    warnings = tuple(
        text for text in dataset.warnings if not any(words in text for words in SPLIT_WARNINGS)
    )
    return dataclasses.replace(
        dataset, name=f"{dataset.name} without {group}", splits=splits, warnings=warnings
    )


def split_by_group(clips: Sequence[Clip]) -> dict[str, list[Clip]]:
    """Split clips 60 / 20 / 20 % such that no video or speaker is in two splits.

    Groups are ordered by a hash of their names, so that the same names always give the same splits,
    whatever the order of the file. No split is empty if there are three groups or more. If any clip
    lacks a group, clips are split one by one.
    """
    grouped = all(clip.group is not None for clip in clips)
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(str(clip.group) if grouped else clip.id, []).append(clip)
    splits: dict[str, list[Clip]] = {name: [] for name in SPLITS}
    names = sorted(groups, key=lambda name: hashlib.sha256(name.encode()).digest())
    for index, name in enumerate(names):
        # The split that is farthest below its share takes the next group; no split stays empty.
        empty = [split for split in SPLITS if not splits[split]]
        candidates = empty if len(names) - index <= len(empty) else SPLITS
        neediest = max(
            candidates, key=lambda split: SHARES[split] * len(clips) - len(splits[split])
        )
        splits[neediest] += groups[name]
    return splits


VALIDATION_SHARE = 0.1
"""Share of the training clips that become validation, where a file has test clips and none."""


def validation_groups(groups: Sequence[str]) -> frozenset[str]:
    """Choose the groups that become validation: a tenth of the clips, and never all groups.

    Groups are taken in the order of a hash of their names, as in ``split_by_group``. One that is
    too large is left to training; if all are, the smallest is taken.

    Args:
        groups: the group of each training clip; a name may occur often.
    """
    sizes = Counter(groups)
    names = sorted(sizes, key=lambda name: hashlib.sha256(name.encode()).digest())
    wanted = VALIDATION_SHARE * len(groups)
    fitting = [name for name in names if sizes[name] / 2 <= wanted][: len(names) - 1]
    chosen: list[str] = []
    count = 0
    for name in fitting or sorted(names, key=sizes.__getitem__)[: min(1, len(names) - 1)]:
        if chosen and count + sizes[name] / 2 > wanted:
            break
        chosen.append(name)
        count += sizes[name]
    return frozenset(chosen)
