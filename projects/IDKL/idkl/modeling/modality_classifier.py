"""The modality classifiers: the discriminator D_j, and what the confuser C_j is made of (eq. 2 and 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from fastreid.config import CfgNode
from torch import Tensor, nn

from datasets_ext.errors import UserError

from .choice import chosen

NUM_MODALITIES = 2


class ModalityClassifier(nn.Module):
    """Tells visible from infrared by one pooled feature map, with one linear layer.

    The paper gives no more of it than "a modality classifier".

    Args:
        channels: of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(channels, NUM_MODALITIES)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        """``[B, C]`` to modality logits ``[B, 2]``."""
        return self.classifier(pooled)


class ModalityMLP(nn.Module):
    """Tells visible from infrared by a BN-neck feature, with three linear layers, as the authors' released code does.

    Each hidden layer is followed by BN, ReLU and dropout, in this order. Which activation it is there, and how
    large the layers are, is not known here; an imported checkpoint brings its sizes.

    Args:
        channels: of the feature.
        hidden: neurons of the two hidden layers.
        dropout: probability with which a neuron is left out in training.
    """

    def __init__(self, channels: int, hidden: tuple[int, int], dropout: float) -> None:
        super().__init__()
        first, second = hidden
        self.fc1, self.bn1 = nn.Linear(channels, first), nn.BatchNorm1d(first)
        self.fc2, self.bn2 = nn.Linear(first, second), nn.BatchNorm1d(second)
        self.fc3 = nn.Linear(second, NUM_MODALITIES)
        self.dropout = nn.Dropout(dropout)

    def forward(self, feature: Tensor) -> Tensor:
        """``[B, C]`` to modality logits ``[B, 2]``."""
        x = self.dropout(F.relu(self.bn1(self.fc1(feature))))
        x = self.dropout(F.relu(self.bn2(self.fc2(x))))
        return self.fc3(x)


@dataclass(frozen=True)
class ClassifierKind:
    """A kind of modality classifier: whether it sits on the BN-neck feature, and how one of C channels is made."""

    on_neck: bool
    make: Callable[[CfgNode, int], nn.Module]


CLASSIFIERS = {
    "linear": ClassifierKind(False, lambda modality, channels: ModalityClassifier(channels)),
    "mlp": ClassifierKind(
        True, lambda modality, channels: ModalityMLP(channels, _hidden(modality.HIDDEN), modality.DROPOUT)
    ),
}


def classifier_kind(idkl: CfgNode) -> ClassifierKind:
    """The kind that ``MODEL.IDKL.MODALITY.CLASSIFIER`` names; :class:`UserError` where it cannot sit at ``STAGES``."""
    name = idkl.MODALITY.CLASSIFIER
    kind = chosen("MODEL.IDKL.MODALITY.CLASSIFIER", name, CLASSIFIERS)
    if kind.on_neck and tuple(idkl.STAGES) != (4,):
        raise UserError(f"MODEL.IDKL.STAGES {list(idkl.STAGES)}: {name} sits on the BN-neck, which stage 4 alone has")
    return kind


def _hidden(sizes: tuple[int, ...]) -> tuple[int, int]:
    if len(sizes) != 2 or min(sizes) < 1:
        raise UserError(f"MODEL.IDKL.MODALITY.HIDDEN {sizes}: give the sizes of two hidden layers, such as (1024, 512)")
    return sizes[0], sizes[1]
