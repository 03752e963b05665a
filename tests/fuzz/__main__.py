"""Damage many files of every kind, read them, and count what comes of it.

python -m tests.fuzz --count 2000
python -m tests.fuzz --kind checkpoint --first 137 --count 1 --verbose
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tabulate import tabulate
from tqdm import tqdm

from .kinds import make_kinds, other_contents
from .run import BAD, GOOD, run_cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="files of each kind (default 500)")
    parser.add_argument("--first", type=int, default=0, help="number of the first (default 0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", default="", help="only kinds whose name has this regular expression")
    parser.add_argument("--verbose", action="store_true", help="say what was done to each file and what came of it")
    args = parser.parse_args()
    rows, failed = [], 0
    with tempfile.TemporaryDirectory() as folder:
        kinds = make_kinds(Path(folder))
        for kind in kinds:
            if not re.search(args.kind, kind.name):
                continue
            start = time.monotonic()
            counts: Counter[str] = Counter()
            cases = run_cases(kind, args.seed, args.first, args.count, other_contents(kinds, kind))
            for case in tqdm(cases, kind.name, args.count, disable=not sys.stderr.isatty()):
                counts[case.outcome] += 1
                failed += case.outcome in BAD
                if args.verbose or case.outcome in BAD:
                    print(f"{kind.name} {case.index}: {case.outcome}: {case.detail}", flush=True)
            seconds = time.monotonic() - start
            rows.append([kind.name, *(counts[name] for name in (*GOOD, *BAD)), counts.total(), f"{seconds:.0f}"])
            print(f"{kind.name}: {dict(counts)}", file=sys.stderr, flush=True)
    sums = ["all", *(sum(row[i] for row in rows) for i in range(1, len(GOOD) + len(BAD) + 2)), ""]
    print(tabulate([*rows, sums], headers=["kind", *GOOD, *BAD, "files", "seconds"]))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
