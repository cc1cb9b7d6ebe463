"""Base of the models that read one step of every modality at a time, with a CTC front end."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import pad

from deadpan.errors import DeadpanError
from deadpan.layers.ctc import CTCAligner
from deadpan.layers.exporting import is_exporting
from deadpan.models.base import Model
from deadpan.types import Batch, Modality


@dataclasses.dataclass(frozen=True, kw_only=True)
class Aligned:
    """A batch whose sequences share their steps.

    Attributes:
        sequences: features of every modality of the model; zeros in padded steps and where a clip
            lacks the modality.
        mask: True = real step; padding stands last.
        losses: CTC losses by name, for ``Output.losses``.
    """

    sequences: Mapping[Modality, Float[Tensor, "clip step _"]]
    mask: Bool[Tensor, "clip step"]
    losses: Mapping[str, Float[Tensor, ""]]


class AlignedModel(Model):
    """A model for word-aligned sequences, or for unaligned ones behind a CTC front end.

    Step i of every modality must belong to the same word i; clips whose modalities differ in length
    are refused. With ``ctc`` the other modalities are aligned with the steps of the first (text,
    where there is text); a clip that lacks it has as many steps as its longest other modality, at
    most ``ctc_steps``.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        ctc: put the CTC front end before the model and train both together.
        ctc_steps: steps of the longest clip in the first modality.
        ctc_weight: weight of the CTC loss, which is summed over the clips of a batch.
    """

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        ctc: bool = False,
        ctc_steps: int = 50,
        ctc_weight: float = 1.0,
    ) -> None:
        super().__init__(widths=widths, outputs=outputs)
        self.ctc_steps, self.ctc_weight = ctc_steps, ctc_weight
        _, *others = self.modalities
        self.aligners = nn.ModuleDict(
            {name: CTCAligner(self.widths[name], ctc_steps) for name in others} if ctc else {}
        )

    def aligned(self, batch: Batch) -> Aligned:
        """Bring the modalities of a batch to common steps.

        Raises:
            DeadpanError: the modalities of a clip differ in length and there is no front end, or
                the clip is too long for it.
        """
        inputs = self.inputs(batch)
        lengths = torch.stack([mask.sum(dim=1) for _, mask in inputs.values()], dim=1)
        common = self._common_steps(lengths)
        losses: dict[str, Tensor] = {}
        if is_exporting():  # values are not known; whoever predicts checks the steps
            longest = [x.shape[1] for x, _ in inputs.values()]
            # Not as int(), which would fix the number of steps of the batch that is followed.
            steps: Any = self.ctc_steps if self.aligners else reduce(torch.sym_max, longest)
        else:
            self.check_steps(batch.ids, lengths)
            steps = max(int(common.max()), 1)
        sequences: dict[Modality, Tensor] = {}
        for name, (x, mask) in inputs.items():
            if name in self.aligners:
                sequences[name], loss = self.aligners[name](x, mask, common)
                losses[f"ctc_{name}"] = self.ctc_weight * loss
            else:
                sequences[name] = _with_steps(x, steps)
        mask = torch.arange(steps, device=common.device) < common[:, None]
        return Aligned(sequences=sequences, mask=mask, losses=losses)

    def check_steps(self, ids: Sequence[str], steps: Int[Tensor, "clip modality"]) -> None:
        """See :class:`Model`: lengths that differ, or, with ``ctc``, too long a clip."""
        if self.aligners:
            self._refuse_long(ids, self._common_steps(steps))
        else:
            self._refuse_unaligned(ids, steps)

    def _common_steps(self, lengths: Int[Tensor, "clip modality"]) -> Int[Tensor, " clip"]:
        """Number of common steps of each clip."""
        longest = lengths.max(dim=1).values
        if not self.aligners:
            return longest
        # The steps of the first modality; where it is missing, of the longest other.
        return torch.where(lengths[:, 0] > 0, lengths[:, 0], longest.clamp(max=self.ctc_steps))

    def _refuse_unaligned(self, ids: Sequence[str], lengths: Tensor) -> None:
        # Zero steps is a missing modality, which may stand beside any length.
        differs = (lengths != lengths.max(dim=1, keepdim=True).values) & (lengths > 0)
        if bool(differs.any()):
            clip = int(differs.any(dim=1).nonzero()[0])
            lengths_text = ", ".join(
                f"{name} {count}"
                for name, count in zip(self.modalities, lengths[clip].tolist(), strict=True)
            )
            raise DeadpanError(
                f"{type(self).__name__} reads aligned modalities, one step of each for every word; "
                f"clip '{ids[clip]}' has modalities of different lengths ({lengths_text}): give "
                f"word-aligned data, or let the model align them with --model.ctc true"
            )

    def _refuse_long(self, ids: Sequence[str], longest: Tensor) -> None:
        if int(longest.max()) > self.ctc_steps:
            clip = int(longest.argmax())
            raise DeadpanError(
                f"{type(self).__name__}: clip '{ids[clip]}' has {int(longest[clip])} steps "
                f"of {self.modalities[0]}, the CTC front end {self.ctc_steps}: set --model."
                f"ctc_steps to those of the longest clip"
            )


def _with_steps(x: Float[Tensor, "clip _ width"], steps: int) -> Float[Tensor, "clip _ width"]:
    """The same steps, then zeros, so many in all."""
    if not is_exporting():
        return pad(x, (0, 0, 0, steps - x.shape[1]))
    # Of any number of steps, and more: a clip with more real ones is refused.
    index = torch.arange(steps, device=x.device).clamp(max=x.shape[1])
    return pad(x, (0, 0, 0, 1))[:, index]
