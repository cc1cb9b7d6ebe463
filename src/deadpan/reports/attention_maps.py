"""Heatmaps of what a run's model attends to in the utterances of a recording, for its page.

Apart from ``timeline``, which needs no torch.
"""

from collections.abc import Sequence

from deadpan.analysis.crossmodal import CrossmodalMap
from deadpan.analysis.fused_timeline import AttentionMaps
from deadpan.reports.clip_figures import heatmap, strongest_cells
from deadpan.reports.timeline import Heatmaps, modality_title
from deadpan.show.drawing import inline_picture
from deadpan.show.page import Panel


def utterance_heatmaps(maps: AttentionMaps) -> Heatmaps:
    """Draw all maps, and say which utterances have some."""
    panels = {index: _panels(index, each) for index, each in maps.by_utterance.items()}
    return Heatmaps(panels=panels, note=_note(maps))


def _panels(index: int, maps: Sequence[CrossmodalMap]) -> list[Panel]:
    """The heatmaps of an utterance, whose place in the timeline is given."""
    panels: list[Panel] = []
    for attention in maps:
        size, drawn_words, paint = heatmap(attention)
        target, source = attention.target.name, attention.source.name
        finding = f"Strongest (1 = mean of the map): {strongest_cells(attention)}."
        panels.append(
            Panel(
                title=f"{modality_title(target)} attending to {modality_title(source).lower()}",
                finding=f"{finding} {drawn_words.note}".strip(),
                svg=inline_picture(f"map-{index}-{target}-{source}", paint, size),
            )
        )
    return panels


def _note(maps: AttentionMaps) -> str:
    if maps.reason:
        return f"There are no heatmaps of attention: {maps.reason}."
    drawn = len(maps.by_utterance)
    if drawn == maps.attended:
        return ""
    return (
        f"Heatmaps of attention are drawn for {drawn} of {maps.attended} utterances, first the "
        "incongruent ones, then those to whose score a modality adds most; for all, analyze with "
        f"--heatmaps {maps.attended}."
    )
