"""The modality gate of HCT-MG (section 4, "Modality Gating")."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ModalityGate(nn.Module):
    """One trainable weight per modality; the heaviest modality is the primary.

    The weights are the softmax of logits that start at 0, so they sum to 1. The choice itself has
    no gradient and nothing is sampled: the task reaches the logits only through the features that
    are multiplied by the weights.

    Args:
        modalities: how many modalities to weigh.
    """

    frozen: Tensor

    def __init__(self, modalities: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(modalities))
        self.register_buffer("frozen", torch.tensor(False))

    def forward(self) -> tuple[Float[Tensor, "modality"], int]:
        """The weights, and the index of the primary modality (ties: the lowest index)."""
        logits = self.logits.detach() if self.frozen else self.logits
        return logits.softmax(dim=0), int(logits.argmax())

    def freeze(self) -> None:
        """Stop learning: from here on the logits receive no gradient and stay as they are."""
        self.frozen.fill_(True)


def converged(
    means: Float[Tensor, "epoch modality"], *, patience: int = 5, tolerance: float = 0.01
) -> bool:
    """Whether the gate has settled, judged by its mean weights in each epoch so far.

    True when the last epoch's primary is that of the ``patience`` epochs before it and no mean
    weight moved by ``tolerance`` or more since the previous epoch.
    """
    if len(means) <= patience:
        return False
    recent = means[-patience - 1 :].argmax(dim=1)
    steady = bool((recent == recent[-1]).all())
    return steady and bool((means[-1] - means[-2]).abs().max() < tolerance)
