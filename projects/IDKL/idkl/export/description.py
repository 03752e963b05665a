"""What an exported file says of itself."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from fastreid.config import CfgNode

from datasets_ext.errors import UserError

INPUT, OUTPUT = "images", "embeddings"


def describe(cfg: CfgNode, dimensions: int) -> dict[str, str]:
    """Texts by name for a file's metadata, lists as JSON: all that a program needs to use the file rightly.

    Args:
        cfg: of the checkpoint ``MODEL.WEIGHTS``, which is there.
        dimensions: of an embedding.

    Raises:
        UserError: images have no fixed size.
    """
    path = Path(cfg.MODEL.WEIGHTS)
    flip = ", averaged with its mirror image's" if cfg.TEST.FLIP.ENABLED else ""
    return {
        "input": f"{INPUT}: float32 [batch, 3, height, width], RGB, 0..255, not normalised",
        "size": json.dumps(list(image_size(cfg))),  # height, width
        "resize": "bicubic, to this size, aspect ratio not kept (PIL.Image.BICUBIC)",
        "pixel_mean": json.dumps(list(cfg.MODEL.PIXEL_MEAN)),  # subtracted within the graph
        "pixel_std": json.dumps(list(cfg.MODEL.PIXEL_STD)),  # divided by within the graph
        "output": f"{OUTPUT}: float32 [batch, dimensions], the BN-neck feature of an image{flip}, of length 1: the "
        "dot product of two is the cosine that the evaluation ranks by",
        "dimensions": str(dimensions),
        "checkpoint": path.name,
        "checkpoint_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def image_size(cfg: CfgNode) -> tuple[int, int]:
    """Height and width in pixels of the images that the model is tested with.

    Raises:
        UserError: they have no fixed size, or are cropped.
    """
    size = cfg.INPUT.SIZE_TEST
    if len(size) != 2 or min(size) <= 0 or cfg.INPUT.CROP.ENABLED:
        raise UserError(
            f"INPUT.SIZE_TEST {list(size)}: to export, give a height and a width, and INPUT.CROP.ENABLED False"
        )
    return size[0], size[1]
