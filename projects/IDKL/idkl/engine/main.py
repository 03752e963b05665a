"""What ``tools/train_net.py`` does: train, resume, or evaluate only."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fastreid.config import CfgNode
from fastreid.engine import default_argument_parser
from fastreid.engine.train_loop import HookBase
from fastreid.utils import comm
from torch import nn

from datasets_ext.errors import UserError

from ..evaluation.results import RESULTS, format_table, read_results
from .checkpoint_file import read_checkpoint
from .launch import launch
from .load_weights import load_weights, sizes_of
from .provenance import PROVENANCE, begin_session, evaluation_session, training_session
from .run_folder import taken
from .selection import write_best
from .setup import load_config, start_run, write_config
from .trained_on import check_split
from .trainer import UNTRAINED_RESULTS, Trainer, collect_rows

logger = logging.getLogger(__name__)

# What a program adds to a training beside the trainer's own hooks, behind them; importable by name.
MakeHooks = Callable[[CfgNode], list[HookBase]]


def no_hooks(cfg: CfgNode) -> list[HookBase]:
    return []


def main(argv: list[str] | None = None, make_hooks: MakeHooks = no_hooks) -> None:
    """Parse fast-reid's command line and run it, in as many processes as it asks for."""
    launch(partial(run, make_hooks=make_hooks), default_argument_parser().parse_args(argv))


def run(args: argparse.Namespace, make_hooks: MakeHooks = no_hooks) -> None:
    """Train or evaluate as the command line says.

    Args:
        args: of fast-reid's ``default_argument_parser``.
        make_hooks: more hooks of a training, by the checked config.

    Raises:
        UserError: for every mistake of the user.
    """
    cfg = load_config(args)
    start_run(cfg, args)
    if args.eval_only:
        evaluate_only(cfg)
    else:
        train(cfg, args.resume, make_hooks)


def train(cfg: CfgNode, resume: bool, make_hooks: MakeHooks = no_hooks) -> None:
    """Train, evaluate, and say where everything is."""
    folder = Path(cfg.OUTPUT_DIR)
    with taken(folder):
        trainer = Trainer(cfg)
        trainer.register_hooks(make_hooks(cfg))
        trainer.resume_or_load(resume=resume)
        write_config(cfg)
        if comm.is_main_process():
            done = trainer.start_iter / trainer.iters_per_epoch
            begin_session(folder / PROVENANCE, training_session(cfg, done), goes_on=done > 0)
        trainer.train()
    if comm.is_main_process():
        _conclude(cfg, trainer, folder)


def _conclude(cfg: CfgNode, trainer: Trainer, folder: Path) -> None:
    """Say what the last epoch came to, beside the untrained network and the best epoch, and where everything is."""
    rows = collect_rows(trainer.evaluations)
    if cfg.TEST.EVAL_START:
        untrained = read_results(folder / UNTRAINED_RESULTS)
        models = ["untrained"] * len(untrained) + ["trained"] * len(rows)
        logger.info("Untrained and trained\n%s", format_table([*untrained, *rows], models))
    best = write_best(trainer.best, trainer.epoch, folder)
    if best is not None:
        last = f"last epoch {trainer.epoch + 1}, not selected ({RESULTS})"
        logger.info("Two epochs\n%s\n%s\n\n%s", last, format_table(rows), best)
    logger.info(
        "Files in %s: %s (last epoch), %s, metrics.json, log.txt, config.yaml, model_final.pth, model_best.pth, "
        "TensorBoard events",
        folder,
        RESULTS,
        PROVENANCE,
    )


def evaluate_only(cfg: CfgNode) -> None:
    """Evaluate the checkpoint ``MODEL.WEIGHTS``."""
    model = load_model(cfg)
    logger.info("Evaluating %s", cfg.MODEL.WEIGHTS)
    if comm.is_main_process():
        begin_session(Path(cfg.OUTPUT_DIR) / PROVENANCE, evaluation_session(cfg), goes_on=True)
    Trainer.test(cfg, model)


def load_model(cfg: CfgNode) -> nn.Module:
    """The model of the checkpoint ``MODEL.WEIGHTS``, for ``DATASETS.TESTS``; what sizes it decides are taken from it.

    Raises:
        UserError: no checkpoint is named, it does not fit, or it was trained on another split of what is tested.
    """
    path = cfg.MODEL.WEIGHTS
    if not path:
        raise UserError("evaluation needs a checkpoint: add MODEL.WEIGHTS path/to/model_final.pth")
    checkpoint = read_checkpoint(path)
    check_split(checkpoint, path, cfg.DATASETS.TESTS, cfg.DATASETS.SPLIT)
    weights = checkpoint["model"]
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.BACKBONE.PRETRAIN = False
    cfg.merge_from_list(sizes_of(weights))
    model = Trainer.build_model(cfg)
    load_weights(model, weights)
    logger.info("All %d parameters of the model loaded from %s", len(weights), path)
    return model
