"""From a checkpoint of the authors' released code to one of ours."""

from __future__ import annotations

from pathlib import Path

from fastreid.config import CfgNode
from fastreid.modeling.meta_arch import build_model
from torch import Tensor, nn

from datasets_ext.errors import UserError

from .checkpoint_file import read_checkpoint, write_checkpoint
from .load_weights import load_weights, sizes_of
from .released_layout import Placed, place, rename, their_name


def import_checkpoint(cfg: CfgNode, source: str, target: Path) -> list[Placed]:
    """Write the checkpoint ``source`` of the authors' layout to ``target`` in ours, replaced if it is there.

    Values stay what they are, and so does the embedding, the BN-neck feature of the shared branch, where ``cfg`` has
    their max-pooling (``MODEL.BACKBONE.MAX_POOL padded``). Optimizer and epoch are not taken over, and nothing says
    which identities the weights were trained on.

    Args:
        cfg: that the new checkpoint must fit, but for the sizes that a checkpoint decides by itself.

    Returns:
        What became of every tensor.

    Raises:
        UserError: the file is no such checkpoint, has a tensor of unknown place, lacks one, or does not fit ``cfg``.
    """
    weights = read_checkpoint(source)["model"]
    placed = place(weights)
    renamed = rename(weights, placed)
    model = _build(cfg, renamed)
    if missing := [name for name in model.state_dict() if name not in renamed]:
        raise UserError(
            f"checkpoint {source} lacks {len(missing)} tensors (first: {their_name(missing[0])}): give a state dict of "
            "the whole network, and a config of configs/released"
        )
    load_weights(model, renamed)
    write_checkpoint(target, {"model": renamed})
    return placed


def _build(cfg: CfgNode, weights: dict[str, Tensor]) -> nn.Module:
    cfg = cfg.clone()
    cfg.merge_from_list(["MODEL.DEVICE", "cpu", "MODEL.BACKBONE.PRETRAIN", False, *sizes_of(weights)])
    return build_model(cfg)
