"""The types that all of the package shares: modalities, batches and outputs."""

import dataclasses
from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

Modality = str
"""The name of a stream of features. A modality is known by its name, never by its position."""

TEXT: Modality = "text"
AUDIO: Modality = "audio"
VISION: Modality = "vision"
MODALITIES: tuple[Modality, ...] = (TEXT, AUDIO, VISION)
SPLITS: tuple[str, ...] = ("train", "valid", "test")
SPLIT_SPELLINGS: Mapping[str, frozenset[str]] = {
    "train": frozenset({"train", "training"}),
    "valid": frozenset({"valid", "val", "validation", "dev", "devel", "development"}),
    "test": frozenset({"test", "testing"}),
}


def split_name(text: str) -> str | None:
    """The split that a file calls by this name, in any case; None if it is none."""
    plain = text.strip().lower()
    return next((split for split, names in SPLIT_SPELLINGS.items() if plain in names), None)


def is_reserved(name: str) -> bool:
    """Whether no model can have a modality of this name: torch's ``ModuleDict`` has one itself."""
    return hasattr(nn.ModuleDict(), name)


def in_order(modalities: Iterable[Modality]) -> tuple[Modality, ...]:
    """Text, audio, vision, then other names alphabetically: the order of display and ties."""
    rank = {name: index for index, name in enumerate(MODALITIES)}
    return tuple(sorted(set(modalities), key=lambda name: (rank.get(name, len(rank)), name)))


@dataclasses.dataclass(kw_only=True)
class Batch:
    """Clips padded to a common length per modality.

    A step is real where its mask is True; what stands in a padded step never matters, nor on which
    side it stands. A modality that a clip lacks has no real step in that clip. A modality that no
    clip has may be left out of both mappings.

    Attributes:
        ids: one per clip.
        sequences: features, finite, per modality.
        masks: True = real step, per modality.
        labels: regression: one score in [-3, 3]; emotions: 1 where present, 0 where absent;
            classes: 1 for the clip's class, 0 for the others; scores: a number for each label.
        groups: the video or speaker each clip is from, None where not known; clips of one group
            stand in the order in which they were spoken. Empty: none is known.
    """

    ids: tuple[str, ...]
    sequences: Mapping[Modality, Float[Tensor, "clip _ _"]]
    masks: Mapping[Modality, Bool[Tensor, "clip _"]]
    labels: Float[Tensor, "clip label"]
    groups: tuple[str | None, ...] = ()

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return Batch(
            ids=self.ids,
            sequences={name: x.to(device, non_blocking=True) for name, x in self.sequences.items()},
            masks={name: mask.to(device, non_blocking=True) for name, mask in self.masks.items()},
            labels=self.labels.to(device, non_blocking=True),
            groups=self.groups,
        )

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.ids)


@dataclasses.dataclass(kw_only=True)
class Output:
    """The output of a model.

    Attributes:
        prediction: what the task's loss and decoding read; regression: the score; emotions: logits
            (absent, present) of each emotion in turn; classes: a logit for each; scores: a number
            for each label. Where a distribution is predicted: logits of each label's bins in turn.
        losses: further terms of the objective by name, already weighted; added to the task's loss.
        gate: weights of the modality gate, in the order of ``model.modalities``, or their mean over
            the clips; sum 1.
    """

    prediction: Float[Tensor, "clip output"]
    losses: Mapping[str, Float[Tensor, ""]] = dataclasses.field(default_factory=dict)
    gate: Float[Tensor, "modality"] | None = None
