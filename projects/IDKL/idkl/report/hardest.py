"""Which people a model finds worst, and whom it takes them for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..visualization.embedded import Embedded
from ..visualization.ranks import RankList
from .viewer import Thumbnails

SHOWN = 10


@dataclass(frozen=True)
class Person:
    """One test identity by its queries; ``image`` and ``taken_for_image`` are numbers of thumbnails.

    Attributes:
        ap: mean average precision of its queries, percent.
        rank_1: of how many queries the nearest image shows this person, percent.
        taken_for: identity of the most frequent wrong nearest image; None where none was wrong.
    """

    pid: int
    queries: int
    ap: float
    rank_1: float
    image: int
    taken_for: int | None
    taken_for_image: int | None


def hardest_people(embedded: Embedded, lists: Sequence[RankList], thumbnails: Thumbnails) -> list[Person]:
    """The :data:`SHOWN` identities of the lowest mean AP, hardest first; queries without a match do not count."""
    own: dict[int, list[RankList]] = {}
    for entry in lists:
        if not np.isnan(entry.ap):
            own.setdefault(int(embedded.images.pids[entry.query]), []).append(entry)
    order = sorted(own, key=lambda pid: (float(np.mean([entry.ap for entry in own[pid]])), pid))
    return [_person(embedded, pid, own[pid], thumbnails) for pid in order[:SHOWN]]


def _person(embedded: Embedded, pid: int, entries: Sequence[RankList], thumbnails: Thumbnails) -> Person:
    def thumbnail(row: int) -> int:
        return thumbnails.number(str(embedded.root / embedded.images.paths[row]))

    pids = embedded.images.pids
    wrong = [int(entry.gallery[0]) for entry in entries if not entry.correct[0]]
    worst = min(entries, key=lambda entry: entry.ap)
    # The most frequent one; of equally frequent ones the smallest number.
    counts = Counter(int(pids[row]) for row in wrong)
    taken = min(counts, key=lambda other: (-counts[other], other), default=None)
    return Person(
        pid=pid,
        queries=len(entries),
        ap=100 * float(np.mean([entry.ap for entry in entries])),
        rank_1=100 * (1 - len(wrong) / len(entries)),
        image=thumbnail(worst.query),
        taken_for=taken,
        taken_for_image=thumbnail(next(row for row in wrong if pids[row] == taken)) if taken is not None else None,
    )
