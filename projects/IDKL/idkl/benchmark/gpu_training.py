"""The training step on a GPU, in parts that stand alone: exactness, precision, switches, memory, growth, profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datasets_ext.errors import UserError

from .gpu_report import Plan, Row
from .measured_step import MeasuredStep, for_synthetic_data
from .step_profile import profile_step
from .step_time import Setting, time_training_step

FP32 = ("SOLVER.AMP.ENABLED", False, "SOLVER.TF32", False)
TF32 = ("SOLVER.AMP.ENABLED", False, "SOLVER.TF32", True)
FP16 = ("SOLVER.AMP.ENABLED", True, "SOLVER.AMP.DTYPE", "float16")
BF16 = ("SOLVER.AMP.ENABLED", True, "SOLVER.AMP.DTYPE", "bfloat16")
KINDS = {"fp32": FP32, "TF32": TF32, "fp16": FP16, "bf16": BF16}
ROWS, CHANNELS = ("MODEL.CHANNELS_LAST", False), ("MODEL.CHANNELS_LAST", True)
QUICK = (*BF16, *CHANNELS)
_TOP = 12  # operations of a profile


def exactness(plan: Plan) -> list[Row]:
    """The losses of a first step of two identities, against the CPU's in full precision; then, whether they stay
    finite."""
    small = ("SOLVER.IMS_PER_BATCH", 2 * plan.cfg.DATALOADER.NUM_INSTANCE)
    reference = MeasuredStep(for_synthetic_data(plan.cfg, *small, *FP32, "MODEL.DEVICE", "cpu"))
    reference.run()
    expected = reference.check_losses()
    rows = []
    for name, keys in KINDS.items():
        step = MeasuredStep(for_synthetic_data(plan.cfg, *small, *keys))
        step.run()
        found = step.check_losses()
        errors = {loss: abs(found[loss] - value) / max(abs(value), 1e-6) for loss, value in expected.items()}
        worst = max(errors, key=lambda loss: errors[loss])
        for _ in range(plan.steps):
            step.run()
        step.check_losses()
        remark = f"losses within {errors[worst]:.1e} of the CPU's fp32 ({worst}), finite after {plan.steps} more steps"
        rows.append(Row("exactness", f"{name}, {small[1]} images", remark=remark))
    return rows


def precision(plan: Plan) -> list[Row]:
    """Every precision, with and without channels last."""
    settings = {
        f"{name}{suffix}": (*keys, *layout)
        for name, keys in KINDS.items()
        for suffix, layout in (("", ROWS), (", channels last", CHANNELS))
    }
    return _steps("precision", plan, settings)


def switches(plan: Plan) -> list[Row]:
    """The optimizer in one, cuDNN's own choice of algorithms, and torch.compile, in the quickest precision."""
    settings = {
        "bf16, channels last": QUICK,
        "without SOLVER.FUSED": (*QUICK, "SOLVER.FUSED", False),
        "with CUDNN_BENCHMARK": (*QUICK, "CUDNN_BENCHMARK", True),
        "with MODEL.COMPILE": (*QUICK, "MODEL.COMPILE", True),
    }
    return _steps("switches", plan, settings)


def memory(plan: Plan) -> list[Row]:
    """What each memory mode saves, and costs in time."""
    stages: list[tuple[int, ...]] = [(1,), (1, 2), (1, 2, 3, 4), (0, 1, 2, 3, 4)]
    settings: dict[str, tuple[Any, ...]] = {"as configured": ()}
    settings |= {f"CHECKPOINT_STAGES {some}": ("MODEL.BACKBONE.CHECKPOINT_STAGES", some) for some in stages}
    settings |= {f"CHUNKS {count}": ("MODEL.BACKBONE.CHUNKS", count) for count in (2, 4)}
    return _steps("memory", plan, settings)


def growth(plan: Plan) -> list[Row]:
    """The step and its losses, against the size of the batch."""
    sizes = [plan.cfg.DATALOADER.NUM_INSTANCE * identities for identities in (2, 4, 8, 16)]
    return _steps("growth", plan, {f"{size} images": (*QUICK, "SOLVER.IMS_PER_BATCH", size) for size in sizes})


def profiled(plan: Plan) -> list[Row]:
    """What takes the time of the quickest step."""
    operations = profile_step(for_synthetic_data(plan.cfg, *QUICK), plan.warmup, plan.steps)[:_TOP]
    remarks = [f"{op.share:.1%} of the step, {op.calls:g} calls" for op in operations]
    named = zip(operations, remarks, strict=True)
    return [Row("profile", f"`{op.name[:60]}`", seconds=op.seconds, remark=remark) for op, remark in named]


def _steps(part: str, plan: Plan, settings: Mapping[str, Sequence[Any]]) -> list[Row]:
    """A line a setting; one that cannot be measured says why, and the others are."""
    rows: list[Row] = []
    first = None
    for name, keys in settings.items():
        setting = Setting(name, for_synthetic_data(plan.cfg, *keys))
        try:
            (r,) = time_training_step([setting], plan.ceilings, plan.warmup, plan.steps)
        except UserError as error:
            rows.append(Row(part, name, remark=str(error)))
            continue
        first = first or r.images_per_second
        numbers = (r.seconds, r.images_per_second, r.images_per_second / first, r.peak_gib, r.counted_gib)
        remark = "" if r.losses_share is None else f"losses {r.losses_share:.1%} of the step"
        rows.append(Row(part, name, *numbers, r.matmul_share, r.copy_share, remark))
    return rows
