"""How graphs and logits of two features are pulled together: the pieces of TGSA, CSA and MDR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce

import torch
from fastreid.config import CfgNode
from torch import Tensor

from ..losses import identity_logit_kl_loss, logit_kl_loss, tgsa_loss
from ..losses.tgsa import CROSS_GRAPHS
from .choice import chosen

REDUCTIONS = dict.fromkeys(("mean", "sum"))

GraphLoss = Callable[[Tensor, Tensor], Tensor]
LogitLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Alignment:
    """The losses between two features, pure functions with their options set.

    Attributes:
        across: of teacher's and student's features ``[N, D]``.
        within: of visible and infrared features ``[N, D]``.
        logits: of two times logits ``[N, C]``, given the rows' identities ``[N]``.
    """

    across: GraphLoss
    within: GraphLoss
    logits: LogitLoss

    @classmethod
    def from_config(cls, idkl: CfgNode) -> Alignment:
        """Build from ``MODEL.IDKL``; :class:`UserError` for a name that none has."""
        chosen("MODEL.IDKL.REDUCTION", idkl.REDUCTION, REDUCTIONS)
        for side in ("ACROSS", "WITHIN"):
            chosen(f"MODEL.IDKL.GRAPH.{side}", idkl.GRAPH[side], CROSS_GRAPHS)
        graph = partial(
            tgsa_loss,
            reduction=idkl.REDUCTION,
            symmetric=idkl.GRAPH.SYMMETRIC,
            self_entries=idkl.AFFINITY.SELF_ENTRIES,
            normalize=idkl.AFFINITY.NORMALIZE,
            temperature=idkl.AFFINITY.TEMPERATURE,
        )
        options = {"reduction": idkl.REDUCTION, "symmetric": idkl.LOGITS.SYMMETRIC}
        pieces: list[LogitLoss] = [lambda p, q, _: logit_kl_loss(p, q, **options)]
        if idkl.LOGITS.CONCATENATED:
            pieces.append(partial(identity_logit_kl_loss, **options))
        return cls(
            across=partial(graph, cross=idkl.GRAPH.ACROSS),
            within=partial(graph, cross=idkl.GRAPH.WITHIN),
            logits=lambda p, q, targets: reduce(torch.add, [piece(p, q, targets) for piece in pieces]),
        )
