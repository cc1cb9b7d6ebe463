"""The model contract: what a class must provide to be trained, compared and analysed."""

import abc
import dataclasses
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from deadpan.errors import DeadpanError, unknown_name
from deadpan.layers.layer_mix import LayerMix
from deadpan.layers.pooling import Pool, Pooling, front_aligned
from deadpan.options import typed
from deadpan.types import Batch, Modality, Output, in_order, is_reserved

M = TypeVar("M", bound="Model")

LARGEST_SIZE, MOST_PARTS = 10_000_000, 1_000
"""Bounds of a hyperparameter that is a size, and of one that counts parts of a model."""
PARTS = ("layers", "heads", "blocks", "stages", "attentions", "rank")
"""Endings of the names of hyperparameters that count parts."""

FUSED = "fused"
"""Name of a stream that fuses all modalities and is as long as the longest. Each of its steps fuses
the steps of every modality at the same fraction of the clip."""


@dataclasses.dataclass(frozen=True)
class AttentionPath:
    """Source and target of one attention encoder.

    Attributes:
        module: the encoder's module path.
        source: the modality that gives keys and values, or ``FUSED``.
        target: the modality that gives queries and is enhanced.
        stage: ``crossmodal``, or ``self`` for self-attention over a target's crossmodal views.
        order: an encoder reads outputs of encoders of lower order only.
    """

    module: str
    source: Modality
    target: Modality
    stage: Literal["crossmodal", "self"]
    order: int = 1


