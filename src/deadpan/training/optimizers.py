"""Adam as the protocol has it, with a learning rate of its own for a modality gate."""

from torch.optim import Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau

from deadpan.models import Model

GATE_FLOOR = 1e-3
"""The gate never learns slower than this: at 1e-5 it could not leave 1/3 within a training run."""


def make_optimizer(
    model: Model, *, learning_rate: float, gate_learning_rate: float | None, weight_decay: float
) -> Adam:
    """Adam over all parameters, in one group or, if the model has a gate, two.

    Args:
        model: what to train.
        learning_rate: of everything but the gate.
        gate_learning_rate: of the gate; None = the larger of ``learning_rate`` and 1e-3.
        weight_decay: L2 on everything but the gate, whose logits mean something at 0.
    """
    gate = list(model.gate_parameters())
    of_gate = {id(parameter) for parameter in gate}
    rest = [p for p in model.parameters() if id(p) not in of_gate]
    groups: list[dict[str, object]] = [
        {"params": rest, "lr": learning_rate, "weight_decay": weight_decay}
    ]
    if gate:
        rate = max(learning_rate, GATE_FLOOR) if gate_learning_rate is None else gate_learning_rate
        groups.append({"params": gate, "lr": rate, "weight_decay": 0.0})
    return Adam(groups, fused=True)  # one kernel: a quarter of the time of a loop over tensors


def make_scheduler(optimizer: Adam, *, patience: int) -> ReduceLROnPlateau:
    """Divide the learning rates by 10 after ``patience`` epochs without a better loss."""
    return ReduceLROnPlateau(optimizer, factor=0.1, patience=patience, threshold=0.0)
