from __future__ import annotations

import pickle

from datasets_ext import INFRARED, VISIBLE, ImageRecord
from datasets_ext.records import keep_cross_modality


def test_a_record_is_fast_reids_triple_and_knows_its_modality() -> None:
    record = ImageRecord("cam3/0001/0001.jpg", 1, 3, INFRARED)
    path, pid, camid = record
    assert (path, pid, camid) == ("cam3/0001/0001.jpg", 1, 3) == record
    assert len(record) == 3 and record.modality == 1 and record.pid == 1


def test_a_record_survives_pickling_to_a_worker() -> None:
    record = pickle.loads(pickle.dumps(ImageRecord("a", 1, 2, INFRARED)))
    assert record == ("a", 1, 2) and record.modality == INFRARED and isinstance(record, ImageRecord)


def test_identities_with_one_modality_are_left_out_and_named() -> None:
    records = [
        ImageRecord("a", 7, 1, VISIBLE),
        ImageRecord("b", 5, 1, VISIBLE),
        ImageRecord("c", 7, 3, INFRARED),
        ImageRecord("d", 2, 3, INFRARED),
    ]
    kept, incomplete = keep_cross_modality(records)
    assert [record[0] for record in kept] == ["a", "c"] and incomplete == [2, 5]
