"""What an evaluation during training shows in TensorBoard, beside the scalars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fastreid.config import CfgNode
from fastreid.engine.train_loop import HookBase
from fastreid.utils import comm
from torch.utils.tensorboard import SummaryWriter

from ..engine.trainer import Evaluation
from .embedded import Embedded
from .projector import add_projection
from .rank_figure import rank_figure
from .ranks import choose_queries, compare, rank_lists

FOLDER = "pictures"  # in the run folder; nothing else is in it
_TOP, _QUERIES, _DPI = 8, 2, 80  # of the rank lists


def evaluation_pictures(cfg: CfgNode) -> list[HookBase]:
    """The hook that ``TEST.PICTURES`` asks for, on the main process."""
    return [EvaluationPictures()] if cfg.TEST.PICTURES and comm.is_main_process() else []


class EvaluationPictures(HookBase):
    """Writes to ``OUTPUT_DIR/pictures`` after every evaluation, from the features that it has just computed.

    For each test set: rank lists of the worst, the best and some random queries, which stay the same through a
    training; histograms of the queries' AP and of the distances across modalities, of one identity and of two; after
    the last epoch also some features for the embedding projector. It must be registered behind the evaluation's hook.
    """

    def before_train(self) -> None:
        self._writer: SummaryWriter | None = None

    def after_epoch(self) -> None:
        trainer = self.trainer
        done, is_last = trainer.epoch + 1, trainer.epoch + 1 == trainer.max_epoch
        if not is_last and done % trainer.cfg.TEST.EVAL_PERIOD:
            return
        if self._writer is None:
            self._writer = SummaryWriter(str(Path(trainer.cfg.OUTPUT_DIR) / FOLDER))
        for name, evaluation in trainer.evaluations.items():
            model = embedded_of(name, evaluation)
            _add_pictures(self._writer, model, trainer.storage.iter)
            if is_last:
                add_projection(self._writer, model, trainer.storage.iter)
        self._writer.flush()

    def after_train(self) -> None:
        if self._writer is not None:
            self._writer.close()


def embedded_of(name: str, evaluation: Evaluation) -> Embedded:
    """What the last run of an evaluator computed, under the ``name`` of its test set."""
    loader, evaluator = evaluation
    modalities = np.array([record.modality for record in loader.dataset.img_items], dtype=np.int64)
    features = evaluator.features.cpu().numpy()
    return Embedded(name, features, evaluator.images, modalities, evaluator.root, evaluator.settings)


def _add_pictures(writer: SummaryWriter, model: Embedded, step: int) -> None:
    lists = rank_lists(model, _TOP)
    figure = rank_figure(model, choose_queries(lists, model.images.pids, _QUERIES))
    figure.set_dpi(_DPI)
    writer.add_figure(f"{model.name}/rank lists", figure, step)
    writer.add_histogram(f"{model.name}/AP of a query", np.array([a.ap for a in lists if not np.isnan(a.ap)]), step)
    compared = compare(model)
    pids = model.images.pids
    same = pids[compared.query, None] == pids[compared.gallery]
    for what, pairs in (("the same identity", same), ("two identities", ~same)):
        distances = 1 + compared.dist[pairs & ~compared.hidden]
        writer.add_histogram(f"{model.name}/cosine distance, {what}", distances, step)
