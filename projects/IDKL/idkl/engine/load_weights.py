"""Weights of a checkpoint into a model: all of them, or those that fit, and never without saying so."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from datasets_ext.errors import UserError

logger = logging.getLogger(__name__)

# The classifier weights of IDKL's and of fast-reid's head: their rows are the training identities.
CLASSIFIERS = ("heads.shared.weight", "heads.weight")
# Others that tell a size: the purifier's first mask layer, and the modality classifiers of three layers.
MASK = "heads.purifier.mask_enhance.0.weight"
MODALITY_CLASSIFIERS = ("heads.discriminators.4", "heads.confusers.4")
BACKBONE = "backbone."
SHOWN = 4  # names that a message gives


def load_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load a state dict that must fit the model name by name and shape by shape.

    Raises:
        UserError: says how many parameters are missing, unknown or of another shape, and names the first.
    """
    missing, odd, unknown = _compare(model, weights)
    if missing or unknown or odd:
        raise UserError(
            f"the checkpoint does not fit the model: {len(missing)} parameters missing, {len(unknown)} unknown, "
            f"{len(odd)} of another shape (first: {[*missing, *odd, *unknown][0]}); use the config it was trained with"
        )
    model.load_state_dict(weights)


def start_from_weights(model: nn.Module, weights: dict[str, Tensor], path: str) -> None:
    """Load what fits of a state dict, and say what did: heads may be those of other identities or of another method,
    the backbone must fit as a whole.

    Args:
        path: what messages call the checkpoint.

    Raises:
        UserError: a parameter of the model's backbone is missing or of another shape; nothing is loaded then.
    """
    missing, odd, unknown = _compare(model, weights)
    if unfit := [name for name in (*missing, *odd) if name.startswith(BACKBONE)]:
        own = [name for name in model.state_dict() if name.startswith(BACKBONE)]
        raise UserError(
            f"checkpoint {path} does not fit the backbone: {len(unfit)} of its {len(own)} parameters are missing or of "
            f"another shape ({_names(unfit)}); use MODEL.BACKBONE of its config, or, for ImageNet weights, "
            "MODEL.BACKBONE.PRETRAIN_PATH"
        )
    fitting = {name: value for name, value in weights.items() if name not in {*odd, *unknown}}
    model.load_state_dict(fitting, strict=False)
    report = [f"{len(fitting)} of the model's {len(model.state_dict())} parameters loaded"]
    for names, what in (
        (missing, "not in the checkpoint, left as initialised"),
        (odd, "of another shape, left as initialised"),
        (unknown, "not in the model, not used"),
    ):
        if names:
            report.append(f"{len(names)} {what} ({_names(names)})")
    logger.info("Weights of %s: %s", path, "; ".join(report))


def count_classes(weights: dict[str, Tensor]) -> int:
    """Training identities of a checkpoint: the rows of its classifier; 0 when it has none of a known name."""
    return next((len(weights[name]) for name in CLASSIFIERS if name in weights), 0)


def sizes_of(weights: dict[str, Tensor]) -> list[Any]:
    """The sizes that a checkpoint decides by itself, whatever the config says: KEY, VALUE, KEY, VALUE, ..."""
    sizes: list[Any] = ["MODEL.HEADS.NUM_CLASSES", count_classes(weights)]
    if MASK in weights:
        hidden, channels = weights[MASK].shape[:2]
        sizes += ["MODEL.IDKL.PURIFIER_REDUCTION", channels // hidden]
    for classifiers in MODALITY_CLASSIFIERS:
        if f"{classifiers}.fc1.weight" in weights and f"{classifiers}.fc2.weight" in weights:
            layers = tuple(len(weights[f"{classifiers}.{layer}.weight"]) for layer in ("fc1", "fc2"))
            sizes += ["MODEL.IDKL.MODALITY.HIDDEN", layers]
    return sizes


def _compare(model: nn.Module, weights: dict[str, Tensor]) -> tuple[list[str], list[str], list[str]]:
    """Names that the weights lack, those of another shape, and those that the model does not know."""
    own = model.state_dict()
    missing = sorted(own.keys() - weights.keys())
    odd = sorted(name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape)
    return missing, odd, sorted(weights.keys() - own.keys())


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
