"""An embedder as an ONNX file."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .description import INPUT, OUTPUT
from .embedder import Embedder


def to_onnx(embedder: Embedder, images: Tensor, description: dict[str, str]) -> bytes:
    """The content of an ONNX file with the description as its metadata.

    Args:
        embedder: on the CPU.
        images: float32 [2, 3, H, W], of any content. The batch stays open, height and width do not.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's converter warns of its own insides
        program = torch.onnx.export(
            embedder,
            (images,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _forget_origin(model)
    for key, value in description.items():
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString()


def _forget_origin(model: Any) -> None:
    """Take out which lines of which files of this machine each node came from."""
    graph = model.graph
    for item in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer, graph):
        del item.metadata_props[:]


def open_onnx(content: bytes, threads: int) -> Callable[[Tensor], Tensor]:
    """A function from images to embeddings that runs the file in onnxruntime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])
