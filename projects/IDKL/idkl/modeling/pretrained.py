"""ImageNet weights for a ResNet: from a file, from torch's cache, or downloaded into it."""

from __future__ import annotations

import logging
import os
import urllib.error
import urllib.request
from pathlib import Path

import torch
from fastreid.config import CfgNode
from fastreid.modeling.backbones.resnet import model_urls
from torch import Tensor, nn

from datasets_ext.errors import UserError

from .weights import read_torch_file

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT = 15  # seconds until a host that does not answer counts as unreachable


def load_pretrained(resnet: nn.Module, backbone: CfgNode) -> None:
    """Load ImageNet weights into a ResNet in place; the classifier ``fc`` is dropped.

    Args:
        resnet: with torchvision's parameter names.
        backbone: ``MODEL.BACKBONE``: ``PRETRAIN_PATH``, else DEPTH, WITH_IBN and WITH_SE choose the file.

    Raises:
        UserError: the file is missing, not reachable, unreadable or of another network.
    """
    path = weights_file(backbone)
    weights = {name: value for name, value in _read(path).items() if not name.startswith("fc.")}
    own = resnet.state_dict()
    optional = {name for name in own if name.endswith("num_batches_tracked")}
    missing = own.keys() - weights.keys() - optional
    unexpected = weights.keys() - own.keys()
    odd = [name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape]
    if missing or unexpected or odd:
        first = sorted([*missing, *unexpected, *odd])[0]
        raise UserError(
            f"ImageNet weights {path} do not fit a ResNet {backbone.DEPTH}: {len(missing)} parameters missing, "
            f"{len(unexpected)} unknown, {len(odd)} of another shape (first: {first}); check MODEL.BACKBONE"
        )
    resnet.load_state_dict(weights, strict=False)
    logger.info("ImageNet weights: %s", path)


def weights_file(backbone: CfgNode) -> Path:
    """The file of ImageNet weights that ``MODEL.BACKBONE`` asks for; arguments and errors as for
    :func:`load_pretrained`."""
    return Path(backbone.PRETRAIN_PATH) if backbone.PRETRAIN_PATH else _cached(_url(backbone))


def _url(backbone: CfgNode) -> str:
    key = ("se_" if backbone.WITH_SE else "") + ("ibn_" if backbone.WITH_IBN else "") + backbone.DEPTH
    if key not in model_urls:
        raise UserError(
            f"no ImageNet weights are published for {key}: set MODEL.BACKBONE.PRETRAIN_PATH or PRETRAIN False"
        )
    return model_urls[key]


def _cached(url: str) -> Path:
    """The file of this address in torch's cache, downloaded there when it is not."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / os.path.basename(url)
    if not path.exists():
        try:
            urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT).close()
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path))
        except (urllib.error.URLError, OSError, RuntimeError) as error:
            raise UserError(
                f"ImageNet weights are neither at {path} nor reachable ({error}): put {path.name} there, or set "
                "MODEL.BACKBONE.PRETRAIN_PATH to a copy, or MODEL.BACKBONE.PRETRAIN False"
            ) from None
    return path


def _read(path: Path) -> dict[str, Tensor]:
    weights = read_torch_file(str(path), "ImageNet weights")
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(f"ImageNet weights {path} hold no state dict of tensors: replace them")
    return weights
