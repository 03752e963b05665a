"""A model whose gradients and batch statistics are those of all processes."""

from __future__ import annotations

import torch
from fastreid.config import CfgNode
from fastreid.utils import comm
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..modeling.sync_norm import synchronize_batch_norms


def data_parallel(cfg: CfgNode, model: nn.Module) -> DistributedDataParallel:
    """The model with synchronised batch normalisation, the main process's weights, and gradients averaged over all.

    Args:
        cfg: what the model was built from.
        model: on ``MODEL.DEVICE``; changed in place.
    """
    device = torch.device(cfg.MODEL.DEVICE)
    synchronize_batch_norms(model, device)
    losses = cfg.MODEL.LOSSES.NAME
    return DistributedDataParallel(
        model,
        device_ids=[comm.get_local_rank()] if device.type == "cuda" else None,
        broadcast_buffers=False,  # synchronised statistics are the same everywhere
        # A term that is switched off may leave parameters without gradient. Looking for them takes time.
        find_unused_parameters=0 in cfg.MODEL.IDKL.WEIGHTS.values() or len(losses) < 2,
    )
