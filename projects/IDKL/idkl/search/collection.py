"""A collection of Milvus that holds a gallery: an entity is a row of the features.

Its fields are row (the primary key), vector, path, pid and camid; the metric is the inner product, which of unit
vectors is the cosine. ``client`` is always a pymilvus.MilvusClient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets_ext.errors import UserError

from ..evaluation.images import Images
from .gallery import Match
from .kinds import Plan, plan_index

INDEX_TYPES = {"flat": "FLAT", "ivf": "IVF_FLAT", "ivfpq": "IVF_PQ"}  # of our kinds; there is none for pq alone
ALL_LISTS = 65536  # the most that Milvus takes for lists to make or look into
SECONDS = 60  # for an answer

_BUILD_SECONDS = 3600  # to write, index or load a gallery
_BATCH_BYTES = 2**23  # of vectors; a message may have 2^26
_BATCH_ROWS = 5000
_BATCH_HITS = 10_000  # in an answer
_STRONG = "Strong"  # consistency: a query sees all that was written before


def fill_collection(client: Any, name: str, vectors: NDArray[np.float32], images: Images, plan: Plan) -> None:
    """Make the collection ``name`` of ``vectors`` float32 [N, D] and their images, indexed and ready to be searched.

    Raises:
        UserError: Milvus does not have as many entities in the end.
    """
    from pymilvus import DataType

    entries, dimensions = vectors.shape
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("row", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimensions)
    schema.add_field("path", DataType.VARCHAR, max_length=65535)
    schema.add_field("pid", DataType.INT64)
    schema.add_field("camid", DataType.INT64)
    client.create_collection(name, schema=schema, consistency_level=_STRONG, timeout=SECONDS)
    step = max(1, min(_BATCH_ROWS, _BATCH_BYTES // (4 * dimensions)))
    for start in range(0, entries, step):
        client.insert(name, _entities(vectors, images, start, min(start + step, entries)), timeout=SECONDS)
    client.flush(name, timeout=_BUILD_SECONDS)
    index = client.prepare_index_params()
    index.add_index("vector", index_type=INDEX_TYPES[plan.kind], metric_type="IP", params=_index_parameters(plan))
    client.create_index(name, index, timeout=_BUILD_SECONDS)
    client.load_collection(name, timeout=_BUILD_SECONDS)
    written = _count(client, name)
    if written != entries:
        raise UserError(f"Milvus has {written} of {entries} entries: build again")


def read_plan(client: Any, name: str) -> tuple[Plan, int, int]:
    """How the collection ``name`` is indexed, its entries and its dimensions."""
    client.load_collection(name, timeout=_BUILD_SECONDS)  # at once where it is loaded
    fields = {field["name"]: field for field in client.describe_collection(name, timeout=SECONDS)["fields"]}
    entries, dimensions = _count(client, name), int(fields["vector"]["params"]["dim"])
    index_type = client.describe_index(name, "vector", timeout=SECONDS)["index_type"]
    kind = next(kind for kind, other in INDEX_TYPES.items() if other == index_type)
    return plan_index(kind, entries, dimensions), entries, dimensions


def search_collection(
    client: Any, name: str, queries: NDArray[np.float32], limit: int, lists: int
) -> list[list[Match]]:
    """At most ``limit`` entries near to each of ``queries`` float32 [Q, D], in no order among equal cosines.

    Fewer are found where the ``lists`` of an inverted index that are looked into hold fewer.
    """
    asked: dict[str, Any] = {
        "limit": limit,
        "anns_field": "vector",
        "output_fields": ["row", "path", "pid", "camid"],
        "search_params": {"metric_type": "IP", "params": {"nprobe": lists} if lists else {}},
        "consistency_level": _STRONG,
        "timeout": SECONDS,
    }
    step = max(1, _BATCH_HITS // limit)
    found: list[list[Match]] = []
    for start in range(0, len(queries), step):
        for hits in client.search(name, list(queries[start : start + step]), **asked):
            found.append([Match(**hit["entity"], cosine=float(hit["distance"])) for hit in hits])
    return found


def _index_parameters(plan: Plan) -> dict[str, int]:
    lists = {"nlist": plan.lists} if plan.lists else {}
    return {**lists, "m": plan.code_bytes, "nbits": 8} if plan.code_bytes else lists


def _entities(vectors: NDArray[np.float32], images: Images, start: int, end: int) -> Sequence[dict[str, Any]]:
    return [
        {
            "row": row,
            "vector": vectors[row],
            "path": images.paths[row],
            "pid": int(images.pids[row]),
            "camid": int(images.camids[row]),
        }
        for row in range(start, end)
    ]


def _count(client: Any, name: str) -> int:
    answer = client.query(name, output_fields=["count(*)"], consistency_level=_STRONG, timeout=SECONDS)
    return int(answer[0]["count(*)"])
