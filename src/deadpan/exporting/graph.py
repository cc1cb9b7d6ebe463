"""An ONNX graph written node by node, and the layers that several models share."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from deadpan.layers.attention import MASKED_SCORE
from deadpan.layers.mlp import MLP, ResidualHead
from deadpan.layers.pooling import Pool
from deadpan.layers.recurrent import MaskedGRU, MaskedLSTM

MICROSOFT = "com.microsoft"
"""The domain of onnxruntime's own operators."""

QUANTIZED_FROM = 1024
"""Weights of fewer numbers stay float32 under ``int8``: they take little room, and they matter."""


class Graph:
    """Nodes and weights of a graph, in the order in which they were added; equal nodes are one.

    A value of the network is the name of a node's output. Weights may be stored as int8 with one
    scale per output channel: ``weight = int8 * scale``, two nodes that onnxruntime computes when
    it loads the file, so that a prediction takes as long as with float32.

    Args:
        int8: store large weights as int8.
    """

    def __init__(self, *, int8: bool = False) -> None:
        self.int8 = int8
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._names: dict[Any, tuple[str, ...]] = {}

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:  # noqa: ANN401
        """Add a node and return its first output; an empty name is an input left out."""
        return self.ops(kind, *inputs, domain=domain, outputs=1, **attributes)[0]

    def ops(
        self,
        kind: str,
        *inputs: str,
        outputs: int,
        domain: str = "",
        **attributes: Any,  # noqa: ANN401
    ) -> tuple[str, ...]:
        """Add a node and return all its outputs."""
        key = (kind, inputs, outputs, domain, repr(sorted(attributes.items())))
        if key not in self._names:
            names = tuple(f"{kind}_{len(self._nodes)}_{i}" for i in range(outputs))
            node = helper.make_node(kind, inputs, names, domain=domain, **attributes)
            self._nodes.append(node)
            self._names[key] = names
        return self._names[key]

    def constant(self, value: object, kind: type[np.generic] = np.float32) -> str:
        """Add an array or a number that is stored unchanged."""
        array = np.asarray(value, dtype=kind)
        key = ("constant", array.shape, array.dtype.str, array.tobytes())
        if key not in self._names:
            name = f"constant_{len(self._weights)}"
            self._weights.append(numpy_helper.from_array(array, name))
            self._names[key] = (name,)
        return self._names[key][0]

    def whole(self, *values: int) -> str:
        """Add whole numbers, such as a shape."""
        return self.constant(values, np.int64)

    def weight(self, value: np.ndarray, *, channel: int) -> str:
        """Add the weights of a product, as int8 if the graph has it so and they are large.

        Args:
            value: the weights, float32.
            channel: the axis of the output channels, each of which has a scale.
        """
        if not self.int8 or value.size < QUANTIZED_FROM:
            return self.constant(value)
        axes = tuple(i for i in range(value.ndim) if i != channel)
        scale = np.maximum(np.abs(value).max(axis=axes, keepdims=True), 1e-12) / 127
        rounded = self.constant(np.round(value / scale), np.int8)
        return self.op("Mul", self.op("Cast", rounded, to=TensorProto.FLOAT), self.constant(scale))

    def rename(self, value: str, name: str) -> None:
        """Name an output of the network."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))

    def finish(self, name: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:  # noqa: ANN401 - onnx gives it no type
        """Make the graph of all nodes and weights."""
        return helper.make_graph(self._nodes, name, inputs, outputs, self._weights)


def array(tensor: Tensor) -> np.ndarray:
    """The values of a parameter, float32."""
    return tensor.detach().cpu().float().numpy()


GATES = {"GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}
"""Positions of ONNX's gates (update, reset, new; in, out, forget, new) among torch's."""


@dataclasses.dataclass(frozen=True)
class Steps:
    """The steps of one modality.

    Attributes:
        mask: bool [clip, step].
        size: number of clips and number of steps, two whole numbers.
        real: float [clip * step, 1], 1 for a real step, else 0.
        lengths: number of real steps of each clip, whole numbers [clip].
    """

    mask: str
    size: str
    real: str
    lengths: str


def steps_from_mask(graph: Graph, mask: str) -> Steps:
    """Compute the sizes of a modality from its mask, bool [clip, step]."""
    whole = graph.op("Cast", mask, to=TensorProto.INT64)
    real = graph.op("Reshape", graph.op("Cast", mask, to=TensorProto.FLOAT), graph.whole(-1, 1))
    lengths = graph.op("ReduceSum", whole, graph.whole(1), keepdims=0)
    return Steps(mask, graph.op("Shape", mask), real, lengths)


def rows(graph: Graph, x: str, width: int) -> str:
    """Reshape [clip, step, width] to [clip * step, width]."""
    return graph.op("Reshape", x, graph.whole(-1, width))


def sequence(graph: Graph, x: str, steps: Steps, width: int) -> str:
    """Reshape [clip * step, width] to [clip, step, width]."""
    return graph.op("Reshape", x, graph.op("Concat", steps.size, graph.whole(width), axis=0))


def product(graph: Graph, x: str, weight: np.ndarray, bias: np.ndarray | None = None) -> str:
    """Compute ``x weight^T + bias`` with torch's [out, in] weight."""
    # Stored as [in, out], which onnxruntime packs without transposing it.
    inputs = [x, graph.weight(np.ascontiguousarray(weight.T), channel=1)]
    return graph.op("Gemm", *inputs, *([] if bias is None else [graph.constant(bias)]))


def linear(graph: Graph, x: str, layer: nn.Linear) -> str:
    """Apply a linear map to [row, width]."""
    bias = dict(layer.named_parameters()).get("bias")
    return product(graph, x, array(layer.weight), None if bias is None else array(bias))


