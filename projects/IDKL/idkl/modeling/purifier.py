"""The Information Purifier (section 3.2, Fig. 2)."""

from __future__ import annotations

from dataclasses import dataclass

from fastreid.layers.pooling import GeneralizedMeanPooling
from torch import Tensor, nn


@dataclass(frozen=True)
class Purified:
    """What the purifier makes of a specific feature map, each ``[B, C, H, W]``."""

    purified: Tensor  # eq. 12
    enhanced: Tensor  # F_d+, eq. 9
    normalized: Tensor  # Fhat, eq. 7
    reduced: Tensor  # Fhat_m-, eq. 9


class InformationPurifier(nn.Module):
    """Removes modality style from the specific feature and keeps what tells identities apart.

    Args:
        channels: C of the feature map.
        reduction: r of the masks' bottleneck; the paper has 16.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.instance_norm = nn.InstanceNorm2d(channels)  # eq. 7: no affine part, no running statistics
        # GeM, as everywhere in the paper. Average pooling cannot stand here: an instance-normalised channel averages
        # to zero, so that m_r would be 0.5 for every input and L_r would compare zeros.
        self.pool = GeneralizedMeanPooling(norm=3, eps=1e-6)
        self.mask_enhance = _mask(channels, reduction)
        self.mask_reduce = _mask(channels, reduction)

    def forward(self, specific: Tensor) -> Purified:
        """``F_sp [B, C, H, W]`` to the maps of eq. 7, 9 and 12; H*W must be more than 1."""
        normalized = self.instance_norm(specific)
        m_e = self.mask_enhance(self.pool(specific).flatten(1))[:, :, None, None]
        m_r = self.mask_reduce(self.pool(normalized).flatten(1))[:, :, None, None]
        enhanced, reduced = m_e * specific, m_r * normalized
        return Purified(
            purified=m_e * reduced + m_r * enhanced, enhanced=enhanced, normalized=normalized, reduced=reduced
        )


def _mask(channels: int, reduction: int) -> nn.Sequential:
    """Squeeze-and-excitation without bias (eq. 8): pooled ``[B, C]`` to a mask ``[B, C]`` in 0..1."""
    hidden = channels // reduction
    return nn.Sequential(
        nn.Linear(channels, hidden, bias=False),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, channels, bias=False),
        nn.Sigmoid(),
    )
