"""A stand-in for pymilvus: the part of it that a gallery uses, kept in this process.

pymilvus and milvus-lite are no packages of `make test`: milvus-lite asks for faiss-cpu, which overwrites faiss-gpu.
Where both are installed, the same tests run on them with

    MILVUS_LITE=1 python -m pytest tests/idkl/search/test_milvus.py tests/idkl/search/test_milvus_input.py
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

SERVER = "http://localhost:19530"  # where the stand-in answers


class MilvusError(Exception):
    """pymilvus.MilvusException: its text is no ``str`` of it."""

    def __init__(self, message: str) -> None:
        super().__init__()
        self.message = message


@dataclass
class Collection:
    """What Milvus keeps of a collection."""

    fields: dict[str, dict[str, Any]]
    rows: list[dict[str, Any]] = field(default_factory=list)
    index: dict[str, Any] = field(default_factory=dict)
    loaded: bool = False


class MilvusClient:
    """The methods of pymilvus.MilvusClient that a gallery calls, as Milvus answers them."""

    databases: dict[str, tuple[dict[str, Collection], dict[str, str]]]  # of each URI, its collections and aliases
    tokens: list[str]

    def __init__(self, uri: str, token: str, timeout: float) -> None:
        if uri != SERVER and not uri.endswith(".db"):
            raise MilvusError("Fail connecting to server,\nillegal connection params or server unavailable")
        if uri.endswith(".db"):
            Path(uri).touch()
        self.tokens.append(token)
        self.collections, self.aliases = self.databases.setdefault(uri, ({}, {}))

    def _get(self, name: str) -> Collection:
        try:
            return self.collections[self.aliases.get(name, name)]
        except KeyError:
            raise MilvusError(f"can't find collection[{name}]") from None

    def create_schema(self, auto_id: bool, enable_dynamic_field: bool) -> Any:
        fields: dict[str, dict[str, Any]] = {}
        return SimpleNamespace(
            fields=fields,
            add_field=lambda name, _, **params: fields.update({name: {"name": name, "params": params}}),
        )

    def prepare_index_params(self) -> Any:
        made: dict[str, Any] = {}
        return SimpleNamespace(made=made, add_index=lambda field, **params: made.update(params))

    def create_collection(self, name: str, schema: Any, consistency_level: str, timeout: float) -> None:
        if name in self.collections or name in self.aliases:
            raise MilvusError(f"{name} exists")
        self.collections[name] = Collection(schema.fields)

    def insert(self, name: str, data: list[dict[str, Any]], timeout: float) -> None:
        collection = self._get(name)
        for entity in data:
            assert entity.keys() == collection.fields.keys()
            assert len(entity["vector"]) == collection.fields["vector"]["params"]["dim"]
            assert len(entity["path"].encode()) <= collection.fields["path"]["params"]["max_length"]
        collection.rows += data

    def flush(self, name: str, timeout: float) -> None:
        self._get(name)

    def create_index(self, name: str, index_params: Any, timeout: float) -> None:
        self._get(name).index = index_params.made

    def load_collection(self, name: str, timeout: float) -> None:
        if not self._get(name).index:
            raise MilvusError("there is no index")
        self._get(name).loaded = True

    def query(
        self, name: str, output_fields: list[str], consistency_level: str, timeout: float
    ) -> list[dict[str, int]]:
        assert output_fields == ["count(*)"]
        return [{"count(*)": len(self._get(name).rows)}]

    def describe_collection(self, name: str, timeout: float) -> dict[str, Any]:
        return {"fields": list(self._get(name).fields.values())}

    def describe_index(self, name: str, index_name: str, timeout: float) -> dict[str, Any]:
        return self._get(name).index

    def search(
        self,
        name: str,
        data: list[NDArray[np.float32]],
        limit: int,
        anns_field: str,
        output_fields: list[str],
        **asked: Any,
    ) -> list[list[dict[str, Any]]]:
        """An inverted index has row % nlist for the list of a row. Of equal cosines the last row comes first."""
        collection = self._get(name)
        if not collection.loaded:
            raise MilvusError("collection not loaded")
        assert asked["search_params"]["metric_type"] == collection.index["metric_type"] == "IP"
        lists = collection.index["params"].get("nlist", 1)
        seen = [
            row for row in collection.rows if row["row"] % lists < asked["search_params"]["params"].get("nprobe", 1)
        ]
        answer = []
        for query in data:
            scored = [(float(np.float32(row[anns_field] @ query)), row["row"], row) for row in seen]
            best = sorted(scored, key=lambda hit: hit[:2], reverse=True)[:limit]
            answer.append([{"distance": s, "entity": {key: row[key] for key in output_fields}} for s, _, row in best])
        return answer

    def has_collection(self, name: str, timeout: float) -> bool:
        return name in self.collections or name in self.aliases

    def list_collections(self) -> list[str]:
        return list(self.collections)

    def list_aliases(self, timeout: float) -> dict[str, list[str]]:
        return {"aliases": list(self.aliases)}

    def describe_alias(self, alias: str, timeout: float) -> dict[str, str]:
        return {"alias": alias, "collection_name": self.aliases[alias]}

    def create_alias(self, name: str, alias: str, timeout: float) -> None:
        if alias in self.aliases:
            raise MilvusError(f"alias {alias} exists")
        self.aliases[alias] = name

    def alter_alias(self, name: str, alias: str, timeout: float) -> None:
        if alias not in self.aliases:
            raise MilvusError(f"there is no alias {alias}")
        self.aliases[alias] = name

    def drop_collection(self, name: str, timeout: float) -> None:
        if name in self.aliases.values():
            raise MilvusError(f"{name} has an alias")
        del self.collections[name]

    def close(self) -> None:
        pass


def stand_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put an empty stand-in into the place of pymilvus, and return it."""
    pymilvus: Any = ModuleType("pymilvus")
    pymilvus.MilvusClient = type("Client", (MilvusClient,), {"databases": {}, "tokens": []})
    pymilvus.MilvusException = MilvusError
    pymilvus.DataType = SimpleNamespace(INT64="int64", FLOAT_VECTOR="vector", VARCHAR="text")
    monkeypatch.setitem(sys.modules, "pymilvus", pymilvus)
    monkeypatch.setitem(sys.modules, "milvus_lite", ModuleType("milvus_lite"))
    return pymilvus


def real_or_stand_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    """pymilvus itself if the environment variable MILVUS_LITE is set."""
    if os.environ.get("MILVUS_LITE"):
        return importlib.import_module("pymilvus")
    return stand_in(monkeypatch)