def mlp(graph: Graph, x: str, layers: MLP) -> str:
    """Apply linear maps with ReLU between them."""
    first, *others = (part for part in layers.modules() if isinstance(part, nn.Linear))
    x = linear(graph, x, first)
    for layer in others:
        x = linear(graph, graph.op("Relu", x), layer)
    return x


def residual_head(graph: Graph, z: str, head: ResidualHead) -> str:
    """Apply residual blocks, then a linear map."""
    for first, second in head.blocks:  # pyright: ignore[reportGeneralTypeIssues]
        z = graph.op("Add", z, linear(graph, graph.op("Relu", linear(graph, z, first)), second))
    return linear(graph, z, head.output)


def recurrent(graph: Graph, x: str, steps: Steps, reader: MaskedGRU | MaskedLSTM) -> str:
    """Compute a GRU's or LSTM's states from rows to rows; zeros in padded steps."""
    layer = reader.gru if isinstance(reader, MaskedGRU) else reader.lstm
    kind, width = layer.mode, layer.input_size
    hidden, ways = layer.hidden_size, 2 if layer.bidirectional else 1
    suffixes = ("l0", "l0_reverse")[:ways]

    def gates(name: str) -> np.ndarray:
        tensors = [array(getattr(layer, f"{name}_{suffix}")) for suffix in suffixes]
        parts = [np.split(x, len(GATES[kind])) for x in tensors]
        return np.stack([np.concatenate([x[i] for i in GATES[kind]]) for x in parts])

    by_step = graph.op("Transpose", sequence(graph, x, steps, width), perm=[1, 0, 2])
    states = graph.op(
        kind,
        by_step,
        graph.weight(gates("weight_ih"), channel=1),
        graph.weight(gates("weight_hh"), channel=1),
        graph.constant(np.concatenate([gates("bias_ih"), gates("bias_hh")], axis=1)),
        graph.op("Cast", steps.lengths, to=TensorProto.INT32) if ways == 2 else "",
        hidden_size=hidden,
        **({"linear_before_reset": 1} if kind == "GRU" else {}),
        **({"direction": "bidirectional"} if ways == 2 else {}),
    )
    # [step, way, clip, hidden]
    by_clip = graph.op("Transpose", states, perm=[2, 0, 1, 3])
    return graph.op("Mul", rows(graph, by_clip, ways * hidden), steps.real)


def last_real_step(graph: Graph, x: str, steps: Steps) -> str:
    """Take the last real step of each clip, [clip, width]; zeros without one."""
    index = last_row(graph, steps)
    real = graph.op("Gather", steps.real, index, axis=0)  # of the same step: 0 without one
    return graph.op("Mul", graph.op("Gather", x, index, axis=0), real)


def last_row(graph: Graph, steps: Steps) -> str:
    """The row of each clip's last real step, or of its first step if none is real."""
    last = graph.op("Max", graph.op("Sub", steps.lengths, graph.whole(1)), graph.whole(0))
    clips, padded = graph.ops("Split", steps.size, outputs=2, axis=0, num_outputs=2)
    return graph.op("Add", graph.op("Mul", count(graph, clips), padded), last)


def mean_real_step(graph: Graph, x: str, steps: Steps, width: int) -> str:
    """Average the real steps of each clip, [clip, width]; zeros without one."""
    masked = sequence(graph, graph.op("Mul", x, steps.real), steps, width)
    total = graph.op("ReduceSum", masked, graph.whole(1), keepdims=0)
    return graph.op("Div", total, _at_least_one(graph, steps))


def pooled(graph: Graph, x: str, steps: Steps, width: int, pool: Pool) -> str:
    """Pool the real steps of each clip as a model does, [clip, width]; zeros without one."""
    if pool.pooling == "last":
        return last_real_step(graph, x, steps)
    if pool.query is None:
        return mean_real_step(graph, x, steps, width)
    scores = product(graph, x, array(pool.query)[None] * np.float32(width**-0.5))
    scores = _by_step(graph, scores, steps)
    scores = graph.op("Where", steps.mask, scores, graph.constant(MASKED_SCORE))
    weights = graph.op("Unsqueeze", graph.op("Softmax", scores, axis=1), graph.whole(1))
    real = graph.op("Mul", x, steps.real)
    mixed = graph.op("MatMul", weights, sequence(graph, real, steps, width))
    return graph.op("Squeeze", mixed, graph.whole(1))


def _by_step(graph: Graph, x: str, steps: Steps) -> str:
    """Reshape [clip * step, 1] to [clip, step]."""
    return graph.op("Reshape", x, steps.size)


def has_step(graph: Graph, steps: Steps) -> str:
    """Whether each clip has a real step, float [clip, 1]: 1 or 0."""
    one_or_none = graph.op("Min", steps.lengths, graph.whole(1))
    column = graph.op("Unsqueeze", one_or_none, graph.whole(1))
    return graph.op("Cast", column, to=TensorProto.FLOAT)


def count(graph: Graph, number: str) -> str:
    """Count 0, 1, ... up to below a whole number [1]."""
    zero, one = (graph.constant(i, np.int64) for i in (0, 1))
    return graph.op("Range", zero, graph.op("Squeeze", number), one)


def join(graph: Graph, parts: Sequence[str]) -> str:
    """Concatenate channels."""
    return graph.op("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


def _at_least_one(graph: Graph, steps: Steps) -> str:
    lengths = graph.op("Max", steps.lengths, graph.whole(1))
    column = graph.op("Unsqueeze", lengths, graph.whole(1))
    return graph.op("Cast", column, to=TensorProto.FLOAT)
