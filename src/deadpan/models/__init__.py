"""All models. The exports are the registry that the command line, the tables and the tests read."""

from deadpan.models.attention_pool import AttentionPool
from deadpan.models.base import Model, check_hyperparameters
from deadpan.models.cia import CIA
from deadpan.models.ef_lstm import EFLSTM
from deadpan.models.graph_mfn import GraphMFN
from deadpan.models.hct_mg import HCTMG
from deadpan.models.lf_dnn import LFDNN
from deadpan.models.lf_lstm import LFLSTM
from deadpan.models.lmf import LMF
from deadpan.models.lmf_mult import LMFMulT
from deadpan.models.marn import MARN
from deadpan.models.mctn import MCTN
from deadpan.models.mfn import MFN
from deadpan.models.mult import MulT
from deadpan.models.raven import RAVEN
from deadpan.models.rmfn import RMFN
from deadpan.models.tfn import TFN

__all__ = [
    "CIA",
    "EFLSTM",
    "HCTMG",
    "LFDNN",
    "LFLSTM",
    "LMF",
    "MARN",
    "MCTN",
    "MFN",
    "MODELS",
    "RAVEN",
    "RMFN",
    "TFN",
    "AttentionPool",
    "GraphMFN",
    "LMFMulT",
    "Model",
    "MulT",
    "check_hyperparameters",
    "display_name",
]

MODELS: dict[str, type[Model]] = {
    name: value
    for name, value in dict(globals()).items()
    if isinstance(value, type) and issubclass(value, Model) and value is not Model
}
"""Models by name."""


def display_name(name: str) -> str:
    """The title of the model with this class name; any other name comes back unchanged."""
    return MODELS[name].title if name in MODELS else name
