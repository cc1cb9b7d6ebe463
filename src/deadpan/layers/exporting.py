"""Whether torch's exporter follows the code."""

import torch

CAN_EXPORT = hasattr(torch.compiler, "is_exporting")
"""Whether this torch can say so; before 2.7 none can, and none can follow our recurrences."""


def is_exporting() -> bool:
    """Whether the code is followed by ``torch.export`` instead of being computed."""
    return CAN_EXPORT and torch.compiler.is_exporting()  # noqa: TID251
