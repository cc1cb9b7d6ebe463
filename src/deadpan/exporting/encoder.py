"""MulT's encoder as nodes of a graph, several times faster than the layers written one by one.

Four things make it so:

- Only norms read the residual stream, so its mean over the channels is held at 0: the weights that
  write to it are centred, and a norm is a division by the root mean square.
- Scale and shift of a norm are folded into the weights that read it. Keys and values then depend
  on the source alone, and those of all layers are computed by one product.
- Rows of a source have two more channels, real and hidden. Hidden reaches the scores as one more
  channel of each head; real carries the biases: a clip without a real step is attended to as zeros.
- Weighted values are computed channels first.
"""

import math

import numpy as np
from onnx import TensorProto
from torch import nn

from deadpan.exporting.graph import (
    MICROSOFT,
    Graph,
    Steps,
    array,
    count,
    last_row,
    pooled,
    product,
    sequence,
)
from deadpan.layers.attention import MASKED_SCORE
from deadpan.layers.pooling import Pool
from deadpan.layers.transformer import Encoder, EncoderLayer

Linear = tuple[np.ndarray, np.ndarray]
"""Weight [out, in] and bias [out]."""


def encoder_output(
    graph: Graph,
    encoder: Encoder,
    target: str,
    steps: Steps,
    source: str | None = None,
    source_steps: Steps | None = None,
) -> str:
    """Encode the target's rows, attending to the source's, or to the target's own if None."""
    return graph.op(
        "Mul", _encoded(graph, encoder, target, steps, source, source_steps), steps.real
    )


def pooled_encoder_output(
    graph: Graph, encoder: Encoder, target: str, steps: Steps, pool: Pool
) -> str:
    """Encode by self-attention and pool the real steps, [clip, width]; zeros without one.

    Where the pool takes the last step, the last layer is computed for that step alone, which
    attends to every real one.
    """
    if pool.pooling != "last":
        output = encoder_output(graph, encoder, target, steps)
        return pooled(graph, output, steps, encoder.norm.normalized_shape[0], pool)
    output = _encoded(graph, encoder, target, steps, None, None, last=True)
    return graph.op("Mul", output, graph.op("Gather", steps.real, last_row(graph, steps), axis=0))


def _encoded(
    graph: Graph,
    encoder: Encoder,
    target: str,
    steps: Steps,
    source: str | None,
    source_steps: Steps | None,
    *,
    last: bool = False,
) -> str:
    layers: list[EncoderLayer] = list(encoder.layers)  # pyright: ignore[reportAssignmentType]
    keys = source_steps or steps  # the steps attended to
    x, normed = _embedded(graph, target, steps, encoder)
    pairs: list[tuple[str, str]] = []
    if source is not None:
        pairs = _keys_and_values(graph, layers, _embedded(graph, source, keys, encoder)[1], keys)
    future = _offset(graph, steps, keys) if encoder.mask_future else None
    queries = steps.size
    for index, layer in enumerate(layers):
        key, value = pairs[index] if pairs else _keys_and_values(graph, [layer], normed, keys)[0]
        if last and index == len(layers) - 1:
            x, normed = (graph.op("Gather", y, last_row(graph, steps), axis=0) for y in (x, normed))
            queries, future = graph.op("Min", queries, graph.whole(2**62, 1)), None
        attended = _attended(graph, layer, normed, queries, key, value, future)
        output = _centred(layer.attention.output)
        x, normed = _added(graph, x, product(graph, attended, output[0]), output[1], encoder)
        expand = _behind(layer.feedforward_norm, layer.expand)
        hidden = graph.op("Relu", product(graph, normed, *expand))
        contract = _centred(layer.contract)
        x, normed = _added(graph, x, product(graph, hidden, contract[0]), contract[1], encoder)
    scaled = graph.op("Mul", normed, graph.constant(array(encoder.norm.weight)))
    return graph.op("Add", scaled, graph.constant(array(encoder.norm.bias)))


