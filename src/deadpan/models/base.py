"""The model contract: what a class must offer to be trained, compared and shown."""

import abc
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from deadpan.errors import DeadpanError, unknown_name
from deadpan.layers.pooling import front_aligned
from deadpan.types import Batch, Modality, Output, in_order


class Model(nn.Module, abc.ABC):
    """A network from a batch of named, masked sequences to an output.

    A subclass takes ``widths`` and ``outputs`` (settled by the data) and keyword-only typed
    hyperparameters of its own: that signature is its command-line schema. Exporting it from
    ``deadpan.models`` registers it.

    Args:
        widths: features per step of each modality, in any order.
        outputs: numbers predicted per clip.

    Attributes:
        paper: where the model is defined, as "authors year, title".
        modalities: the names it was built for, in canonical order.
    """

    paper: ClassVar[str]

    def __init__(self, *, widths: Mapping[Modality, int], outputs: int) -> None:
        super().__init__()
        if not widths:
            raise DeadpanError(f"{type(self).__name__} needs at least one modality; got none")
        self.modalities = in_order(widths)
        self.widths = {name: widths[name] for name in self.modalities}
        self.outputs = outputs

    @abc.abstractmethod
    def forward(self, batch: Batch) -> Output:
        """Predict; padding, on whichever side, never changes the result."""

    def gate_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters with a learning rate of their own: those of a modality gate."""
        return iter(())

    def end_epoch(self, gate_means: Float[Tensor, "epoch modality"]) -> None:  # noqa: B027
        """Told after each training epoch the gate's mean weights so far; may freeze the gate."""

    @classmethod
    def parameters_at(cls, **hyper: Any) -> int:
        """Number of parameters at given sizes; a hyperparameter that the model lacks is left out."""
        known = {"widths", "outputs", *hyperparameters(cls)}
        model = cls(**{name: value for name, value in hyper.items() if name in known})
        return sum(p.numel() for p in model.parameters())

    @property
    def frozen(self) -> bool:
        """Whether a modality gate has stopped learning."""
        return False

    def inputs(
        self, batch: Batch
    ) -> dict[Modality, tuple[Float[Tensor, "clip _ _"], Bool[Tensor, "clip _"]]]:
        """Every modality of the model with padding moved to the end.

        A modality that the batch lacks becomes one padded step of zeros: missing in each clip.
        """
        found: dict[Modality, tuple[Tensor, Tensor]] = {}
        for name, width in self.widths.items():
            if name in batch.sequences:
                found[name] = front_aligned(batch.sequences[name], batch.masks[name])
            else:
                shape = (len(batch), 1)
                found[name] = (
                    batch.labels.new_zeros(*shape, width),
                    torch.zeros(shape, dtype=torch.bool, device=batch.labels.device),
                )
        return found


def hyperparameters(model: type[Model]) -> dict[str, inspect.Parameter]:
    """The keyword arguments of a model that the data does not settle."""
    signature = inspect.signature(model.__init__).parameters
    return {k: p for k, p in signature.items() if k not in ("self", "widths", "outputs")}


def check_options(model: type[Model], options: Sequence[str] | Mapping[str, object]) -> None:
    """Raise DeadpanError at the first option the model does not have."""
    known = hyperparameters(model)
    for name in options:
        if name not in known:
            raise DeadpanError(unknown_name(f"option of {model.__name__}", name, known))
