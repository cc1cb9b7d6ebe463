"""Models and clips of seconds for the tests of salience."""

import numpy as np
import torch

from deadpan.data.dataset import Clip
from deadpan.data.generated.controlled import controlled
from deadpan.models import HCTMG, LMFMulT, MulT
from deadpan.types import AUDIO, TEXT, VISION

WIDTHS = {TEXT: 6, AUDIO: 5, VISION: 4}
KINDS = (HCTMG, MulT, LMFMulT)


def small(kind, *, seed=0, widths=WIDTHS, outputs=1, **options):
    torch.manual_seed(seed)
    sizes = {"width": 8, "heads": 2, "layers": 2} | options
    return kind(widths=widths, outputs=outputs, **sizes).eval()


def clip(name="a", *, seed=0, text=4, audio=7, vision=5, words=None):
    random = np.random.default_rng(seed)
    lengths = {TEXT: text, AUDIO: audio, VISION: vision}
    return Clip(
        id=name,
        sequences={
            m: random.standard_normal((n, WIDTHS[m])).astype(np.float32)
            for m, n in lengths.items()
            if n
        },
        label=np.array([1.0], dtype=np.float32),
        words=tuple(words or (f"word{i}" for i in range(text))),
    )


CLIPS = [
    clip("a"),
    clip("b", seed=1, text=1, audio=1, vision=1),
    clip("c", seed=2, text=6, audio=3, vision=9),
    clip("d", seed=3, audio=0),
]


def trained(kind, *, epochs=12, clips=60):
    """A small model that has learned something of ``controlled``, and clips it was not shown."""
    from deadpan.data.batching import collate, evaluation_batches, lengths_of

    data = controlled(clips=2 * clips, text_width=6, audio_width=5, vision_width=4, incongruity=0.0)
    shown = data["train"][:clips]
    model = small(kind).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for chosen in evaluation_batches(lengths_of(shown), 15):
            batch = collate([shown[i] for i in chosen], WIDTHS)
            optimizer.zero_grad()
            (model(batch).prediction - batch.labels).abs().mean().backward()
            optimizer.step()
    return model.eval(), data["test"]
