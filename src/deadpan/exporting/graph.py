"""A network written down node by node, as an ONNX graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

MICROSOFT = "com.microsoft"
"""The domain of onnxruntime's own operators."""

QUANTIZED_FROM = 1024
"""Weights of fewer numbers stay float32 under ``int8``: they weigh nothing, and they matter."""


class Graph:
    """Nodes and weights in the order in which they were asked for; the same node is made once.

    A value of the network is the name of a node's output. Weights may be kept as int8 with one
    scale per output channel: ``weight = int8 * scale``, two nodes that onnxruntime computes when
    it loads the file, so that a call costs what it cost in float32.

    Args:
        int8: keep the large weights so.
    """

    def __init__(self, *, int8: bool = False) -> None:
        self.int8 = int8
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._made: dict[Any, tuple[str, ...]] = {}

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:  # noqa: ANN401
        """The first output of a node; an empty name is an input that is left out."""
        return self.ops(kind, *inputs, domain=domain, outputs=1, **attributes)[0]

    def ops(
        self,
        kind: str,
        *inputs: str,
        outputs: int,
        domain: str = "",
        **attributes: Any,  # noqa: ANN401
    ) -> tuple[str, ...]:
        """All outputs of a node."""
        key = (kind, inputs, outputs, domain, repr(sorted(attributes.items())))
        if key not in self._made:
            names = tuple(f"{kind}_{len(self._nodes)}_{i}" for i in range(outputs))
            node = helper.make_node(kind, inputs, names, domain=domain, **attributes)
            self._nodes.append(node)
            self._made[key] = names
        return self._made[key]

    def constant(self, value: object, kind: type[np.generic] = np.float32) -> str:
        """A small array or a number that stays as it is."""
        array = np.asarray(value, dtype=kind)
        key = ("constant", array.shape, array.dtype.str, array.tobytes())
        if key not in self._made:
            name = f"constant_{len(self._weights)}"
            self._weights.append(numpy_helper.from_array(array, name))
            self._made[key] = (name,)
        return self._made[key][0]

    def whole(self, *values: int) -> str:
        """Whole numbers, such as a shape."""
        return self.constant(values, np.int64)

    def weight(self, value: np.ndarray, *, channel: int) -> str:
        """Weights of a product.

        Args:
            value: float32.
            channel: the axis of the output channels, each of which has a scale under ``int8``.
        """
        if not self.int8 or value.size < QUANTIZED_FROM:
            return self.constant(value)
        axes = tuple(i for i in range(value.ndim) if i != channel)
        scale = np.maximum(np.abs(value).max(axis=axes, keepdims=True), 1e-12) / 127
        kept = self.constant(np.round(value / scale), np.int8)
        return self.op("Mul", self.op("Cast", kept, to=TensorProto.FLOAT), self.constant(scale))

    def rename(self, value: str, name: str) -> None:
        """Give an output of the network its name."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))

    def finish(self, name: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:  # noqa: ANN401 - onnx gives it no type
        """The whole graph."""
        return helper.make_graph(self._nodes, name, inputs, outputs, self._weights)


def array(tensor: Tensor) -> np.ndarray:
    """The numbers of a parameter, float32."""
    return tensor.detach().cpu().float().numpy()
