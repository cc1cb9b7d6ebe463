import math

import torch

from deadpan.layers.layer_mix import LayerMix

X = torch.tensor([[[1.0, 2, 3, 10, 20, 30], [4, 5, 6, 0, 0, 0]]])


def test_it_starts_as_the_mean_of_the_layers():
    torch.testing.assert_close(LayerMix(2)(X), torch.tensor([[[5.5, 11, 16.5], [2, 2.5, 3]]]))


def test_weights_are_a_softmax():
    mix = LayerMix(2)
    mix.logits.data = torch.tensor([0.0, math.log(3.0)])
    torch.testing.assert_close(mix(X)[0, 0], torch.tensor([7.75, 15.5, 23.25]))
    mix(X).sum().backward()
    assert mix.logits.grad.sum().abs() < 1e-5
    assert mix.logits.grad.any()
