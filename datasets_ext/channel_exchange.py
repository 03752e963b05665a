"""Random channel exchange (Ye et al., ICCV 2021): a visible image that, like an infrared one, has one channel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ChannelExchange:
    """Replaces all channels of an image by one of them, red, green or blue, each as likely.

    Args:
        probability: with which it does so.
    """

    probability: float

    def __call__(self, image: Tensor) -> Tensor:
        """``[3, H, W]`` to the same shape and type; draws from torch's random state."""
        if torch.rand(1) >= self.probability:
            return image
        channel = int(torch.randint(3, (1,)))
        return image[channel].expand_as(image)
