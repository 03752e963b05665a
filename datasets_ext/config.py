"""Config keys of cross-modality data and of running it, beside fast-reid's own."""

from __future__ import annotations

from fastreid.config import CfgNode


def add_cross_modality_config(cfg: CfgNode) -> None:
    """Add the keys that are not IDKL's own to a fast-reid config, in place."""
    cfg.SEED = -1  # seed of weights, batches and augmentation; -1: a new one each run (it is logged)
    # Let torch choose algorithms on a GPU that give the same bits each time, where it has them (it warns where not):
    # slower. A CPU with the same number of threads does so anyway.
    cfg.DETERMINISTIC = False
    cfg.MODEL.DEVICE = "auto"  # "auto": the GPU when there is one, else the CPU; or "cuda", "cpu"
    cfg.MODEL.CHANNELS_LAST = True  # keep a pixel's channels together in memory, which convolutions are quicker with
    cfg.MODEL.COMPILE = False  # torch.compile the backbone: minutes at the first step, needs a C++ compiler on a CPU
    cfg.DATASETS.SPLIT = 1  # RegDB: which of its ten splits trains and tests
    # Share of the visible training images whose channels all become one of them, as an infrared image has; 0: none.
    cfg.INPUT.CHANNEL_EXCHANGE = 0.0
    cfg.DATALOADER.CACHE = ""  # folder to keep decoded, resized images in, some GB; "": decode them every time
    cfg.DATALOADER.PREFETCH_FACTOR = 2  # batches that each worker keeps ready
    cfg.DATALOADER.TIMEOUT = 600  # seconds in which the workers must give a batch; 0: no limit, as without workers
    cfg.SOLVER.AMP.DTYPE = "float16"  # type of mixed precision: "float16" (with loss scaling) or "bfloat16"
    cfg.SOLVER.TF32 = True  # convolutions on a GPU round their factors to TF32, as is torch's default
    cfg.SOLVER.FUSED = True  # the optimizer updates all parameters of a kind at once, where torch has it fused
    cfg.SOLVER.LOG_PERIOD = 50  # iterations between two lines of the log
    cfg.SOLVER.CHECKPOINT_ITERS = 0  # also save every so many iterations; 0: every CHECKPOINT_PERIOD epochs only
    cfg.SOLVER.CHECKPOINT_KEEP = 2  # how many periodic checkpoints stay; model_best and model_final always do
    cfg.SOLVER.NONFINITE_SKIPS = 0  # steps with an infinite or NaN loss or gradient that a run may skip; 0: it stops
    cfg.TEST.EVAL_START = False  # also evaluate the network before its first step
    cfg.TEST.GALLERY = ""  # rule of the galleries, such as "official", "agw", "full"; "": the protocol's default
