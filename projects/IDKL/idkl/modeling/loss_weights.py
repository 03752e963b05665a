"""The weights of IDKL's terms."""

from __future__ import annotations

from dataclasses import dataclass

from fastreid.config import CfgNode

from datasets_ext.errors import UserError


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms, named as in ``MODEL.IDKL.WEIGHTS``; a term with weight 0 is not computed."""

    reid_shared: float
    reid_specific: float
    confuser: float
    discriminator: float
    ip: float
    enhance: float
    reduce: float
    reid_purified: float
    tgsa: float
    csa: float
    mdr: float
    mdr_graph: float
    mdr_logits: float

    @classmethod
    def from_config(cls, weights: CfgNode) -> LossWeights:
        values = {name.lower(): float(value) for name, value in weights.items()}
        if negative := [name for name, value in values.items() if value < 0]:
            raise UserError(f"MODEL.IDKL.WEIGHTS.{negative[0].upper()} is negative: 0 switches a term off")
        return cls(**values)
