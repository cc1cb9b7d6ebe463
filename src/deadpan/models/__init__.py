"""Every model; what is exported here is what exists: registry, CLI and tests read it."""

from deadpan.models.base import Model, check_options
from deadpan.models.hct_mg import HCTMG

__all__ = ["HCTMG", "MODELS", "Model", "check_options"]

MODELS: dict[str, type[Model]] = {
    name: value
    for name, value in dict(globals()).items()
    if isinstance(value, type) and issubclass(value, Model) and value is not Model
}
"""Models by name."""
