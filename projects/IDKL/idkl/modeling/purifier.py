"""The Information Purifier (section 3.2, Fig. 2)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from datasets_ext.errors import UserError

from .pooling import GeneralizedMeanPool


@dataclass(frozen=True)
class Purified:
    """What the purifier makes of a specific feature, as maps ``[B, C, H, W]`` or pooled ``[B, C]``."""

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
        # Eq. 7: no affine part, no running statistics. A group of one channel is an instance norm, and quicker.
        self.instance_norm = nn.GroupNorm(channels, channels, affine=False)
        # GeM, as everywhere in the paper. Average pooling cannot stand here: an instance-normalised channel averages
        # to zero, so that m_r would be 0.5 for every input and L_r would compare zeros.
        self.pool = GeneralizedMeanPool()
        self.mask_enhance = _mask(channels, reduction)
        self.mask_reduce = _mask(channels, reduction)

    def forward(self, specific: Tensor) -> Purified:
        """``F_sp [B, C, H, W]`` to the maps of eq. 7, 9 and 12.

        Raises:
            UserError: a map of one pixel, which cannot be normalised.
        """
        check_pixels(specific)
        normalized = self.instance_norm(specific)
        m_e = self.mask_enhance(self.pool(specific))[:, :, None, None]
        m_r = self.mask_reduce(self.pool(normalized))[:, :, None, None]
        enhanced, reduced = m_e * specific, m_r * normalized
        return Purified(m_e * reduced + m_r * enhanced, enhanced, normalized, reduced)

    def pooled(self, specific: Tensor, pooled_specific: Tensor) -> Purified:
        """What the maps of :meth:`forward` pool to, without making those that the masks scale.

        A mask has one factor for a channel, so that pooling may come first; eq. 12 is m_e m_r (Fhat + F_sp).

        Args:
            specific: ``F_sp [B, C, H, W]``.
            pooled_specific: what it pools to, ``[B, C]``.

        Raises:
            UserError: as for :meth:`forward`.
        """
        check_pixels(specific)
        normalized = self.instance_norm(specific)
        pooled_normalized = self.pool(normalized)
        m_e, m_r = self.mask_enhance(pooled_specific), self.mask_reduce(pooled_normalized)
        return Purified(
            purified=self.pool.scaled(self.pool(specific + normalized), m_e * m_r),
            enhanced=self.pool.scaled(pooled_specific, m_e),
            normalized=pooled_normalized,
            reduced=self.pool.scaled(pooled_normalized, m_r),
        )


def check_pixels(specific: Tensor) -> None:
    """Refuse a map ``[B, C, 1, 1]`` by a :class:`UserError`."""
    if specific.shape[2] * specific.shape[3] == 1:
        raise UserError("the last feature map has one pixel, which cannot be normalised: raise INPUT.SIZE_TRAIN")


def _mask(channels: int, reduction: int) -> nn.Sequential:
    """Squeeze-and-excitation without bias (eq. 8): pooled ``[B, C]`` to a mask ``[B, C]`` in 0..1."""
    hidden = channels // reduction
    return nn.Sequential(
        nn.Linear(channels, hidden, bias=False),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, channels, bias=False),
        nn.Sigmoid(),
    )
