"""The rank lists of a page's viewer, and their thumbnails: plain values that become JSON."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from datasets_ext.image import read_image

from ..visualization.canvas import MODALITIES
from ..visualization.embedded import Embedded
from ..visualization.ranks import RankList

TOP = 10  # gallery images of a list
THUMBNAIL = (64, 128)  # largest width and height
QUALITY = 78  # of JPEG
# So that a report of a large test set stays below 15 MB, and its page quick.
MOST_QUERIES = 600
MOST_BYTES = 8_000_000  # of all thumbnails


class Thumbnails:
    """Small pictures as data URIs, each image once, whichever list it is in."""

    def __init__(self) -> None:
        self.uris: list[str] = []
        self._numbers: dict[str, int] = {}

    @property
    def size(self) -> int:
        """Bytes of all of them in a page."""
        return sum(map(len, self.uris))

    def number(self, path: str) -> int:
        """The position in ``uris`` of the image file ``path``. UserError if it is gone or cannot be read."""
        if path not in self._numbers:
            self.uris.append(_encode(read_image(path)))
            self._numbers[path] = len(self.uris) - 1
        return self._numbers[path]


def build_viewer(lists: Mapping[str, tuple[Embedded, Sequence[RankList]]], thumbnails: Thumbnails) -> dict[str, Any]:
    """The queries to choose from, each with its list by every run that was tested on it.

    Args:
        lists: by the name of a run; rank lists of all its queries, of at least ``TOP`` images where there are any.
        thumbnails: where the pictures go.

    Returns:
        ``{"runs": [name], "total": queries of the largest test set, "queries": [{"image", "pid", "camera", "modality",
        "results": [{"ap", "first", "hidden", "found": [{"image", "pid", "camera", "modality", "cosine", "right"}]} or
        None]}]}``; the hardest query of every person first. ``results`` follow ``runs``.
    """
    by_path = {
        name: {str(embedded.root / embedded.images.paths[entry.query]): entry for entry in entries}
        for name, (embedded, entries) in lists.items()
    }
    embedded_by_path = {path: lists[name][0] for name, found in by_path.items() for path in found}
    queries: list[dict[str, Any]] = []
    for path in _order(by_path, embedded_by_path):
        if len(queries) == MOST_QUERIES or thumbnails.size > MOST_BYTES:
            break
        results = [
            _result(lists[name][0], found[path], thumbnails) if path in found else None
            for name, found in by_path.items()
        ]
        embedded = embedded_by_path[path]
        row = next(found[path].query for found in by_path.values() if path in found)
        queries.append({**_image(embedded, row, thumbnails), "results": results})
    return {"runs": list(lists), "total": max(map(len, by_path.values())), "queries": queries}


def _order(by_path: dict[str, dict[str, RankList]], embedded: Mapping[str, Embedded]) -> list[str]:
    """Every person's hardest query, then every person's second hardest, and so on; by the first run that has it."""
    entries = {path: found[path] for found in reversed(by_path.values()) for path in found}
    people: dict[int, list[tuple[float, str]]] = {}
    for path, entry in entries.items():
        if not np.isnan(entry.ap):
            pid = int(embedded[path].images.pids[entry.query])
            people.setdefault(pid, []).append((entry.ap, path))
    turns = [(turn, ap, path) for own in people.values() for turn, (ap, path) in enumerate(sorted(own))]
    return [path for _, _, path in sorted(turns)]


def _result(embedded: Embedded, entry: RankList, thumbnails: Thumbnails) -> dict[str, Any]:
    found = [
        {**_image(embedded, int(row), thumbnails), "cosine": round(float(cosine), 3), "right": bool(right)}
        for row, cosine, right in zip(entry.gallery[:TOP], entry.cosines, entry.correct, strict=False)
    ]
    return {"ap": round(100 * entry.ap, 1), "first": entry.first_rank, "hidden": len(entry.ignored), "found": found}


def _image(embedded: Embedded, row: int, thumbnails: Thumbnails) -> dict[str, Any]:
    images = embedded.images
    return {
        "image": thumbnails.number(str(embedded.root / images.paths[row])),
        "pid": int(images.pids[row]),
        "camera": int(images.camids[row]),
        "modality": MODALITIES[embedded.modalities[row]],
    }


def _encode(image: Image.Image) -> str:
    image.thumbnail(THUMBNAIL)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return data_uri(buffer.getvalue(), "image/jpeg")


def data_uri(content: bytes, kind: str) -> str:
    """``content`` of the media type ``kind`` as a URI that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
