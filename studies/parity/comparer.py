"""Compares two networks with the same weights on the same input: outputs and gradients."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

Tensors = Mapping[str, Tensor]
DTYPES = (torch.float32, torch.float64)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """Two networks that ought to be one.

    Attributes:
        name: the model.
        part: what of it is compared.
        theirs: the network of the official code.
        ours: the network of deadpan.
        run_theirs: its output from the inputs.
        run_ours: the same of ours.
        inputs: in float64.
        weights: makes each of our parameters, by name, of theirs. It is linear in them, so it makes
            our gradients of theirs as well where it only moves numbers.
        zeroed: endings of the names of their parameters that are set to 0: the second of two biases
            that only ever occur as a sum.
        cut: beginnings of the names of our parameters whose gradient is not compared, and
            "inputs", because the gradient does not reach them in the official code or
            because two of its parameters are one of ours.
        spread: deviation of what is added to the weights as drawn, so that no bias is 0 and no norm
            1 any more.
        note: differences that were taken out before.
        departs: why the two are known to differ, if they are; see our docstring.
    """

    name: str
    part: str
    theirs: nn.Module
    ours: nn.Module
    run_theirs: Callable[[Tensors], Tensor]
    run_ours: Callable[[Tensors], Tensor]
    inputs: Tensors
    weights: Mapping[str, Callable[[Tensors], Tensor]]
    zeroed: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    spread: float = 0.2
    note: str = ""
    departs: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """The largest difference of numbers that ought to be the same, and the largest of their own."""

    largest: float
    scale: float
    numbers: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """Differences of outputs and of gradients in one floating-point type."""

    dtype: str
    outputs: Difference
    gradients: Difference


def compare(case: Case, *, seed: int = 0) -> list[Comparison]:
    """Compare outputs and gradients in float32 and float64.

    Raises:
        ValueError: a parameter of ours is not made of theirs, or a shape differs.
    """
    own = dict(case.ours.named_parameters())
    if own.keys() != case.weights.keys():
        unlike = ", ".join(sorted(own.keys() ^ case.weights.keys()))
        raise ValueError(
            f"{case.name}: parameters of ours without a source, or the reverse: {unlike}"
        )
    # Drawn once, in float64: both types see the same weights but for their rounding.
    generator = torch.Generator().manual_seed(seed)
    case.theirs.double()
    with torch.no_grad():
        for name, parameter in case.theirs.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter += case.spread * drawn
            if name.endswith(case.zeroed):
                parameter.zero_()
    drawn = {name: x.detach().clone() for name, x in case.theirs.named_parameters()}
    return [_in_type(case, drawn, dtype) for dtype in DTYPES]


def _in_type(case: Case, drawn: Tensors, dtype: torch.dtype) -> Comparison:
    with _default(dtype):
        theirs, ours = case.theirs.to(dtype).eval(), case.ours.to(dtype).eval()
        their_parameters, own = dict(theirs.named_parameters()), dict(ours.named_parameters())
        with torch.no_grad():
            for name, parameter in their_parameters.items():
                parameter.copy_(drawn[name])
            for name, parameter in own.items():
                made = case.weights[name](their_parameters)
                if made.shape != parameter.shape:
                    raise ValueError(
                        f"{case.name}: {name} has shape {tuple(parameter.shape)}; got "
                        f"{tuple(made.shape)}"
                    )
                parameter.copy_(made)
        theirs.zero_grad()
        ours.zero_grad()
        sides = []
        for run in (case.run_theirs, case.run_ours):
            inputs = {
                name: x.to(dtype).requires_grad_() if x.is_floating_point() else x
                for name, x in case.inputs.items()
            }
            output = run(inputs)
            generator = torch.Generator().manual_seed(1)
            direction = torch.randn(output.shape, generator=generator, dtype=torch.float64)
            (output * direction.to(dtype)).sum().backward()
            sides.append((inputs, output.detach()))
        (their_inputs, expected), (our_inputs, actual) = sides
        if expected.shape != actual.shape:
            shapes = f"{tuple(actual.shape)}; theirs {tuple(expected.shape)}"
            raise ValueError(f"{case.name}: our output has shape {shapes}")
        their_gradients = {
            name: torch.zeros_like(p) if p.grad is None else p.grad
            for name, p in their_parameters.items()
        }
        pairs = [
            (case.weights[name](their_gradients), _gradient(p))
            for name, p in own.items()
            if not name.startswith(case.cut)
        ]
        if "inputs" not in case.cut:
            pairs += [
                (_gradient(x), _gradient(our_inputs[name]))
                for name, x in their_inputs.items()
                if x.requires_grad
            ]
    return Comparison(
        dtype=str(dtype).removeprefix("torch."),
        outputs=_difference([(expected, actual)]),
        gradients=_difference(pairs),
    )


def _gradient(x: Tensor) -> Tensor:
    return torch.zeros_like(x) if x.grad is None else x.grad


def _difference(pairs: list[tuple[Tensor, Tensor]]) -> Difference:
    return Difference(
        largest=max((float((x - y).abs().max()) for x, y in pairs), default=0.0),
        scale=max((float(x.abs().max()) for x, _ in pairs), default=0.0),
        numbers=sum(x.numel() for x, _ in pairs),
    )


@contextlib.contextmanager
def _default(dtype: torch.dtype) -> Iterator[None]:
    """Official code makes its states by torch.zeros, which follows the default."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