def _embedded(graph: Graph, x: str, steps: Steps, encoder: Encoder) -> tuple[str, str]:
    """``sqrt(width) x`` plus positions at mean 0, and its norm, both [clip * step, width]."""
    width = encoder.norm.normalized_shape[0]
    centring = _centring(width)
    index = graph.op("Add", _places(graph, steps), graph.whole(1))
    index = graph.op("Cast", graph.op("Unsqueeze", index, graph.whole(1)), to=TensorProto.FLOAT)
    angles = graph.op("Mul", index, graph.constant(_rates(width)))
    waves = graph.op("Concat", graph.op("Sin", angles), graph.op("Cos", angles), axis=1)
    # A missing odd channel is centred as the zero that it is.
    positions = graph.op("MatMul", waves, graph.constant(centring[: 2 * (width // 2)]))
    scaled = product(graph, x, math.sqrt(width) * centring)
    normed, total = _skip_norm(graph, sequence(graph, scaled, steps, width), positions, encoder)
    return tuple(graph.op("Reshape", y, graph.whole(-1, width)) for y in (total, normed))  # pyright: ignore[reportReturnType]


def _keys_and_values(
    graph: Graph, layers: list[EncoderLayer], normed: str, steps: Steps
) -> list[tuple[str, str]]:
    """Keys [clip, head, part + 1, step] and values [clip, head, part, step] of each layer."""
    heads = layers[0].attention.heads
    width = layers[0].attention.query.in_features
    part = width // heads
    blocks: list[np.ndarray] = []
    for layer in layers:
        weight, bias = _behind(layer.attention_norm, layer.attention.key_value)
        with_real = np.concatenate([weight, bias[:, None], np.zeros_like(bias)[:, None]], axis=1)
        keys, values = np.split(with_real, 2)
        hiding = np.zeros((heads, 1, width + 2), np.float32)
        hiding[:, :, -1] = MASKED_SCORE
        keys = np.concatenate([keys.reshape(heads, part, -1), hiding], axis=1)
        blocks += [keys.reshape(-1, width + 2), values]
    real = graph.op("Mul", normed, steps.real)
    hidden = graph.op("Sub", graph.constant(1.0), steps.real)
    extended = graph.op("Concat", real, steps.real, hidden, axis=1)
    outputs = product(graph, extended, np.concatenate(blocks))
    outputs = sequence(graph, outputs, steps, sum(map(len, blocks)))
    channels_first = graph.op("Transpose", outputs, perm=[0, 2, 1])
    sizes = graph.whole(*map(len, blocks))
    parts = graph.ops("Split", channels_first, sizes, outputs=len(blocks), axis=1)
    shapes = (graph.whole(0, heads, part + 1, -1), graph.whole(0, heads, part, -1))
    shaped = [graph.op("Reshape", x, shapes[i % 2]) for i, x in enumerate(parts)]
    return list(zip(shaped[::2], shaped[1::2], strict=True))


def _attended(
    graph: Graph,
    layer: EncoderLayer,
    normed: str,
    size: str,
    key: str,
    value: str,
    future: str | None,
) -> str:
    """Multi-head attention of each row of the target, before the output's linear map."""
    attention = layer.attention
    heads, width = attention.heads, attention.query.in_features
    part = width // heads
    weight, bias = _behind(layer.attention_norm, attention.query)
    # One more channel, 1, which multiplies the one that hides keys.
    weight = np.pad(weight.reshape(heads, part, width) * part**-0.5, [(0, 0), (0, 1), (0, 0)])
    bias = np.pad(bias.reshape(heads, part) * part**-0.5, [(0, 0), (0, 1)], constant_values=1.0)
    query = product(graph, normed, weight.reshape(-1, width), bias.reshape(-1))
    shape = graph.op("Concat", size, graph.whole(heads, part + 1), axis=0)
    query = graph.op("Transpose", graph.op("Reshape", query, shape), perm=[0, 2, 1, 3])
    scores = graph.op("MatMul", query, key)
    if future is not None:
        scores = graph.op("Add", scores, future)
    weights = graph.op("Softmax", scores, axis=3)
    turned = graph.op("Transpose", weights, perm=[0, 1, 3, 2])  # fused by onnxruntime
    mixed = graph.op("Transpose", graph.op("MatMul", value, turned), perm=[0, 3, 1, 2])
    return graph.op("Reshape", mixed, graph.whole(-1, width))


def _added(
    graph: Graph, x: str, change: str, bias: np.ndarray, encoder: Encoder
) -> tuple[str, str]:
    """Compute ``x + change + bias``, and its norm."""
    normed, total = _skip_norm(graph, x, change, encoder, bias)
    return total, normed


def _skip_norm(
    graph: Graph, x: str, change: str, encoder: Encoder, bias: np.ndarray | None = None
) -> tuple[str, str]:
    """Compute the sum divided by its root mean square over the channels, and the sum itself."""
    normed, *_, total = graph.ops(
        "SkipSimplifiedLayerNormalization",
        x,
        change,
        graph.constant(np.ones(encoder.norm.normalized_shape)),
        *([] if bias is None else [graph.constant(bias)]),
        domain=MICROSOFT,
        outputs=4,
        epsilon=encoder.norm.eps,
    )
    return normed, total


def _behind(norm: nn.LayerNorm, layer: nn.Linear) -> Linear:
    """Weight and bias of a linear map, with the scale and shift of the norm before it."""
    weight = array(layer.weight)
    return weight * array(norm.weight), array(layer.bias) + weight @ array(norm.bias)


def _centred(layer: nn.Linear) -> Linear:
    """Weight and bias of a linear map, changed so that the mean of its output is 0."""
    centring = _centring(layer.out_features)
    return centring @ array(layer.weight), centring @ array(layer.bias)


def _centring(width: int) -> np.ndarray:
    return np.eye(width, dtype=np.float32) - np.float32(1 / width)


def _rates(width: int) -> np.ndarray:
    half = width // 2
    return np.exp(np.arange(half, dtype=np.float32) * np.float32(-math.log(1e4) / (half - 1)))


def _places(graph: Graph, steps: Steps) -> str:
    """Count the steps: 0, 1, ..."""
    return count(graph, graph.op("Gather", steps.size, graph.whole(1), axis=0))


def _offset(graph: Graph, steps: Steps, source: Steps) -> str:
    """MulT's offset mask, [clip, 1, step, source_step]: 0 where visible, else ``MASKED_SCORE``."""
    difference = graph.op("Abs", graph.op("Sub", steps.lengths, source.lengths))
    ahead = graph.op(
        "Sub",
        graph.op("Unsqueeze", _places(graph, source), graph.whole(0)),
        graph.op("Unsqueeze", _places(graph, steps), graph.whole(1)),
    )
    offset = graph.op("Reshape", difference, graph.whole(-1, 1, 1, 1))
    visible = graph.op("LessOrEqual", ahead, offset)
    return graph.op("Where", visible, graph.constant(0.0), graph.constant(MASKED_SCORE))
