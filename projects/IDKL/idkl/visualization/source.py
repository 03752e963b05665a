"""Where a figure's model comes from: a run folder, or a checkpoint and its config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastreid.config import CfgNode
from torch import nn

from datasets_ext.errors import UserError

from ..engine.checks import check_config
from ..engine.main import load_model
from ..engine.setup import decide_device, merge_config, set_precision

CONFIG, CHECKPOINT = "config.yaml", "model_final.pth"  # of a run folder


@dataclass(frozen=True)
class Source:
    """A trained model that is not loaded yet.

    Attributes:
        name: of the run folder, with that of the checkpoint where it is not ``model_final.pth``.
        cfg: complete, checked and frozen; ``MODEL.WEIGHTS`` is the checkpoint.
        checkpoint: the file.
    """

    name: str
    cfg: CfgNode
    checkpoint: Path

    def load_model(self) -> nn.Module:
        """The model on ``MODEL.DEVICE``, in evaluation mode.

        Raises:
            UserError: the checkpoint does not fit the config, or was trained on another split of the tested dataset.
        """
        return load_model(self.cfg).eval()


def open_source(path: Path, config_file: str = "", overrides: Sequence[str] = ()) -> Source:
    """The model of a run folder (``config.yaml`` and ``model_final.pth``) or of a checkpoint file.

    It runs on the GPU where there is one, wherever it was trained, unless ``overrides`` say otherwise.

    Args:
        config_file: "": the ``config.yaml`` of the run folder, or the one beside the checkpoint.
        overrides: KEY VALUE KEY VALUE ...

    Raises:
        UserError: the folder, the checkpoint or the config is not there or not in order.
    """
    checkpoint = path / CHECKPOINT if path.is_dir() else path
    if not checkpoint.is_file():
        what = f"run folder {path} has no {CHECKPOINT}" if path.is_dir() else f"{path} is missing"
        raise UserError(f"{what}: give the folder of a finished run, or a checkpoint file")
    beside = checkpoint.parent / CONFIG
    if not config_file and not beside.is_file():
        raise UserError(f"there is no {beside}: name the config that {checkpoint.name} was trained with, --config-file")
    words = ["MODEL.DEVICE", "auto", *overrides, "MODEL.WEIGHTS", str(checkpoint)]
    cfg = merge_config(config_file or str(beside), words)
    cfg.MODEL.DEVICE = decide_device(cfg.MODEL.DEVICE, "MODEL.DEVICE")
    check_config(cfg)
    cfg.freeze()
    set_precision(cfg)
    return Source(_name(checkpoint), cfg, checkpoint)


def _name(checkpoint: Path) -> str:
    folder = checkpoint.absolute().parent.name
    return folder if checkpoint.name == CHECKPOINT else f"{folder}/{checkpoint.stem}"
