"""Graph-MFN, the memory fusion network with a dynamic fusion graph."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deadpan.layers.cells import GatedMemory, LSTMCells
from deadpan.layers.mlp import MLP
from deadpan.models.aligned import AlignedModel
from deadpan.types import Batch, Modality, Output


class GraphMFN(AlignedModel):
    """MFN whose attention is a graph over all subsets of the modalities.

    Each non-empty subset has a vertex: for one modality its LSTM's memories [c(t-1); c(t)], for
    more an MLP of the vertices of all proper subsets. Each edge, and each vertex on its way to the
    graph's output, is scaled by an efficacy in (0, 1), the sigmoid of an MLP of the singletons:
    12 + 7 = 19 for three modalities. The output tau, an MLP of all scaled vertices, is the input of
    MFN's memory.

    MMSA's code has the same graph (``studies/parity``) of other parts: a singleton is a ReLU map of
    the hidden states [h(t-1); h(t)], vertices and efficacies are linear maps of linear maps, and no
    sigmoid bounds an efficacy. It keeps the graph's networks in a dict, where no optimizer sees
    them.

    Any number of modalities; one that a clip lacks is read as zeros.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        hidden: channels of each LSTM.
        memory: channels of the shared memory.
        vertex_width: channels of a vertex of two or more modalities, and of tau.
        net_width: channels of the hidden layer of every MLP.
        output_dropout: rate inside the head, after the ReLU.
    """

    title = "Graph-MFN"
    paper = "Zadeh et al. 2018, Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset"

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        hidden: int = 64,
        memory: int = 64,
        vertex_width: int = 64,
        net_width: int = 64,
        output_dropout: float = 0.0,
        **alignment: Any,  # noqa: ANN401 - of AlignedModel
    ) -> None:
        super().__init__(widths=widths, outputs=outputs, **alignment)
        count = len(self.modalities)
        self.cells = LSTMCells(list(self.widths.values()), hidden)
        self.graph = FusionGraph(count, 2 * hidden, vertex_width, net_width)
        self.memory = GatedMemory(vertex_width, net_width, memory)
        self.head = MLP(count * hidden + memory, net_width, outputs, dropout=output_dropout)

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        steps = self.aligned(batch)
        last, memories = self.cells.run(list(steps.sequences.values()), steps.mask)
        # The graph does not feed back into the cells, so all steps are computed at once.
        tau = self.graph(list(memories))
        u = self.memory(tau, steps.mask)
        return Output(prediction=self.head(torch.cat([last, u], dim=1)), losses=steps.losses)


class FusionGraph(nn.Module):
    """Dynamic fusion graph over subsets of the modalities (Zadeh et al. 2018, section 4.2).

    Args:
        count: number of modalities, hence of singletons.
        single: channels of a singleton.
        width: channels of every other vertex and of the output.
        hidden: channels of the hidden layer of every MLP.
    """

    def __init__(self, count: int, single: int, width: int, hidden: int) -> None:
        super().__init__()
        self.subsets = [s for size in range(1, count + 1) for s in combinations(range(count), size)]
        self.edges = [
            (small, large)
            for large in self.subsets
            for small in self.subsets
            if set(small) < set(large)
        ]
        self.vertices = nn.ModuleList(
            MLP(self._width(s, single, width), hidden, width) for s in self.subsets if len(s) > 1
        )
        self.efficacies = MLP(count * single, hidden, len(self.edges) + len(self.subsets))
        self.output = MLP(count * single + (len(self.subsets) - count) * width, hidden, width)

    def _width(self, subset: tuple[int, ...], single: int, width: int) -> int:
        """Total channels of the vertices of all proper subsets."""
        return sum(
            single if len(small) == 1 else width for small, large in self.edges if large == subset
        )

    def forward(
        self, singletons: list[Float[Tensor, "clip step single"]]
    ) -> Float[Tensor, "clip step width"]:
        """Output tau at every step."""
        efficacy = self.efficacies(torch.cat(singletons, dim=2)).sigmoid().unsqueeze(3)
        value: dict[tuple[int, ...], Tensor] = {(i,): x for i, x in enumerate(singletons)}
        larger = [subset for subset in self.subsets if len(subset) > 1]
        for vertex, subset in zip(self.vertices, larger, strict=True):
            inputs = [
                efficacy[:, :, index] * value[small]
                for index, (small, large) in enumerate(self.edges)
                if large == subset
            ]
            value[subset] = vertex(torch.cat(inputs, dim=2))
        first = len(self.edges)
        scaled = [
            efficacy[:, :, first + index] * value[subset]
            for index, subset in enumerate(self.subsets)
        ]
        return self.output(torch.cat(scaled, dim=2))
