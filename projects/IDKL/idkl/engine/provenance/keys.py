"""Which keys of a session concern what: training alone, evaluation alone, or no number at all."""

from __future__ import annotations

from fnmatch import fnmatchcase

# Of every session its own, or the sessions of another.
NOT_COMPARED = ("id", "time", "results", "config", "trained")

# What no number depends on: the same batches, steps and features either way. Every other key counts as if one did.
# Weights are compared by their content, branches by their commit, a command by the config that it comes to.
HARMLESS = (
    *("OUTPUT_DIR", "SOLVER.LOG_PERIOD", "SOLVER.CHECKPOINT_PERIOD", "SOLVER.CHECKPOINT_ITERS"),
    "SOLVER.CHECKPOINT_KEEP",
    *("DATALOADER.NUM_WORKERS", "DATALOADER.PREFETCH_FACTOR", "DATALOADER.CACHE"),
    *("MODEL.BACKBONE.CHECKPOINT_STAGES", "MODEL.WEIGHTS", "MODEL.BACKBONE.PRETRAIN_PATH", "TEST.EVAL_START"),
    *("kind", "command", "weights.*.path", "checkpoint.path", "git.branch", "fastreid.git.branch"),
)

# What an evaluation of a checkpoint has in its config and does not use; it depends on the training that made it.
TRAINING_ONLY = (
    *("SEED", "SOLVER.*", "DATALOADER.*", "DATASETS.NAMES", "DATASETS.COMBINEALL", "CUDNN_BENCHMARK", "KD.*"),
    *("INPUT.*", "MODEL.BACKBONE.PRETRAIN*", "MODEL.BACKBONE.CHECKPOINT_STAGES", "MODEL.BACKBONE.CHUNKS"),
    *(
        "MODEL.WEIGHTS",
        "MODEL.IDKL.*",
        "MODEL.LOSSES.*",
        "MODEL.FREEZE_LAYERS",
        "TEST.PRECISE_BN.*",
        "TEST.EVAL_PERIOD",
    ),
    *("TEST.EVAL_START", "epochs_done", "weights.*", "datasets.*.training.*"),
)
_EVALUATION_TOO = ("SOLVER.TF32", "INPUT.SIZE_TEST")

# What a training has in its config for its own evaluations, and another evaluation may have otherwise.
EVALUATION_ONLY = ("TEST.*", "INPUT.SIZE_TEST", "DATASETS.TESTS", "protocol.*", "datasets.*.test.*")


def is_harmless(key: str) -> bool:
    return _any(key, HARMLESS)


def is_training_only(key: str) -> bool:
    return _any(key, TRAINING_ONLY) and not _any(key, _EVALUATION_TOO)


def is_evaluation_only(key: str) -> bool:
    return _any(key, EVALUATION_ONLY) and not is_training_only(key)


def _any(key: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in patterns)
