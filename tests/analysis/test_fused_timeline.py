import numpy as np
import pytest

from deadpan.analysis.attention import attend
from deadpan.analysis.crossmodal import crossmodal_map, crossmodal_path
from deadpan.analysis.fused_timeline import attention_maps
from deadpan.models import HCTMG, LFLSTM, LMFMulT, MulT
from deadpan.types import AUDIO, TEXT, VISION

from .small_models import CLIPS, WIDTHS, small


def pairs(maps):
    return [(each.target.name, each.source.name) for each in maps]


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        (MulT, {}, [(TEXT, AUDIO), (TEXT, VISION)]),
        (LMFMulT, {}, [(TEXT, "fused")]),
        (HCTMG, {"primary": TEXT}, [(TEXT, AUDIO), (TEXT, VISION)]),
        # Words are attended to by a primary modality, and by auxiliary ones attend to each other.
        (HCTMG, {"primary": VISION}, [(TEXT, AUDIO), (VISION, TEXT)]),
    ],
)
def test_words_attend_to_other_modalities_or_these_to_words(kind, options, expected):
    maps = attention_maps(small(kind, **options), {7: CLIPS[0]}, 20)
    assert pairs(maps.by_utterance[7]) == expected
    assert (maps.attended, maps.reason) == (1, "")


def test_maps_are_those_of_each_utterance_and_no_more_than_wanted():
    model = small(MulT)
    clips = dict(zip((4, 1, 3, 2), CLIPS[:4], strict=True))  # the last has no audio
    maps = attention_maps(model, clips, 3)
    assert (list(maps.by_utterance), maps.attended) == ([4, 1, 3], 4)
    path = crossmodal_path(model, source=VISION, target=TEXT)
    for index, (_, to_vision) in maps.by_utterance.items():
        alone = crossmodal_map(attend(model, clips[index]), path).weights
        np.testing.assert_allclose(to_vision.weights, alone, atol=1e-6)
    assert pairs(attention_maps(model, {2: clips[2]}, 1).by_utterance[2]) == [(TEXT, VISION)]
    none = attention_maps(model, clips, 0)
    assert (dict(none.by_utterance), none.attended) == ({}, 4)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (LFLSTM(widths=WIDTHS, outputs=1), "LFLSTM has no attention to explain"),
        (small(HCTMG, gate_per="clip"), "HCTMG with gate_per clip mixes all primary modalities"),
        (MulT(widths={TEXT: 5}, outputs=1, width=4, heads=1), "MulT attends to no other modality"),
    ],
)
def test_why_there_are_no_maps_is_said(model, reason):
    maps = attention_maps(model, {0: CLIPS[0]}, 20)
    assert maps.reason.startswith(reason)
    assert not maps.by_utterance
