"""What only CIA has; the contract is in tests/contracts."""

import numpy as np
import pytest
import torch

from deadpan.catalogue import PRESETS
from deadpan.data.batching import collate
from deadpan.data.dataset import Clip
from deadpan.models import CIA, MODELS
from deadpan.models.cia import context_attention, video_positions
from deadpan.training.evaluation import predict_clips

from ..contracts.small import WIDTHS, build, pad, random_clips

close = {"atol": 1e-5, "rtol": 1e-5}


@pytest.mark.parametrize(
    ("preset", "size"), [("MOSI", 5_894_551), ("MOSEI", 6_121_519), ("IEMOCAP", 6_122_926)]
)
def test_sizes_at_the_defaults(preset, size):
    assert CIA.parameters_at(**PRESETS[preset]) == size


def predictions(model, clips, groups):
    batch = pad(clips)
    batch.groups = groups
    return model(batch).prediction


def test_neighbours_matter_and_other_videos_do_not():
    model, clips = build(CIA).eval(), random_clips(5)
    groups = ("a", "b", "a", None, None)
    expected = predictions(model, clips, groups)
    alone = predictions(model, clips, (None,) * 5)
    assert not torch.allclose(expected[0], alone[0])
    torch.testing.assert_close(expected[[1, 3, 4]], alone[[1, 3, 4]], **close)
    torch.testing.assert_close(predictions(model, clips, ()), alone, **close)
    # Videos in another order, each with its clips in theirs.
    order = [4, 1, 0, 2, 3]
    turned = predictions(model, [clips[i] for i in order], tuple(groups[i] for i in order))
    torch.testing.assert_close(turned, expected[order], **close)
    # Within a video the order counts.
    swapped = predictions(model, [clips[2], clips[1], clips[0]], ("a", "b", "a"))
    assert not torch.allclose(swapped[2], expected[0], **close)


def test_places():
    assert video_positions(("a", None, "a", "b", None), 5) == ([0, 1, 0, 2, 3], [0, 0, 1, 0, 0])
    assert video_positions((), 2) == ([0, 1], [0, 0])


def test_attention_by_hand():
    x = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [9.0, 9.0]]])
    mask = torch.tensor([[True, True, False]])
    weights = torch.tensor([[1.0, 0.0], [0.0, 4.0]]).softmax(dim=1)
    expected = (weights @ x[0, :2]) * x[0, :2]
    torch.testing.assert_close(context_attention(x, x, mask)[0, :2], expected)


def test_each_ordered_pair_has_a_reconstruction_that_needs_both():
    model, clips = build(CIA).eval(), random_clips(3)
    losses = model(pad(clips)).losses
    assert len(losses) == 6
    lonely = {m: x for m, x in clips[2].items() if m == "text"}
    of_two, with_lonely = model(pad(clips[:2])).losses, model(pad([*clips[:2], lonely])).losses
    for name, loss in of_two.items():
        torch.testing.assert_close(with_lonely[name], loss)


def test_evaluation_keeps_videos_whole():
    """As one batch of everything, though the split is longer than an evaluation batch."""
    random = np.random.default_rng(0)
    clips = [
        Clip(
            id=str(i),
            sequences={
                m: random.normal(size=(2 + i % 4, width)).astype(np.float32)
                for m, width in WIDTHS.items()
            },
            label=np.zeros(1, np.float32),
            group=f"video {i % 9}",
        )
        for i in range(90)
    ]
    model = build(CIA).eval()
    with torch.no_grad():
        expected = model(collate(clips, WIDTHS)).prediction.numpy()
    np.testing.assert_allclose(predict_clips(model, clips, WIDTHS), expected, atol=1e-5)
    assert [name for name, kind in MODELS.items() if kind.context] == ["CIA"]
