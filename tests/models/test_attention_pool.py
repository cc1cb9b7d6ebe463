"""What only AttentionPool has; the contract is in tests/contracts."""

import numpy as np
import torch

from deadpan.models import AttentionPool
from tests.contracts.small import WIDTHS, build, pad, random_clips


def test_it_is_a_softmax_over_mapped_steps_and_an_mlp():
    model, clips = build(AttentionPool, width=5, head_width=7, outputs=2).eval(), random_clips(3)
    with torch.no_grad():
        for pool in model.pools.values():
            pool.query.normal_()
    state = {name: x.double().numpy() for name, x in model.state_dict().items()}

    def linear(name, x):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    expected = []
    for clip in clips:
        vectors = []
        for name in WIDTHS:
            steps = np.maximum(linear(f"projections.{name}", clip[name].double().numpy()), 0)
            odds = np.exp(steps @ state[f"pools.{name}.query"] / np.sqrt(5))
            vectors.append(odds @ steps / odds.sum())
        hidden = np.maximum(linear("head.layers.0", np.concatenate(vectors)), 0)
        expected.append(linear("head.layers.1", hidden))
    actual = model(pad(clips, right=2)).prediction.detach().numpy()
    np.testing.assert_allclose(actual, np.stack(expected), atol=1e-5)


def test_the_order_of_steps_changes_nothing():
    model, clips = build(AttentionPool).eval(), random_clips(3)
    turned = [{name: x.flip(0) for name, x in clip.items()} for clip in clips]
    torch.testing.assert_close(model(pad(turned)).prediction, model(pad(clips)).prediction)