class Model(nn.Module, abc.ABC):
    """A network from a batch of named, padded sequences to an output.

    A subclass takes ``widths`` and ``outputs`` (given by the data) and keyword-only typed
    hyperparameters of its own: that signature is its command-line schema. Exporting it from
    ``deadpan.models`` registers it.

    Args:
        widths: features per step of each modality, in any order.
        outputs: numbers predicted per clip.

    Attributes:
        title: the model's name as the field writes it, for people; its class name if not set.
        paper: where the model is defined, as "authors year, title".
        presets: hyperparameters by data set, where the paper departs from the defaults.
        most_modalities: how many modalities it can fuse; None = any number.
        context: whether a clip's prediction reads the other clips of its video; batches then hold
            whole videos.
        pooling: of a model with attention paths, whether predictions read the "last" real step of
            each path's end, the "mean" of all, or "attention" to them.
        modalities: names of the modalities in ``widths``, in canonical order.
        widths: features per step of each modality in a batch; see also :meth:`mixing`.
        layer_mixes: of the modalities whose features are layers of an encoder side by side.
    """

    title: ClassVar[str]
    paper: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    most_modalities: ClassVar[int | None] = None
    context: ClassVar[bool] = False
    pooling: Pooling = "last"

    def __init_subclass__(cls) -> None:
        """Set the title of a class that sets none."""
        super().__init_subclass__()
        # A variant of a model is another model: it does not inherit the title.
        if "title" not in vars(cls):
            cls.title = cls.__name__

    def __new__(cls: type[M], *_: Any, **arguments: Any) -> M:  # noqa: ANN401 - as in __init__
        """Check the hyperparameters before anything is built from them."""
        names = hyperparameters(cls)
        check_hyperparameters(cls, {name: x for name, x in arguments.items() if name in names})
        return object.__new__(cls)

    def __init__(self, *, widths: Mapping[Modality, int], outputs: int) -> None:
        super().__init__()
        if not widths:
            raise DeadpanError(f"{type(self).__name__} needs at least one modality; got none")
        if self.most_modalities is not None and len(widths) > self.most_modalities:
            raise DeadpanError(
                f"{type(self).__name__} fuses one to {self.most_modalities} modalities; got "
                f"{len(widths)} ({', '.join(in_order(widths))}); name up to "
                f"""{self.most_modalities}, as in --modalities '["text", "audio"]'"""
            )
        for name, size in [("outputs", outputs), *widths.items()]:
            if size < 1:
                kind = type(self).__name__
                raise DeadpanError(f"{kind} needs a size of at least 1 for {name}; got {size}")
        # The names become attributes of a ModuleDict.
        if bad := [name for name in widths if "." in name or is_reserved(name)]:
            raise DeadpanError(f"no model takes a modality named '{bad[0]}'; give it another name")
        self.modalities = in_order(widths)
        self.widths = {name: widths[name] for name in self.modalities}
        self.outputs = outputs
        self.layer_mixes = nn.ModuleDict()

    @classmethod
    def mixing(
        cls: type[M],
        blocks: Mapping[Modality, int],
        /,
        *,
        widths: Mapping[Modality, int],
        **arguments: Any,  # noqa: ANN401 - of the model
    ) -> M:
        """Build a model that reads the layers of an encoder, side by side, as their learned sum.

        Args:
            blocks: how many layers the features of a modality hold; not of those that hold one.
            widths: features per step of each modality, all layers of it.
            **arguments: of the model.

        Raises:
            DeadpanError: a modality is unknown, or its layers do not divide its features.
        """
        for name, count in blocks.items():
            if name not in widths:
                raise DeadpanError(unknown_name("modality in layer_blocks", name, widths))
            if count < 2 or widths[name] % count:
                raise DeadpanError(
                    f"layer_blocks says that {name} holds {count} layers, but it has {widths[name]}"
                    " features per step; give a divisor above 1, or leave it out"
                )
        mixed = {name: width // blocks.get(name, 1) for name, width in widths.items()}
        model = cls(widths=mixed, **arguments)
        model.widths = {name: widths[name] for name in model.modalities}
        for name, count in blocks.items():
            model.layer_mixes[name] = LayerMix(count)
        return model

    @abc.abstractmethod
    def forward(self, batch: Batch) -> Output:
        """Predict; padding, on whichever side, never changes the result."""

    def check_steps(self, ids: Sequence[str], steps: Int[Tensor, "clip modality"]) -> None:  # noqa: B027
        """Raise DeadpanError at the first clip that the model cannot read; called before training.

        Args:
            ids: names of the clips.
            steps: real steps of each clip in each of ``modalities``; 0 = missing.
        """

    def attention_paths(self) -> tuple[AttentionPath, ...]:
        """Attention encoders in use, lowest order first; none for a model without attention.

        The prediction reads the pooled output of each modality's last path.
        """
        return ()

    def final_pools(self) -> Mapping[Modality, Pool]:
        """Pools of the last path of each modality; none for a model without attention paths."""
        return {}

    def gate_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of a modality gate, which have a learning rate of their own."""
        return iter(())

    def end_epoch(self, gate_means: Float[Tensor, "epoch modality"]) -> None:  # noqa: B027
        """After each training epoch, take the gate's mean weights so far; may freeze the gate."""

    @classmethod
    def parameters_at(cls, **hyper: Any) -> int:  # noqa: ANN401 - of as many types as there are
        """Count parameters at given sizes; hyperparameters that the model lacks are ignored."""
        names = {"widths", "outputs", *hyperparameters(cls)}
        model = cls(**{name: value for name, value in hyper.items() if name in names})
        return sum(p.numel() for p in model.parameters())

    @property
    def frozen(self) -> bool:
        """Whether a modality gate has stopped learning."""
        return False

    def inputs(
        self, batch: Batch
    ) -> dict[Modality, tuple[Float[Tensor, "clip _ _"], Bool[Tensor, "clip _"]]]:
        """Features and mask of every modality of the model, with padding moved to the end.

        A modality that the batch lacks becomes one padded step of zeros: missing in every clip.
        Layers of an encoder are summed.
        """
        streams: dict[Modality, tuple[Tensor, Tensor]] = {}
        for name, width in self.widths.items():
            if name in batch.sequences:
                streams[name] = front_aligned(batch.sequences[name], batch.masks[name])
            else:
                shape = (len(batch), 1)
                streams[name] = (
                    batch.labels.new_zeros(*shape, width),
                    torch.zeros(shape, dtype=torch.bool, device=batch.labels.device),
                )
        for name, mix in self.layer_mixes.items():
            x, mask = streams[name]
            streams[name] = mix(x), mask
        return streams


def hyperparameters(model: type[Model]) -> dict[str, inspect.Parameter]:
    """Hyperparameters of a model, then of its parents: keyword arguments not given by the data.

    A model that takes ``**options`` passes them to its parent.
    """
    parameters: dict[str, inspect.Parameter] = {}
    for kind in model.__mro__:
        signature = inspect.signature(kind.__init__).parameters
        variadic = [name for name, p in signature.items() if p.kind is p.VAR_KEYWORD]
        excluded = {"self", "widths", "outputs", *variadic, *parameters}
        parameters |= {name: p for name, p in signature.items() if name not in excluded}
        if not variadic:
            break
    return parameters


def check_hyperparameters(model: type[Model], options: Mapping[str, object]) -> None:
    """Raise DeadpanError at the first option that the model lacks or whose value is invalid.

    A Literal takes one of its choices, a number its type, a dropout a value in [0, 1), another
    float at least 0, and an integer at least 1, because it counts something, up to a bound.
    """
    parameters = hyperparameters(model)
    for name, value in options.items():
        if name not in parameters:
            raise DeadpanError(unknown_name(f"option of {model.__name__}", name, parameters))
        annotation = parameters[name].annotation
        if get_origin(annotation) is Literal:
            if value not in get_args(annotation):
                kind = f"{name} of {model.__name__}"
                raise DeadpanError(unknown_name(kind, str(value), get_args(annotation)))
        elif wanted := _requirement(name, value, annotation):
            raise DeadpanError(f"{name} of {model.__name__} must be {wanted}; got {value!r:.200}")
        else:
            typed(f"{name} of {model.__name__}", value, annotation)


def _requirement(name: str, value: object, annotation: object) -> str | None:
    """Requirement on a number or flag that the value violates; None if it violates none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is bool and not isinstance(value, bool):
        return "true or false"
    if annotation is int:
        most = MOST_PARTS if name.endswith(PARTS) else LARGEST_SIZE
        if not (is_number and isinstance(value, int) and 1 <= value <= most):
            return f"a whole number from 1 to {most:,}"
    if annotation is float:
        below = 1.0 if "dropout" in name else float("inf")
        if not (is_number and 0 <= value < below):  # pyright: ignore[reportOperatorIssue]
            return "a number from 0 to below 1" if below == 1 else "a number of at least 0"
    return None
