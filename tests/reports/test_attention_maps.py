from deadpan.analysis.fused_timeline import AttentionMaps
from deadpan.reports.attention_maps import utterance_heatmaps

from .test_clip_figures import crossmodal


def test_heatmaps_are_titled_and_say_which_were_drawn():
    maps = AttentionMaps(by_utterance={3: (crossmodal(),)}, attended=5)
    drawn = utterance_heatmaps(maps)
    ((panel,),) = drawn.panels.values()
    assert panel.title == "Words attending to face"
    assert panel.finding.startswith("Strongest (1 = mean of the map): 1. “\u2068word")
    assert panel.svg.startswith("<svg")
    assert "http" not in panel.svg
    assert drawn.note.startswith("Heatmaps of attention are drawn for 1 of 5 utterances, first")
    assert drawn.note.endswith("analyze with --heatmaps 5.")


def test_nothing_is_said_where_all_are_drawn_and_the_reason_where_none_can_be():
    maps = AttentionMaps(by_utterance={0: (crossmodal(),)}, attended=1)
    assert utterance_heatmaps(maps).note == ""
    none = utterance_heatmaps(AttentionMaps(by_utterance={}, reason="TFN has none"))
    assert (dict(none.panels), none.note) == (
        {},
        "There are no heatmaps of attention: TFN has none.",
    )
