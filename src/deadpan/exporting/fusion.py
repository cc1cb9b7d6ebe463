"""LF-LSTM, LF-DNN, TFN and LMF as graphs: what their ``forward`` says, after training."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import nn

from deadpan.exporting.graph import Graph, array
from deadpan.exporting.parts import (
    Steps,
    has_step,
    join,
    last_step,
    linear,
    mean_step,
    mlp,
    product,
    recurrent,
)
from deadpan.layers.subnets import LSTMSubnet, MeanSubnet
from deadpan.layers.tensor_fusion import LowRankFusion
from deadpan.models import LFDNN, LFLSTM, LMF, TFN
from deadpan.types import Modality

Streams = Mapping[Modality, tuple[str, Steps]]
"""Rows [clip * step, width] of each modality, and its steps."""


def lf_lstm(graph: Graph, model: LFLSTM, streams: Streams) -> str:
    """One LSTM per modality, an MLP of their last states."""
    states = [
        last_step(graph, recurrent(graph, x, steps, model.recurrent[name]), steps)  # pyright: ignore[reportArgumentType]
        for name, (x, steps) in streams.items()
    ]
    return mlp(graph, join(graph, states), model.head)


def lf_dnn(graph: Graph, model: LFDNN, streams: Streams) -> str:
    """One network per modality, an MLP of their vectors."""
    return mlp(
        graph, join(graph, _vectors(graph, model.subnets, model.widths, streams)), model.head
    )


def tfn(graph: Graph, model: TFN, streams: Streams) -> str:
    """An MLP of the outer product of all vectors with a 1 in front."""
    first, *others = (
        _with_one(graph, h) for h in _vectors(graph, model.subnets, model.widths, streams)
    )
    for other in others:
        pairs = graph.op(
            "Mul",
            graph.op("Unsqueeze", first, graph.whole(2)),
            graph.op("Unsqueeze", other, graph.whole(1)),
        )
        first = graph.op("Flatten", pairs)
    return mlp(graph, first, model.head)


def lmf(graph: Graph, model: LMF, streams: Streams) -> str:
    """A linear map of that outer product, from the factors of its weights."""
    vectors = _vectors(graph, model.subnets, model.widths, streams)
    return low_rank(graph, vectors, model.fusion)


def low_rank(graph: Graph, vectors: Sequence[str], fusion: LowRankFusion) -> str:
    """``sum_r w_r prod_m ([1; h_m] F_m^r) + b``: a product per modality, a weighted sum."""
    terms = len(fusion.weights)
    outputs = len(fusion.bias)
    multiplied = None
    for h, factor in zip(vectors, fusion.factors, strict=True):
        # [term, 1 + width, output]: what the 1 meets is a bias.
        weights = np.concatenate([array(term).T for term in factor])
        term = product(graph, h, weights[:, 1:], weights[:, 0])
        multiplied = term if multiplied is None else graph.op("Mul", multiplied, term)
    weighted = np.kron(array(fusion.weights)[None], np.eye(outputs, dtype=np.float32))
    assert weighted.shape == (outputs, terms * outputs)
    return product(graph, str(multiplied), weighted, array(fusion.bias))


def _vectors(
    graph: Graph, subnets: nn.ModuleDict, widths: Mapping[Modality, int], streams: Streams
) -> list[str]:
    return [_vector(graph, subnets[name], widths[name], *streams[name]) for name in widths]


def _vector(graph: Graph, subnet: nn.Module, width: int, x: str, steps: Steps) -> str:
    """The vector of each clip; zeros for a clip without a real step."""
    if isinstance(subnet, LSTMSubnet):
        state = last_step(graph, recurrent(graph, x, steps, subnet.recurrent), steps)
        found = linear(graph, state, subnet.output)
    else:
        assert isinstance(subnet, MeanSubnet)
        found = graph.op("Relu", mlp(graph, mean_step(graph, x, steps, width), subnet.mlp))
    return graph.op("Mul", found, has_step(graph, steps))


def _with_one(graph: Graph, h: str) -> str:
    return graph.op("Pad", h, graph.whole(0, 1, 0, 0), graph.constant(1.0))
