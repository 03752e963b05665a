"""What stands between a run's figures and the paper's: condition by condition, theirs and ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastreid.config import CfgNode

from ..evaluation.protocol import PROTOCOLS
from ..evaluation.results import Row
from . import paper
from .evaluated import EvaluatedOn


@dataclass(frozen=True)
class Condition:
    """One condition of an experiment; ``differs`` is None where it cannot be told."""

    what: str
    paper: str
    here: str
    differs: bool | None


def list_conditions(cfg: CfgNode, rows: Sequence[Row], evaluated: EvaluatedOn | None) -> list[Condition]:
    """Every condition that the figures hang on, the weightiest first.

    Args:
        cfg: of the run.
        rows: its results, of one protocol that :data:`paper.DATASETS` knows.
        evaluated: None where the dataset is not at hand.
    """
    published = paper.DATASETS[rows[0]["protocol"]]
    return [
        _data(published, evaluated),
        _method(cfg),
        _network(cfg),
        _input(cfg, published),
        _batch(cfg),
        _schedule(cfg),
        _weights(cfg),
        _gallery(published, rows),
        _reranking(cfg, published),
    ]


def _data(published: paper.Dataset, evaluated: EvaluatedOn | None) -> Condition:
    counts = [f"{published.test_identities} test identities"]
    if published.queries is not None:
        counts.append(f"{published.queries} queries")
    theirs = f"{published.name}: {', '.join(counts)}"
    if evaluated is None:
        return Condition("Dataset", theirs, "not at hand when this report was written, so not known", None)
    same = evaluated.identities == published.test_identities and published.queries in (None, evaluated.queries)
    kind = f"generated people in the layout of {published.name}" if evaluated.generated else published.name
    here = f"{kind}: {evaluated.identities} test identities, {evaluated.queries} queries"
    return Condition("Dataset", theirs, here, evaluated.generated or not same)


def _method(cfg: CfgNode) -> Condition:
    return Condition("Method", "IDKL", cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.META_ARCHITECTURE != "IDKL")


def _network(cfg: CfgNode) -> Condition:
    backbone = cfg.MODEL.BACKBONE
    variant = " with IBN" * backbone.WITH_IBN + " with SE" * backbone.WITH_SE
    start = "ImageNet" if backbone.PRETRAIN else f"{cfg.MODEL.WEIGHTS}" if cfg.MODEL.WEIGHTS else "random"
    here = f"ResNet-{backbone.DEPTH.removesuffix('x')}{variant} from {start} weights"
    differs = backbone.DEPTH != paper.DEPTH or bool(variant) or start != "ImageNet"
    return Condition("Network", "ResNet-50 from ImageNet weights", here, differs)


def _input(cfg: CfgNode, published: paper.Dataset) -> Condition:
    code = f" (released code: {_size(published.code_input)})" if published.code_input != paper.INPUT else ""
    here = tuple(cfg.INPUT.SIZE_TEST)
    return Condition("Input, height x width", _size(paper.INPUT) + code, _size(here), here != paper.INPUT)


def _batch(cfg: CfgNode) -> Condition:
    batch, images = cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_INSTANCE
    theirs = paper.BATCH, paper.IMAGES_PER_IDENTITY
    return Condition("Training batch", _images(*theirs), _images(batch, images), (batch, images) != theirs)


def _schedule(cfg: CfgNode) -> Condition:
    solver = cfg.SOLVER
    theirs = _rates(paper.OPTIMIZER, paper.LEARNING_RATE, paper.GAMMA, paper.STEPS)
    here = _rates(solver.OPT, solver.BASE_LR, solver.GAMMA, solver.STEPS)
    return Condition(
        "Schedule", f"{theirs}; length not given", f"{here}; {_count(solver.MAX_EPOCH, 'epoch')} in all", theirs != here
    )


def _weights(cfg: CfgNode) -> Condition:
    weights = cfg.MODEL.IDKL.WEIGHTS
    theirs = ", ".join(f"{name} {value:g}" for name, value in paper.WEIGHTS.items())
    if cfg.MODEL.META_ARCHITECTURE != "IDKL":
        return Condition("Loss weights", theirs, "the method has other losses", True)
    here = ", ".join(f"{name} {weights[name]:g}" for name in paper.WEIGHTS)
    off = [name for name, value in weights.items() if value == 0]
    return Condition("Loss weights", theirs, here + (f"; off: {', '.join(off)}" if off else ""), here != theirs)


def _gallery(published: paper.Dataset, rows: Sequence[Row]) -> Condition:
    rule, trials = rows[0]["gallery"], rows[0]["trials"]
    known = [name for name in PROTOCOLS[rows[0]["protocol"]].galleries if name is not None]
    here = (f"rule {rule}, " if known else "all images of the other modality, ") + _count(trials, "trial")
    theirs = f"the mean of {_count(paper.TRIALS, 'trial')}; {published.gallery}"
    return Condition("Gallery", theirs, here, rule != published.rule or trials != paper.TRIALS)


def _reranking(cfg: CfgNode, published: paper.Dataset) -> Condition:
    rerank = cfg.TEST.RERANK
    setting = f"k1 {rerank.K1}, k2 {rerank.K2}, lambda {rerank.LAMBDA:g}, on queries and gallery of a trial"
    here = f"plain, and re-ranked beside it ({setting})" if rerank.ENABLED else "plain only"
    return Condition("Re-ranking", published.reranking, here, None)


def _size(size: tuple[int, ...]) -> str:
    return f"{size[0]} x {size[1]}"


def _images(batch: int, images: int) -> str:
    return f"{batch // images} identities x {images} images"


def _rates(optimizer: str, rate: float, gamma: float, steps: Sequence[int]) -> str:
    return f"{optimizer}, {rate:g}, x{gamma:g} at epoch {' and '.join(map(str, steps)) or 'never'}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
