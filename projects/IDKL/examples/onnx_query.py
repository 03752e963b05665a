"""Rank a gallery of images for a query by a model that tools/export.py wrote. This project is not needed for it.

pip install onnxruntime Pillow
python onnx_query.py model.onnx query.jpg gallery/*.jpg
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image


def main(model: str, query: str, *gallery: str) -> None:
    """Print each gallery image behind its cosine to the query, the nearest first."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    height, width = json.loads(session.get_modelmeta().custom_metadata_map["size"])

    def embed(path: str) -> np.ndarray:
        image = Image.open(path).convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
        pixels = np.asarray(image, dtype=np.float32).transpose(2, 0, 1)  # 0..255: the model normalises by itself
        return session.run(None, {"images": pixels[None]})[0][0]

    cosines = np.stack([embed(path) for path in gallery]) @ embed(query)
    for row in np.argsort(-cosines, kind="stable"):
        print(f"{cosines[row]:.4f}  {gallery[row]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
