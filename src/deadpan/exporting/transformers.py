"""HCT-MG, MulT and LMF-MulT as graphs: what their ``forward`` says, after training."""

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import TensorProto
from torch import nn

from deadpan.exporting.encoder import encode, encode_last
from deadpan.exporting.graph import (
    Graph,
    Steps,
    array,
    count,
    has_step,
    join,
    last_step,
    linear,
    mean_step,
    mlp,
    product,
    recurrent,
    residual_head,
    rows,
    sequence,
)
from deadpan.layers.subnets import LSTMSubnet, MeanSubnet
from deadpan.layers.tensor_fusion import LowRankFusion
from deadpan.models import HCTMG, LFDNN, LFLSTM, LMF, TFN, LMFMulT, MulT
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


def hct_mg(graph: Graph, model: HCTMG, streams: Streams) -> str:
    """The gate's choice is made: its weights are numbers, and so is which modality is primary."""
    width = _width(model.projections)
    weights, primary = _gate(model)
    others = [name for name in model.modalities if name != primary]

    def pool(x: str, steps: Steps, channels: int) -> str:
        if model.pooling == "last":
            return last_step(graph, x, steps)
        return mean_step(graph, x, steps, channels)

    def weighed(found: dict[Modality, str]) -> dict[Modality, str]:
        return {
            name: graph.op("Mul", x, graph.constant(weights[name])) if weights else x
            for name, x in found.items()
        }

    def fuse(source: Modality, target: Modality, role: str) -> str:
        encoder = model.crossmodal[f"{source}_to_{target}" if model.pairs else role]
        steps, source_steps = streams[target][1], streams[source][1]
        return encode(graph, encoder, read[target], steps, read[source], source_steps)  # pyright: ignore[reportArgumentType]

    read: dict[Modality, str] = {}
    for name, (x, own_steps) in streams.items():
        x = _projected(graph, x, model.projections[name])
        read[name] = recurrent(graph, x, own_steps, model.recurrent[name])  # pyright: ignore[reportArgumentType]
    if model.gate_first:
        read = weighed(read)
    if len(others) == 2:
        first, second = others
        enhanced = {
            first: fuse(second, first, "auxiliary2_to_auxiliary1"),
            second: fuse(first, second, "auxiliary1_to_auxiliary2"),
        }
        read = read | enhanced
    if not model.gate_first:
        read = weighed(read)
    steps = streams[primary][1]
    views = [
        fuse(name, primary, f"auxiliary{i}_to_primary") for i, name in enumerate(others, start=1)
    ] or [read[primary]]
    parts = [
        _projected(graph, pool(read[name], streams[name][1], width), layer)
        for layer, name in zip(model.auxiliary_maps, others, strict=True)
    ]
    parts.append(
        encode_last(graph, model.self_attention, join(graph, views), steps)
        if model.pooling == "last"
        else mean_step(
            graph,
            encode(graph, model.self_attention, join(graph, views), steps),
            steps,
            len(views) * width,
        )
    )
    return residual_head(graph, join(graph, parts), model.head)


def _gate(model: HCTMG) -> tuple[dict[Modality, float] | None, Modality]:
    if model.gate is None:
        return None, str(model.primary)
    weights, index = model.gate()
    scaled = (model.gain * weights).tolist()
    return dict(zip(model.modalities, scaled, strict=True)), model.modalities[index]


def _projected(graph: Graph, x: str, layer: nn.Module) -> str:
    assert isinstance(layer, nn.Linear)
    return linear(graph, x, layer)


def _width(projections: nn.ModuleDict) -> int:
    first = next(iter(projections.values()))
    assert isinstance(first, nn.Linear)
    return first.out_features


def mult(graph: Graph, model: MulT, streams: Streams) -> str:
    """Every modality attends to every other one, then to what it has gathered."""
    x = {name: _projected(graph, x, model.projections[name]) for name, (x, _) in streams.items()}
    parts: list[str] = []
    for target, (_, steps) in streams.items():
        views = [
            encode(
                graph,
                model.crossmodal[f"{source}_to_{target}"],  # pyright: ignore[reportArgumentType]
                x[target],
                steps,
                x[source],
                source_steps,
            )
            for source, (_, source_steps) in streams.items()
            if source != target
        ] or [x[target]]
        own = model.self_attention[target]
        parts.append(encode_last(graph, own, join(graph, views), steps))  # pyright: ignore[reportArgumentType]
    return residual_head(graph, join(graph, parts), model.head)


def lmf_mult(graph: Graph, model: LMFMulT, streams: Streams) -> str:
    """Every modality attends to the fused stream, then to itself."""
    width = _width(model.projections)
    x = {name: _projected(graph, x, model.projections[name]) for name, (x, _) in streams.items()}
    longest = graph.op("Max", *(steps.lengths for _, steps in streams.values()))
    clips = graph.op("Gather", next(iter(streams.values()))[1].size, graph.whole(0), axis=0)
    most = graph.op("Max", *(
        graph.op("Gather", steps.size, graph.whole(1), axis=0) for _, steps in streams.values()
    ))  # fmt: skip
    size = graph.op("Concat", clips, most, axis=0)
    column = graph.op("Unsqueeze", longest, graph.whole(1))
    place = count(graph, most)
    mask = graph.op("Less", place, column)
    real = graph.op("Reshape", graph.op("Cast", mask, to=TensorProto.FLOAT), graph.whole(-1, 1))
    fused_steps = Steps(mask, size, real, longest)
    stretched = [
        _at_same_share(graph, sequence(graph, x[name], steps, width), steps, column, place)
        for name, (_, steps) in streams.items()
    ]
    stretched = [graph.op("Mul", rows(graph, part, width), real) for part in stretched]
    fused = graph.op("Mul", low_rank(graph, stretched, model.fusion), real)
    parts: list[str] = []
    for name, (_, steps) in streams.items():
        found = encode(graph, model.crossmodal[name], x[name], steps, fused, fused_steps)  # pyright: ignore[reportArgumentType]
        parts.append(encode_last(graph, model.self_attention[name], found, steps))  # pyright: ignore[reportArgumentType]
    return residual_head(graph, join(graph, parts), model.head)


def _at_same_share(graph: Graph, x: str, steps: Steps, longest: str, place: str) -> str:
    """Each step of the longest modality takes the step of ``x`` at the same share of the clip."""
    one, zero = graph.whole(1), graph.whole(0)
    length = graph.op("Unsqueeze", steps.lengths, one)
    index = graph.op("Div", graph.op("Mul", place, length), graph.op("Max", longest, one))
    last = graph.op("Max", graph.op("Sub", length, one), zero)
    index = graph.op("Unsqueeze", graph.op("Min", index, last), graph.whole(2))
    picked = graph.op("GatherND", x, index, batch_dims=1)
    some = graph.op("Unsqueeze", graph.op("Min", length, one), graph.whole(2))
    return graph.op("Mul", picked, graph.op("Cast", some, to=TensorProto.FLOAT))
