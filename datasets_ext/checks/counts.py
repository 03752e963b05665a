"""Numbers of identities and images against the published ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from datasets_ext.records import INFRARED, VISIBLE, ImageRecord

from .findings import Finding, Level, none_expected

_OTHER_COUNT = (
    "copy the dataset again if it should be the published one; results on this copy do not compare with published ones"
)
_NO_MODALITY = {
    "training": "restore their images; until then training leaves these identities out",
    "test": "restore their images; until then a query without a match is left out of the mean",
}


@dataclass(frozen=True)
class SideCounts:
    """Size of one side (training or test): identities, and images of each modality."""

    identities: int
    visible: int
    infrared: int


def count_records(records: Iterable[ImageRecord]) -> SideCounts:
    """Count identities and images."""
    records = list(records)
    infrared = sum(record.modality == INFRARED for record in records)
    return SideCounts(len({record.pid for record in records}), len(records) - infrared, infrared)


def side_findings(
    side: str,
    records: Sequence[ImageRecord],
    published: SideCounts,
    generated: bool,
    identities: Set[int] = frozenset(),
) -> Iterator[Finding]:
    """Counts and complete modalities of one side of a dataset with one split; ``identities`` should be among them."""
    yield from count_findings(side, {side: count_records(records)}, published, generated)
    yield modality_finding(side, incomplete_identities(records, identities))


def count_findings(
    side: str, found: Mapping[str, SideCounts], published: SideCounts, generated: bool
) -> Iterator[Finding]:
    """Three lines about one side; ``found`` has an entry for each split of the dataset, by name."""
    for what, name in (("identities", "identities"), ("visible images", "visible"), ("infrared images", "infrared")):
        numbers = {split: getattr(counts, name) for split, counts in found.items()}
        yield number_finding(f"{side} {what}", numbers, getattr(published, name), generated)


def number_finding(what: str, found: Mapping[str, int], published: int, generated: bool) -> Finding:
    """Compare numbers, all of which should be ``published``; generated data only needs to have some.

    Where the numbers differ among themselves, the finding's items name those that are not as published.
    """
    distinct = sorted(set(found.values()))
    expected, text = str(published), ", ".join(map(str, distinct))
    if distinct == [published]:
        return Finding(what, expected, text)
    items = tuple(f"{name}: {number}" for name, number in found.items() if number != published)
    items = items if len(distinct) > 1 else ()
    if distinct[0] == 0:
        return Finding(what, expected, text, Level.PROBLEM, "copy the dataset again, its lists and its images", items)
    if generated:
        return Finding(what, expected, text, Level.NOTE, "nothing: generated data has any size")
    return Finding(what, expected, text, Level.DIFFERS, _OTHER_COUNT, items)


def modality_finding(side: str, incomplete: Sequence[str]) -> Finding:
    """The identities of :func:`incomplete_identities`: they spoil training, while the test metrics know of them."""
    level = Level.DIFFERS if side == "training" else Level.NOTE
    return none_expected(f"{side} identities without both modalities", incomplete, level, _NO_MODALITY[side])


def incomplete_identities(records: Iterable[ImageRecord], identities: Set[int] = frozenset()) -> list[str]:
    """Those of the records' identities, and of ``identities``, that lack a modality, such as ``12 (no infrared)``."""
    modalities: dict[int, set[int]] = defaultdict(set, {pid: set() for pid in identities})
    for record in records:
        modalities[record.pid].add(record.modality)
    lacking = {VISIBLE: "no infrared", INFRARED: "no visible"}
    return [
        f"{pid} ({lacking[min(found)] if found else 'no image'})"
        for pid, found in sorted(modalities.items())
        if len(found) < 2
    ]
