import numpy as np
import pytest
import torch

from deadpan.analysis.attention import attend
from deadpan.analysis.crossmodal import crossmodal_map, crossmodal_path
from deadpan.data.batching import collate
from deadpan.errors import DeadpanError
from deadpan.layers.attention import record_attention
from deadpan.models import HCTMG, LFLSTM, LMFMulT, MulT
from deadpan.types import AUDIO, TEXT

from .small_models import CLIPS, KINDS, WIDTHS, clip, small


def mapped(model, given, source, target):
    path = crossmodal_path(model, source=source, target=target)
    return crossmodal_map(attend(model, given), path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_crossmodal_map_is_the_mean_of_what_was_recorded(kind):
    model, given = small(kind), CLIPS[2]
    path = next(path for path in model.attention_paths() if path.stage == "crossmodal")
    with torch.no_grad(), record_attention(model) as maps:
        model(collate([given], WIDTHS))
    layers = [maps[f"{path.module}.layers.{i}.attention"][0][0].mean(dim=0) for i in (0, 1)]
    found = crossmodal_map(attend(model, given), path).weights
    np.testing.assert_allclose(found, (layers[0] + layers[1]) / 2, atol=1e-6)
    rolled = crossmodal_map(attend(model, given, method="rollout"), path).weights
    np.testing.assert_allclose(rolled, (layers[0] + 2 * layers[1]) / 3, atol=1e-6)
    assert crossmodal_map(attend(model, given, method="gradient"), path).weights.min() >= 0


@pytest.mark.parametrize(
    ("kind", "given", "source", "target", "message"),
    [
        (
            HCTMG,
            CLIPS[0],
            "visoin",
            TEXT,
            "unknown source of HCTMG 'visoin'; did you mean",
        ),
        (MulT, CLIPS[0], AUDIO, "words", "unknown target of MulT 'words'"),
        (LMFMulT, CLIPS[0], AUDIO, TEXT, "text does not attend to audio.*fused to text"),
        (MulT, CLIPS[3], AUDIO, TEXT, r"clip 'd' has no audio \(found text, vision\)"),
        (LFLSTM, CLIPS[0], AUDIO, TEXT, "LFLSTM has no attention to explain"),
    ],
)
def test_what_cannot_be_mapped_is_said(kind, given, source, target, message):
    model = kind(widths=WIDTHS, outputs=1) if kind is LFLSTM else small(kind)
    with pytest.raises(DeadpanError, match=message) as refusal:
        mapped(model, given, source, target)
    assert "\n" not in str(refusal.value)


def test_a_primary_attends_and_is_not_attended_to():
    with pytest.raises(DeadpanError, match="audio does not attend to text"):
        mapped(small(HCTMG, primary=TEXT), clip(), TEXT, AUDIO)
