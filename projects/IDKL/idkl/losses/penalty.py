"""What a purification loss makes of a difference that should be negative (eq. 10 and 11)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Penalty = Callable[[Tensor], Tensor]


def exp_relu(excess: Tensor) -> Tensor:
    """exp(relu(x)) - 1: nothing below 0, and steeper the further above."""
    return torch.expm1(F.relu(excess))


# The paper's is softplus; the authors' released code has exp_relu for L_e and relu for L_r.
PENALTIES: dict[str, Penalty] = {"softplus": F.softplus, "relu": F.relu, "exp_relu": exp_relu}
