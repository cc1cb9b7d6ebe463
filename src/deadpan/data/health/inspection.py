"""The health of a data set in figures."""

from typing import Any

import numpy as np

from deadpan.data.dataset import Dataset
from deadpan.data.health.findings import findings
from deadpan.data.health.labels import baseline, label_figures
from deadpan.data.health.leaks import (
    SplitTally,
    Twins,
    digest,
    last_seconds,
    repeated_ids,
    shared_videos,
)
from deadpan.data.health.modalities import modality_figures
from deadpan.data.health.streams import Stream
from deadpan.types import SPLITS


def inspect(dataset: Dataset) -> dict[str, Any]:
    """Figures that show at a glance whether a data set is what it should be; ready for JSON.

    Every clip is looked at once, and no more is kept of it than a sample of its steps: quantiles,
    and the shares of values that follow from them, are those of evenly spaced steps, at most
    100,000 per modality (and at most 30 million values). Everything else is exact. Shares are in
    [0, 1]; ``first`` lists at most five ids, names or indices of features, counted from 0.

    Returns:
        ``name``, ``layout`` (what the source is; "" where nobody said), ``task``, ``labels``
        (names), ``widths`` (features per step), and

        ``splits``: per split ``clips``, and, where it has any, ``groups`` (videos or speakers),
        ``labels`` (see below), ``modalities`` (per modality ``missing``, the share of clips that
        lack it, and ``steps``: ``min``, ``median``, ``mean`` and ``max`` of the others), and, where
        known, ``seconds`` (the same four) and ``kinds`` of incongruity.
        Labels are, for regression, ``mean``, ``std`` and ``histogram`` (clips by label rounded to
        -3..3); for emotions ``present`` and for classes ``share``: the share of clips by name; for
        scores ``values``: by name ``min``, ``max``, ``mean``, ``std`` and ``histogram`` (``edges``
        of seven bins, the same in all splits, and ``counts``).

        ``modalities``: per modality ``width``, ``clips`` that have it, ``missing`` (share),
        ``mended`` (values by what they were: NaN, +inf, -inf), ``padding`` (``side`` and ``share``
        of steps; None where not known), and, where any clip has it, ``steps`` (``total`` and the
        four), ``lengths`` (histograms of ``steps``, and of ``seconds`` where known: ``edges`` and
        ``counts``), ``distinct`` (sequences that differ from each other), ``range`` (``min``,
        ``max``), ``zero_steps`` (whose features are all 0: ``count``, ``share``, ``clips``),
        ``constant_clips`` (of two or more steps, all the same: ``count``, ``first``),
        ``constant_features`` and ``zero_features`` (with one value over all training clips, and
        with 0: ``count``, ``first``), ``outliers`` (values farther than 10 robust deviations from
        the median of their feature: ``share``, ``features`` that have any, ``worst``: ``clip``,
        ``split``, ``feature``, ``value``, ``deviations``; None where there is none),
        ``normalization`` (what ``--normalization robust`` would do: ``cut``, the share of values
        beyond 5 deviations, and features ``magnified`` more than 1000 times; None for text, which
        is not scaled) and ``sample`` (``steps``; one of ``every`` so many).
        Medians, deviations and constants are those of train, or of all clips if train has none.

        ``duplicates``: ``pairs`` of clips with the same features in all modalities,
        ``across_splits`` (those of them), ``clips`` that have a twin, and ``by_splits``
        (``splits``, ``pairs``, ``first`` pair).
        ``ids``: ``repeated`` (clips renamed ``id#2``), ``in_two_splits``, ``first``.
        ``groups``: ``count``, ``in_two_splits``, ``first``.

        ``baseline``: the ``system`` that says the same of every clip, on ``split`` test:
        ``metrics`` (``key``, ``title``, ``value``: None where undefined, ``shown``, ``percent``,
        ``higher_is_better``); None without train or test clips.

        ``repairs`` (number by what was mended), ``warnings`` (sentences), and ``findings``:
        ``gravity`` ("serious", "warning" or "note") and ``sentence``, gravest first.

    Raises:
        DeadpanError: labels the task cannot have.
    """
    tallies = {split: SplitTally() for split in SPLITS}
    streams = {name: Stream(width) for name, width in dataset.widths.items()}
    twins = Twins()
    clips: list[tuple[str, str]] = []
    for split, tally in tallies.items():
        for clip in dataset[split]:
            tally.add(clip)
            digests = {name: digest(steps) for name, steps in clip.sequences.items()}
            twins.add(split, clip.id, digests)
            for name, steps in clip.sequences.items():
                streams[name].add(len(clips), split, steps, digests[name])
            for name, end in last_seconds(clip).items():
                if name in clip.sequences:
                    streams[name].seconds.append(end)
            clips.append((clip.id, split))
    labels = {
        split: np.stack(tally.labels).astype(np.float64)
        for split, tally in tallies.items()
        if tally.ids
    }
    told = label_figures(dataset, labels)
    figures: dict[str, Any] = {
        "name": dataset.name,
        "layout": dataset.layout,
        "task": dataset.task,
        "labels": list(dataset.labels),
        "widths": dict(dataset.widths),
        "splits": {
            split: tally.figures(split, streams, told.get(split, {}))
            for split, tally in tallies.items()
        },
        "modalities": {
            name: modality_figures(dataset, name, stream, clips) for name, stream in streams.items()
        },
        "duplicates": twins.figures(),
        "ids": repeated_ids({split: tally.ids for split, tally in tallies.items()}),
        "groups": shared_videos({split: tally.groups for split, tally in tallies.items()}),
        "baseline": baseline(dataset, labels),
        "repairs": dict(dataset.repairs),
        "warnings": list(dataset.warnings),
    }
    return {**figures, "findings": findings(figures)}
