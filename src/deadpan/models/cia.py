"""CIA, context-aware interactive attention over the utterances of a video."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise, permutations
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import relu

from deadpan.layers.dropout import dropout
from deadpan.layers.mlp import MLP
from deadpan.layers.pooling import Pool, Pooling
from deadpan.layers.recurrent import MaskedGRU
from deadpan.models.base import Model
from deadpan.types import Batch, Modality, Output


class CIA(Model):
    """Predict each modality from each other one, read videos by GRUs, attend to their utterances.

    To predict a clip it reads all clips of its video, earlier and later ones, so its scores do not
    compare on equal terms with those of models that read one clip. A clip whose video is unknown is
    a video of its own; clips of other videos never matter.

    The vector of an utterance in a modality is the mean of its real steps. For each ordered pair of
    modalities an autoencoder predicts the second from the first. Its code is the interaction
    feature; its mean squared error, over the clips that have both, is a further loss. A
    bidirectional GRU each reads the vectors and the interaction features along the video; a linear
    map brings them to ``width``. Per pair of modalities, X is a map of the two concatenated vectors
    and Y the mean of the two interaction features. The context attention over the utterances of
    the video is ``softmax(X Y') Y * X``, and the same with X and Y exchanged; an MLP predicts from
    those of all pairs.

    Any number of modalities; with one there is no interaction, and its utterances attend to each
    other. In a clip that lacks a modality its vector and its interaction features are 0. The
    defaults are those of the authors' code for YouTube. Unlike there, the autoencoder's output is
    linear (features are not scaled to [-1, 1]) and the GRUs have no dropout between steps.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        hidden: channels of each GRU in each direction.
        pooling: the "mean" of an utterance's real steps, the "last" one, or "attention" to them by
            a learned query.
        width: channels of an interaction feature and of every vector after the GRUs. The
            autoencoders' hidden layers have 3 and 2 times as many before the code, 2 and 3 after.
        reconstruction_weight: weight of each autoencoder's mean squared error.
        input_dropout: rate for the input of the GRUs.
        layer_dropout: rate after every other layer except those of the MLP.
    """

    paper = (
        "Chauhan et al. 2019, Context-aware Interactive Attention for Multi-modal Sentiment and "
        "Emotion Analysis"
    )
    context: ClassVar[bool] = True

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        hidden: int = 50,
        pooling: Pooling = "mean",
        width: int = 200,
        reconstruction_weight: float = 1.0,
        input_dropout: float = 0.3,
        layer_dropout: float = 0.5,
    ) -> None:
        super().__init__(widths=widths, outputs=outputs)
        self.reconstruction_weight = reconstruction_weight
        self.layer_dropout = layer_dropout
        self.pools = nn.ModuleDict({name: Pool(n, pooling) for name, n in self.widths.items()})
        self.autoencoders = nn.ModuleDict(
            {
                f"{source}_to_{target}": AutoEncoder(
                    self.widths[source], width, self.widths[target], dropout=layer_dropout
                )
                for source, target in permutations(self.modalities, 2)
            }
        )
        inputs = {**self.widths, **dict.fromkeys(self.autoencoders, width)}
        self.readers = nn.ModuleDict(
            {
                name: VideoReader(features, hidden, width, input_dropout, layer_dropout)
                for name, features in inputs.items()
            }
        )
        self.pairs = list(combinations(self.modalities, 2))
        self.join = nn.ModuleList(nn.Linear(2 * width, width) for _ in self.pairs)
        self.head = MLP(max(2 * len(self.pairs), 1) * width, width, outputs)

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        inputs = self.inputs(batch)
        vectors = {name: self.pools[name](x, mask) for name, (x, mask) in inputs.items()}
        present = {name: mask.any(dim=1) for name, (_, mask) in inputs.items()}
        losses: dict[str, Tensor] = {}
        for source, target in permutations(self.modalities, 2):
            name = f"{source}_to_{target}"
            code, prediction = self.autoencoders[name](vectors[source])
            vectors[name] = code * present[source][:, None]
            # Detached: attention must not learn to be easy to predict.
            error = (prediction - vectors[target].detach()).square().mean(dim=1)
            both = present[source] & present[target]
            losses[f"reconstruction_{name}"] = (
                self.reconstruction_weight * (error * both).sum() / both.sum().clamp(min=1)
            )
        videos, utterances = video_positions(batch.groups, len(batch))
        shape = (max(videos) + 1, max(utterances) + 1)
        position = tuple(torch.tensor(x, device=batch.labels.device) for x in (videos, utterances))
        mask = torch.zeros(shape, dtype=torch.bool, device=batch.labels.device)
        mask[position] = True
        states = {
            name: self.readers[name](x.new_zeros(*shape, x.shape[1]).index_put(position, x), mask)
            for name, x in vectors.items()
        }
        context = torch.cat(self._attend(states, mask), dim=2)
        return Output(prediction=self.head(context[position]), losses=losses)

    def _attend(
        self, states: Mapping[str, Float[Tensor, "video utterance width"]], mask: Tensor
    ) -> list[Tensor]:
        if not self.pairs:
            (x,) = states.values()
            return [context_attention(x, x, mask)]
        parts: list[Tensor] = []
        for (a, b), join in zip(self.pairs, self.join, strict=True):
            x = relu(join(torch.cat([states[a], states[b]], dim=2)))
            x = dropout(x, self.layer_dropout, self.training)
            y = (states[f"{a}_to_{b}"] + states[f"{b}_to_{a}"]) / 2
            parts += [context_attention(x, y, mask), context_attention(y, x, mask)]
        return parts


class AutoEncoder(nn.Module):
    """Encoder of one modality's vector, and decoder that predicts another's from the code.

    Args:
        source: channels of the encoded modality.
        width: channels of the code.
        target: channels of the predicted modality.
        dropout: rate after each hidden layer.
    """

    def __init__(self, source: int, width: int, target: int, *, dropout: float) -> None:
        super().__init__()
        self.encoder = _tanh_layers(source, 3 * width, 2 * width, width, dropout=dropout)
        self.decoder = _tanh_layers(width, 2 * width, 3 * width, dropout=dropout)
        self.guess = nn.Linear(3 * width, target)

    def forward(
        self, x: Float[Tensor, "clip source"]
    ) -> tuple[Float[Tensor, "clip width"], Float[Tensor, "clip target"]]:
        """Code, and prediction of the target."""
        code = self.encoder(x)
        return code, self.guess(self.decoder(code))


class VideoReader(nn.Module):
    """Bidirectional GRU along the utterances of a video, then a linear map with ReLU of each.

    Args:
        features: input channels of an utterance.
        hidden: channels of the GRU in each direction.
        width: output channels.
        input_dropout: rate for the input.
        layer_dropout: rate for the GRU's output and for the result.
    """

    def __init__(
        self, features: int, hidden: int, width: int, input_dropout: float, layer_dropout: float
    ) -> None:
        super().__init__()
        self.input_dropout, self.layer_dropout = input_dropout, layer_dropout
        self.recurrent = MaskedGRU(features, 2 * hidden, bidirectional=True)
        self.map = nn.Linear(2 * hidden, width)

    def forward(
        self, x: Float[Tensor, "video utterance features"], mask: Bool[Tensor, "video utterance"]
    ) -> Float[Tensor, "video utterance width"]:
        """Vector of each utterance in the context of its video."""
        x = self.recurrent(dropout(x, self.input_dropout, self.training), mask)
        x = relu(self.map(dropout(x, self.layer_dropout, self.training)))
        return dropout(x, self.layer_dropout, self.training)


def context_attention(
    x: Float[Tensor, "video utterance width"],
    y: Float[Tensor, "video utterance width"],
    mask: Bool[Tensor, "video utterance"],
) -> Float[Tensor, "video utterance width"]:
    """``softmax(x y') y * x``: attention to a video's real utterances, gated by the queries."""
    scores = (x @ y.transpose(1, 2)).masked_fill(~mask[:, None, :], -torch.inf)
    return (scores.softmax(dim=2) @ y) * x


def video_positions(groups: Sequence[str | None], clips: int) -> tuple[list[int], list[int]]:
    """Index of each clip's video in the batch, and of the clip in its video.

    Videos are numbered in order of appearance. A clip without a group is a video of its own.
    """
    numbers: dict[str | int, int] = {}
    counts = Counter[int]()
    videos, utterances = list[int](), list[int]()
    for clip, group in enumerate(groups or [None] * clips):
        video = numbers.setdefault(clip if group is None else group, len(numbers))
        videos.append(video)
        utterances.append(counts[video])
        counts[video] += 1
    return videos, utterances


def _tanh_layers(*sizes: int, dropout: float) -> nn.Sequential:
    layers = [
        nn.Sequential(nn.Linear(size, following), nn.Tanh(), nn.Dropout(dropout))
        for size, following in pairwise(sizes)
    ]
    return nn.Sequential(*layers)
