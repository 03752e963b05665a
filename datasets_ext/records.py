"""What one image is: its path, identity, camera and modality."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

VISIBLE = 0
INFRARED = 1


class ImageRecord(tuple[str, int, int]):
    """One image of a cross-modality dataset: a ``(path, pid, camid)`` triple that also knows its modality.

    fast-reid's samplers, tables and ``combine_all`` unpack exactly three fields, so the modality is an attribute
    of the triple and not a fourth field. It is set by the dataset, which knows it; nothing guesses it from cameras.

    Args:
        path: the image file.
        pid: identity label.
        camid: camera label.
        modality: 0 visible, 1 infrared.
    """

    modality: int

    def __new__(cls, path: str, pid: int, camid: int, modality: int) -> ImageRecord:
        record = super().__new__(cls, (path, pid, camid))
        record.modality = modality
        return record

    def __getnewargs__(self) -> tuple[str, int, int, int]:
        return (*self, self.modality)

    @property
    def pid(self) -> int:
        return self[1]


def keep_cross_modality(records: Iterable[ImageRecord]) -> tuple[list[ImageRecord], list[int]]:
    """Keep the identities that have images in both modalities.

    Returns:
        The records of those identities, in their order, and the sorted identities that were left out.
    """
    records = list(records)
    modalities: dict[int, set[int]] = defaultdict(set)
    for record in records:
        modalities[record.pid].add(record.modality)
    incomplete = sorted(pid for pid, found in modalities.items() if len(found) < 2)
    return [record for record in records if len(modalities[record.pid]) == 2], incomplete
