"""A gallery in Milvus, a distributed vector database, or in a local file of its embedded mode, milvus-lite.

A build fills a new collection ``NAME_<12 hexadecimal digits>``, points the alias ``NAME`` at it, and drops the
collection that the alias pointed at before: a query sees the old gallery or the new one. Collections and aliases of
others are left alone.

Of equal cosines the lower row comes first, as far as Milvus finds them: it computes in float32, and which of more ties
than there is room for it finds is up to it.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from datasets_ext.errors import UserError

from ..evaluation.images import Images
from .collection import ALL_LISTS, INDEX_TYPES, SECONDS, fill_collection, read_plan, search_collection
from .gallery import Match
from .index import SPARE, check_request
from .kinds import Plan

TOKEN = "MILVUS_TOKEN"  # the environment variable with "user:password" or a key, so that none is on a command line

_LOCAL_KINDS = ("flat",)  # milvus-lite takes the others, but not their parameters, or searches without an index
_MOST = 16384  # entries that Milvus finds for a query
_CONNECT_SECONDS = 5


@dataclass(frozen=True)
class MilvusGallery:
    """The collection behind the alias ``collection`` of a server or a local file.

    Args:
        uri: ``http://host:19530``, or the path of a file that ends in ``.db``.
        collection: the name that builds and queries share.

    Raises:
        UserError: ``uri`` or ``collection`` cannot be one.
    """

    uri: str
    collection: str

    def __post_init__(self) -> None:
        if "@" in self.uri:
            raise UserError(f"--uri may hold a password: give it in the environment variable {TOKEN}, as user:password")
        if not self._is_local and not _is_server(self.uri):
            raise UserError(f"--uri {self.uri} is no server (http://host:19530) and no local file that ends in .db")
        if not re.fullmatch(r"[A-Za-z_]\w{0,239}", self.collection, re.ASCII):
            raise UserError(f"--collection {self.collection}: take letters, digits and _, beginning with no digit")

    def write(self, vectors: NDArray[np.float32], images: Images, plan: Plan) -> None:
        self._check(images, plan)
        with self._connect() as client:
            before = self._behind_alias(client)
            name = f"{self.collection}_{uuid.uuid4().hex[:12]}"
            try:
                fill_collection(client, name, vectors, images, plan)
                switch = client.create_alias if before is None else client.alter_alias
                switch(name, self.collection, timeout=SECONDS)
            except BaseException:  # also Ctrl-C
                with suppress(Exception):
                    client.drop_collection(name, timeout=SECONDS)
                raise
            if before is not None:
                client.drop_collection(before, timeout=SECONDS)

    def find(self, queries: NDArray[np.float32], top: int) -> Sequence[Sequence[Match]]:
        if self._is_local and not Path(self.uri).exists():
            raise UserError(f"{self.uri} is missing: build it with tools/search.py build")
        with self._connect() as client:
            name = self._behind_alias(client)
            if name is None:
                raise UserError(f"{self.uri} has no gallery {self.collection}: build it with tools/search.py build")
            plan, entries, dimensions = read_plan(client, name)
            check_request(queries, top, entries, dimensions)
            if top > _MOST:
                raise UserError(f"--top {top}: Milvus finds at most {_MOST}")
            limit = min(top + SPARE, entries, _MOST)
            found = search_collection(client, name, queries, limit, plan.probes)
            few = [number for number, matches in enumerate(found) if len(matches) < top]
            more = search_collection(client, name, queries[few], limit, ALL_LISTS)
            for number, matches in zip(few, more, strict=True):
                found[number] = matches
        return [sorted(matches, key=lambda match: (-match.cosine, match.row))[:top] for matches in found]

    @property
    def _is_local(self) -> bool:
        return "://" not in self.uri and self.uri.endswith(".db")

    def _check(self, images: Images, plan: Plan) -> None:
        """Refuse before anything is sent what the database cannot keep."""
        place, kinds = ("milvus-lite", _LOCAL_KINDS) if self._is_local else ("Milvus", tuple(INDEX_TYPES))
        if plan.kind not in kinds:
            raise UserError(f"--uri {self.uri}: {place} has no kind {plan.kind}; choose {' or '.join(kinds)}")
        for path in images.paths:
            try:
                path.encode()
            except UnicodeEncodeError:
                raise UserError(f"path {path!r} is no text, which Milvus needs: rename the image") from None

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        """A pymilvus.MilvusClient; what it raises becomes one line."""
        pymilvus = _import_pymilvus(self._is_local)
        import grpc  # which pymilvus uses

        try:
            if self._is_local:
                Path(self.uri).parent.mkdir(parents=True, exist_ok=True)
            client = pymilvus.MilvusClient(self.uri, token=os.environ.get(TOKEN, ""), timeout=_CONNECT_SECONDS)
            try:
                yield client
            finally:
                client.close()
        except (pymilvus.MilvusException, grpc.RpcError, OSError) as error:
            advice = "is it a gallery file, and closed?" if self._is_local else f"are --uri and {TOKEN} right?"
            raise UserError(f"{self.uri}: {_reason(error)}; {advice}") from error

    def _behind_alias(self, client: Any) -> str | None:
        """The collection of the last build, None if there is none; UserError if the name is another's."""
        what = "a collection"
        if self.collection in client.list_aliases(timeout=SECONDS)["aliases"]:
            target = str(client.describe_alias(self.collection, timeout=SECONDS)["collection_name"])
            if re.fullmatch(rf"{self.collection}_[0-9a-f]{{12}}", target):
                return target
            what = f"an alias of {target}"
        elif not client.has_collection(self.collection, timeout=SECONDS):
            return None
        raise UserError(f"{self.uri}: {self.collection} is {what} that no build made: give another --collection")


def _is_server(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return parts.scheme in ("http", "https", "tcp") and bool(parts.netloc) and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def _import_pymilvus(local: bool) -> Any:
    pymilvus = _import("pymilvus", "--uri takes pymilvus: pip install 'idkl-fastreid[milvus]'")
    if local:  # --no-deps: the faiss-cpu that it asks for would take the place of faiss-gpu, and either serves it
        install = "pip install --no-deps 'milvus-lite>=3.2' pyarrow tomli"
        _import("milvus_lite", f"--uri of a local file takes milvus-lite, too: {install}")
    for name in ("pymilvus", "milvus_lite"):  # they print the traceback of whatever they raise
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return pymilvus


def _import(name: str, advice: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UserError(advice) from None


def _reason(error: Any) -> str:
    """One line for an exception of pymilvus, gRPC or the system."""
    text = getattr(error, "message", None) or str(error)
    if "UNIMPLEMENTED" in text:
        return "an older Milvus, without aliases: 2.4, of milvus-lite 3.2, or a later one is needed"
    return " ".join(text.split())[:300]
