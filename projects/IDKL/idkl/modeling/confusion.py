"""How the shared branch unlearns the modality: the modality confuser C_j (eq. 2), and what it is trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from fastreid.config import CfgNode
from torch import Tensor, nn

from .choice import chosen
from .gradient_reversal import GradientReversal
from .modality_classifier import NUM_MODALITIES


def modality_confuser(classifier: nn.Module, scale: float) -> nn.Sequential:
    """A modality classifier behind gradient reversal: it learns the modality, what is below it unlearns it."""
    return nn.Sequential(GradientReversal(scale), classifier)


def true_labels(modalities: Tensor) -> Tensor:
    """The modality itself, int ``[B]``."""
    return modalities


def rolled_labels(modalities: Tensor) -> Tensor:
    """Labels 0, 1, 0, 1, ... along the rows, rolled on by one row: 1, 0, 1, 0, ...; int ``[B]``, like ``modalities``.

    Half of each modality's rows (of an even number) gets either label: who learns them forgets the modality. It is
    the literal reading of "alternating, rolled modality labels", which is all that is known of them here.
    """
    return torch.arange(1, len(modalities) + 1, device=modalities.device, dtype=modalities.dtype) % NUM_MODALITIES


@dataclass(frozen=True)
class Confusion:
    """A way of unlearning the modality: how a classifier becomes a confuser, and the labels that it is trained on."""

    wrap: Callable[[nn.Module, float], nn.Module]
    labels: Callable[[Tensor], Tensor]


CONFUSIONS = {
    "reversal": Confusion(modality_confuser, true_labels),
    "rolled": Confusion(lambda classifier, _: classifier, rolled_labels),
}


def confusion(idkl: CfgNode) -> Confusion:
    """The way that ``MODEL.IDKL.CONFUSER`` names."""
    return chosen("MODEL.IDKL.CONFUSER", idkl.CONFUSER, CONFUSIONS)
