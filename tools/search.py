#!/usr/bin/env python
"""Search in big galleries: an index of features on the disk, and the entries nearest to queries by cosine.

    python tools/search.py build --features gallery.npz --index gallery.index --kind ivf
    python tools/search.py query --index gallery.index --features query.npz --top 10
    python tools/search.py bench --entries 10000 100000 --dimensions 64

Features are files as for tools/evaluate_features.py; their vectors are brought to length 1. The index is a folder. Of
the kinds, flat is exact, ivf looks into a part of the gallery, pq keeps short codes and gives approximate cosines, and
ivfpq does both.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import faiss
from tabulate import tabulate

from datasets_ext.errors import UserError, run_program
from idkl.evaluation.features import read_features
from idkl.search import KINDS, SearchIndex, open_index, plan_index, save_index, train_index, unit_vectors
from idkl.search.bench import QUERIES, TOP, format_search_times, time_search
from idkl.search.store import check_folder

COLUMNS = ("query", "rank", "gallery", "pid", "cosine")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    build = commands.add_parser("build", help="write an index of a gallery's features")
    query = commands.add_parser("query", help="print the entries nearest to each query")
    bench = commands.add_parser("bench", help="measure the kinds on random clustered vectors")
    for command, whose in ((build, "gallery"), (query, "queries")):
        command.add_argument("--features", required=True, type=Path, metavar="FILE", help=f"those of the {whose}")
        command.add_argument("--index", required=True, type=Path, metavar="FOLDER", help="which build replaces")
    build.add_argument("--kind", choices=KINDS, default="flat", help="default flat")
    query.add_argument("--top", type=int, default=10, metavar="N", help="entries for each query (default 10)")
    bench.add_argument("--entries", type=int, nargs="+", default=[10000, 100000], metavar="N", help="of each gallery")
    bench.add_argument("--dimensions", type=int, default=64, metavar="D", help="of the vectors (default 64)")
    bench.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="default all")
    for command in (query, bench):
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Parse ``argv`` (default: the command line) and run the command. Raises UserError."""
    args = _parser().parse_args(argv)
    {"build": _build, "query": _query, "bench": _bench}[args.what](args)


def _build(args: argparse.Namespace) -> None:
    file = read_features(args.features)
    vectors = unit_vectors(file, args.features)
    plan = plan_index(args.kind, *vectors.shape)
    check_folder(args.index)
    save_index(args.index, SearchIndex(train_index(plan, vectors), file.images))
    print(f"{args.index}: {len(vectors)} entries of {vectors.shape[1]} dimensions, kind {args.kind}")


def _query(args: argparse.Namespace) -> None:
    index = open_index(args.index)
    file = read_features(args.features)
    found = index.search(unit_vectors(file, args.features), args.top)
    paths, pids, camids = index.images.paths, index.images.pids.tolist(), index.images.camids.tolist()
    rows: list[dict[str, Any]] = [
        {"query": query, "rank": rank, "gallery": paths[row], "pid": pids[row], "camid": camids[row], "cosine": cosine}
        for query, entries, cosines in zip(file.images.paths, found.rows, found.cosines.round(6).tolist(), strict=True)
        for rank, (row, cosine) in enumerate(zip(entries, cosines, strict=True), 1)
    ]
    if args.json:
        print(json.dumps(rows, indent=2))
    else:
        table = [[*(str(row[key]) for key in COLUMNS[:-1]), f"{row['cosine']:.4f}"] for row in rows]
        text = tabulate(table, COLUMNS, disable_numparse=True, colalign=("left", "right", "left", "right", "right"))
        print(text.encode(errors="backslashreplace").decode())  # a path may hold bytes that are no characters


def _bench(args: argparse.Namespace) -> None:
    if min(args.entries) < TOP or args.dimensions < 1:
        raise UserError(f"--entries takes whole numbers of {TOP} or more, --dimensions one of 1 or more")
    results = time_search(args.entries, args.dimensions, args.kinds)
    threads = faiss.omp_get_max_threads()
    if args.json:
        head = {"faiss": faiss.__version__, "threads": threads, "dimensions": args.dimensions, "queries": QUERIES}
        print(json.dumps({**head, "search": [asdict(result) for result in results]}, indent=2))
    else:
        what = f"{args.dimensions} dimensions, {QUERIES} queries one at a time"
        print(f"faiss {faiss.__version__}, {threads} threads\n{what}\n\n{format_search_times(results)}")


if __name__ == "__main__":
    run_program(main)
