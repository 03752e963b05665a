"""The layout of the authors' checkpoints, and ours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from datasets_ext.errors import UserError

# Their three ResNets, and which of their parts are used: as what in our backbone.
_NETWORKS = {
    "shared_module_fr.model_sh_fr": {"conv1": "stem.0", "bn1": "stem.1", "layer1": "stem.4", "layer2": "stem.5"},
    "shared_module_bh.model_sh_bh": {"layer3": "shared.0", "layer4": "shared.1"},
    "special.special_module": {"layer3": "specific.0", "layer4": "specific.1"},
}
_PARTS = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc")

# Modules and, where nothing of a module but one tensor is known, tensors. That mask1 is m_e and mask2 m_r follows from
# the paper's order of the two; their names do not say so.
_USED = {
    **{
        f"backbone.{net}.{part}": f"backbone.{ours}" for net, parts in _NETWORKS.items() for part, ours in parts.items()
    },
    "backbone.IN": "heads.purifier.instance_norm",
    "backbone.mask1.channel_attention": "heads.purifier.mask_enhance",
    "backbone.mask2.channel_attention": "heads.purifier.mask_reduce",
    "bn_neck": "heads.shared.bottleneck.0",
    "bn_neck_sp": "heads.specific.bottleneck.0",
    "classifier.weight": "heads.shared.weight",
    "classifier_sp.weight": "heads.specific.weight",
    "C_sp_f.weight": "heads.entropy_classifier.weight",
    "D_special": "heads.discriminators.4",
    "D_shared_pseu": "heads.confusers.4",
}
_UNUSED = {
    f"backbone.{net}.{part}": f"{part} of {net} is not used"
    for net, parts in _NETWORKS.items()
    for part in _PARTS
    if part not in parts
}


@dataclass(frozen=True)
class Placed:
    """What became of one of their tensors: our name, or why there is none."""

    theirs: str
    ours: str | None
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.theirs} skipped: {self.reason}" if self.ours is None else f"{self.theirs} -> {self.ours}"


def place(names: Iterable[str]) -> list[Placed]:
    """Where each of their tensors goes, in the given order.

    Raises:
        UserError: some are of no known place; says how many and names the first.
    """
    placed, unknown = [], []
    for name in names:
        if (ours := _find(name, _USED)) is not None:
            placed.append(Placed(name, ours[1] + name.removeprefix(ours[0])))
        elif (reason := _find(name, _UNUSED)) is not None:
            placed.append(Placed(name, None, reason[1]))
        else:
            unknown.append(name)
    if unknown:
        raise UserError(
            f"{len(unknown)} of {len(unknown) + len(placed)} tensors have no place in the authors' layout (first: "
            f"{unknown[0]}): give a state dict of their released code"
        )
    return placed


def their_name(ours: str) -> str:
    """What one of our tensors is called in their layout; the name itself where it has none."""
    found = _find(ours, {own: theirs for theirs, own in _USED.items()})
    return ours if found is None else found[1] + ours.removeprefix(found[0])


def rename(weights: dict[str, Tensor], placed: list[Placed]) -> dict[str, Tensor]:
    """Their tensors under our names, values untouched, without the skipped ones."""
    return {line.ours: weights[line.theirs] for line in placed if line.ours is not None}


def _find(name: str, places: dict[str, str]) -> tuple[str, str] | None:
    """The place that ``name`` is or lies below, and what ``places`` says of it."""
    return next(((at, what) for at, what in places.items() if name == at or name.startswith(f"{at}.")), None)
