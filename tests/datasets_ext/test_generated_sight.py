"""How far what tells generated people apart is seen by one modality alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_ext.errors import UserError
from datasets_ext.generated import CueStrength
from datasets_ext.generated.color import luma
from datasets_ext.generated.identity import Identity, Sight
from datasets_ext.generated.paint import infrared_paint, thermal_paint, visible_paint
from datasets_ext.generated.population import sample_identity
from datasets_ext.generated.sight import MARKS, REFLECTANCES, REMOVABLE, as_seen, draw_sight
from tools.generate_dataset import main

PEOPLE = range(1, 40)


def person(pid: int, specific: float) -> Identity:
    return sample_identity(3, pid, CueStrength(specific=specific))


@given(st.integers(0, 2**31 - 1), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_towards_either_end_more_cues_cross_over(seed: int, specific: float) -> None:
    sights = [draw_sight(np.random.default_rng(seed), value) for value in (specific, 0.5, 0.0, 1.0)]
    here, described, all_common, all_single = sights
    assert described == Sight()
    assert all_common == Sight(common=frozenset((*REFLECTANCES, *MARKS)))
    assert not all_single.common and all_single.only_visible | all_single.only_infrared == set(REMOVABLE)
    assert not all_single.only_visible & all_single.only_infrared
    end = all_common if specific < 0.5 else all_single  # the same draws: a cue that crossed over stays across
    assert here.common <= end.common and here.only_visible <= end.only_visible
    assert here.only_infrared <= end.only_infrared


def test_at_the_middle_a_person_is_seen_as_described() -> None:
    for pid in PEOPLE:
        assert as_seen(person(pid, 0.5), False) == person(pid, 0.5) == as_seen(person(pid, 0.5), True)


def test_at_0_infrared_shows_the_brightness_of_colours_and_visible_light_the_marks() -> None:
    for pid in PEOPLE:
        seen = as_seen(person(pid, 0.0), True)
        paint = infrared_paint(seen)
        for surface in ("skin", "hair", "upper", "trim", "lower", "shoes", "bag", "scarf"):
            assert paint.surfaces[surface][0] == pytest.approx(luma(getattr(seen.color, surface)))
        for other in (visible_paint, thermal_paint):
            assert other(seen).shows("strip") and other(seen).shows("weave")
            assert not other(as_seen(person(pid, 0.5), False)).shows("strip")
        for other in (visible_paint, infrared_paint, thermal_paint):
            assert all(0 <= value <= 1 for color in other(seen).surfaces.values() for value in color)


def test_at_1_each_removable_cue_is_seen_by_one_modality() -> None:
    both = {(cue, name) for cue, looks in REMOVABLE.items() for name in looks}
    for pid in PEOPLE:
        whole, visible, infrared = person(pid, 1.0), as_seen(person(pid, 1.0), False), as_seen(person(pid, 1.0), True)
        assert (visible.color, infrared.infrared) == (whole.color, whole.infrared)
        for cue, name in both:
            hidden_from = visible if cue in whole.sight.only_infrared else infrared
            shown_to = infrared if hidden_from is visible else visible
            assert getattr(hidden_from.shared, name) == REMOVABLE[cue][name]
            assert getattr(shown_to.shared, name) == getattr(whole.shared, name)
        assert visible.shared.build == infrared.shared.build == whole.shared.build
    assert len({person(pid, 1.0).sight for pid in PEOPLE}) > 10  # another choice for each person


def test_command_line(tmp_path: Path) -> None:
    words = ["--layout", "sysu", "--ids", "4", "--images", "1", "--workers", "1", "--root"]
    main([*words, str(tmp_path / "default")])
    main([*words, str(tmp_path / "same"), "--specific", "0.5"])
    main([*words, str(tmp_path / "other"), "--specific", "0.25"])
    default, same, other = (
        json.loads((tmp_path / n / "generated.json").read_text()) for n in ("default", "same", "other")
    )
    assert default == same and "specific" not in default["cues"] and other["cues"]["specific"] == 0.25
    image = "cam1/0001/0001.jpg"
    assert (tmp_path / "default" / image).read_bytes() == (tmp_path / "same" / image).read_bytes()
    with pytest.raises(UserError, match="'specific' is 1.5: give a number from 0 to 1"):
        main([*words, str(tmp_path / "wrong"), "--specific", "1.5"])
