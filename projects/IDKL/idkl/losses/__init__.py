"""The losses of IDKL as pure functions: tensors in, a scalar out, no config."""

from .affinity import graph_affinity
from .enhancing import discrimination_enhancing_loss
from .identity_logit_kl import identity_logit_kl_loss
from .logit_kl import logit_kl_loss
from .reducing import discrepancy_reducing_loss
from .tgsa import tgsa_loss

__all__ = [
    "discrepancy_reducing_loss",
    "discrimination_enhancing_loss",
    "graph_affinity",
    "identity_logit_kl_loss",
    "logit_kl_loss",
    "tgsa_loss",
]
