"""What only Graph-MFN has; the contract is in tests/contracts, the equations in tests/parity."""

import pytest
import torch

from deadpan.catalogue import PRESETS
from deadpan.models import GraphMFN
from deadpan.training.run import make_optimizer
from deadpan.types import AUDIO, TEXT

from ..contracts.small import aligned_clips, build, pad


@pytest.mark.parametrize(
    ("preset", "size"), [("MOSI", 356_756), ("MOSEI", 378_260), ("IEMOCAP", 378_715)]
)
def test_sizes_at_the_defaults(preset, size):
    assert GraphMFN.parameters_at(**PRESETS[preset]) == size


def test_seven_vertices_and_nineteen_efficacies():
    model = build(GraphMFN)
    assert len(model.graph.subsets) == 7
    assert len(model.graph.edges) == 12
    assert model.graph.efficacies.layers[-1].out_features == 19
    two = build(GraphMFN, widths={TEXT: 3, AUDIO: 2})
    assert (len(two.graph.subsets), len(two.graph.edges)) == (3, 2)


def test_vertex_networks_learn():
    """The known bug: they stand in a plain dict, which no optimizer sees."""
    model, batch = build(GraphMFN), pad(aligned_clips(4))
    before = [p.clone() for p in model.graph.vertices.parameters()]
    assert len(model.graph.vertices) == 4
    optimizer = make_optimizer(model, learning_rate=0.1, gate_learning_rate=None, weight_decay=0.0)
    model(batch).prediction.square().sum().backward()
    optimizer.step()
    after = list(model.graph.vertices.parameters())
    assert len(after) == len(before) == 16
    assert all((old != new).any() for old, new in zip(before, after, strict=True))


def test_efficacies_stay_between_0_and_1_and_scale_what_they_belong_to():
    model, batch = build(GraphMFN).eval(), pad(aligned_clips(3))
    plain = model(batch).prediction
    with torch.no_grad():  # all shut: nothing of the clip reaches tau
        model.graph.efficacies.layers[-1].weight.zero_()
        model.graph.efficacies.layers[-1].bias.fill_(-100.0)
    recorded = []
    model.graph.output.register_forward_pre_hook(lambda _, arguments: recorded.append(arguments[0]))
    assert not torch.allclose(model(batch).prediction, plain)
    assert not recorded[0].any()
