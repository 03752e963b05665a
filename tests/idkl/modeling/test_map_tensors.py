"""Every tensor is changed, and nothing else."""

from __future__ import annotations

import torch

from idkl.modeling.head import IdentityOutput
from idkl.modeling.map_tensors import map_tensors


def test_every_tensor_is_changed() -> None:
    one = torch.ones(1)
    found = map_tensors({"a": [IdentityOutput(one, one * 2, one * 3), None], "b": one}, lambda value: value + 1)
    inner = found["a"][0]
    assert [float(v) for v in (inner.feature, inner.logits, inner.margin_logits, found["b"])] == [2, 3, 4, 2]
    assert found["a"][1] is None
