"""The Information Purifier with a mask value at every position, as the authors' released code has it."""

from __future__ import annotations

from torch import Tensor, nn

from .pooling import GeneralizedMeanPool
from .purifier import Purified, check_pixels


class PositionalPurifier(nn.Module):
    """Eq. 7 to 12 without the pooling of eq. 8: the masks are 1x1 convolutions of the maps themselves.

    The instance norm is affine and keeps running statistics, which training updates and does not use; the purifier does
    not run in evaluation.

    Args:
        channels: C of the feature map.
        reduction: r of the masks' bottleneck.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.instance_norm = nn.InstanceNorm2d(channels, affine=True, track_running_stats=True)
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
        m_e, m_r = self.mask_enhance(specific), self.mask_reduce(normalized)
        enhanced, reduced = m_e * specific, m_r * normalized
        return Purified(m_e * reduced + m_r * enhanced, enhanced, normalized, reduced)

    def pooled(self, specific: Tensor, pooled_specific: Tensor) -> Purified:
        """What the maps of :meth:`forward` pool to, ``[B, C]`` each; ``pooled_specific`` does not help here."""
        maps = self(specific)
        return Purified(*(self.pool(made) for made in (maps.purified, maps.enhanced, maps.normalized, maps.reduced)))


def _mask(channels: int, reduction: int) -> nn.Sequential:
    """Squeeze-and-excitation without squeeze and bias: ``[B, C, H, W]`` to a mask of the same shape in 0..1."""
    hidden = channels // reduction
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 1, bias=False),
        nn.ReLU(inplace=True),
        nn.Conv2d(hidden, channels, 1, bias=False),
        nn.Sigmoid(),
    )
