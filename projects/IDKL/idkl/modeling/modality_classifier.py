"""The modality discriminator D_j and the modality confuser C_j (eq. 2 and 3)."""

from __future__ import annotations

from torch import Tensor, nn

from .gradient_reversal import GradientReversal

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


def modality_confuser(channels: int, scale: float) -> nn.Sequential:
    """A modality classifier behind gradient reversal: it learns the modality, what is below it unlearns it."""
    return nn.Sequential(GradientReversal(scale), ModalityClassifier(channels))
