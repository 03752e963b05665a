#!/usr/bin/env python
"""Search in big galleries: an index of features on the disk, and the entries nearest to queries by cosine.

    python tools/search.py build --features gallery.npz --index gallery.index --kind ivf
    python tools/search.py query --index gallery.index --features query.npz --top 10
    python tools/search.py build --features gallery.npz --uri http://localhost:19530 --collection sysu
    python tools/search.py query --uri http://localhost:19530 --collection sysu --features query.npz

Features are files as for tools/evaluate_features.py; their vectors are brought to length 1. The index is a folder, or
with --uri a collection of a Milvus server or of a local file such as gallery.db; a server's user:password or key is
taken from the environment variable MILVUS_TOKEN. Of the kinds, flat is exact, ivf looks into a part of the gallery, pq
keeps short codes and gives approximate cosines, and ivfpq does both.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from tabulate import tabulate

from datasets_ext.errors import UserError, run_program
from idkl.evaluation.features import read_features
from idkl.search import DEVICES, KINDS, FolderGallery, Gallery, MilvusGallery, plan_index, unit_vectors

COLUMNS = ("query", "rank", "gallery", "pid", "cosine")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    build = commands.add_parser("build", help="write an index of a gallery's features")
    query = commands.add_parser("query", help="print the entries nearest to each query")
    for command, whose in ((build, "gallery"), (query, "queries")):
        command.add_argument("--features", required=True, type=Path, metavar="FILE", help=f"those of the {whose}")
        place = command.add_mutually_exclusive_group(required=True)
        place.add_argument("--index", type=Path, metavar="FOLDER", help="which build replaces")
        place.add_argument("--uri", help="a Milvus server, or a local file that ends in .db")
        command.add_argument("--collection", metavar="NAME", help="with --uri: which build replaces (default gallery)")
        command.add_argument("--device", choices=DEVICES, help="with --index (default auto: a GPU where faiss can)")
    build.add_argument("--kind", choices=KINDS, default="flat", help="default flat")
    query.add_argument("--top", type=int, default=10, metavar="N", help="entries for each query (default 10)")
    query.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (default: the command line) and run the command. Raises UserError."""
    args = _parser().parse_args(argv)
    {"build": _build, "query": _query}[args.what](args, _gallery(args))


def _gallery(args: argparse.Namespace) -> Gallery:
    if args.uri is None:
        if args.collection is not None:
            raise UserError("--collection goes with --uri: leave it out with --index")
        return FolderGallery(args.index, args.device or "auto")
    if args.device is not None:
        raise UserError("--device goes with --index: with --uri the database computes, leave it out")
    return MilvusGallery(args.uri, args.collection or "gallery")


def _build(args: argparse.Namespace, gallery: Gallery) -> None:
    file = read_features(args.features)
    vectors = unit_vectors(file, args.features)
    gallery.write(vectors, file.images, plan_index(args.kind, *vectors.shape))
    print(f"{args.index or args.uri}: {len(vectors)} entries of {vectors.shape[1]} dimensions, kind {args.kind}")


def _query(args: argparse.Namespace, gallery: Gallery) -> None:
    file = read_features(args.features)
    found = gallery.find(unit_vectors(file, args.features), args.top)
    rows: list[dict[str, Any]] = [
        {
            "query": query,
            "rank": rank,
            "gallery": match.path,
            "pid": match.pid,
            "camid": match.camid,
            "cosine": round(match.cosine, 6),
        }
        for query, matches in zip(file.images.paths, found, strict=True)
        for rank, match in enumerate(matches, 1)
    ]
    if args.json:
        print(json.dumps(rows, indent=2))
    else:
        table = [[*(str(row[key]) for key in COLUMNS[:-1]), f"{row['cosine']:.4f}"] for row in rows]
        text = tabulate(table, COLUMNS, disable_numparse=True, colalign=("left", "right", "left", "right", "right"))
        print(text.encode(errors="backslashreplace").decode())  # a path may hold bytes that are no characters


if __name__ == "__main__":
    run_program(main)
