"""Generated people: which cue shows in which modality."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_ext.errors import UserError
from datasets_ext.generated import CueStrength
from datasets_ext.generated.cameras import REGDB_CAMERAS, SYSU_CAMERAS
from datasets_ext.generated.color import luma
from datasets_ext.generated.identity import Identity
from datasets_ext.generated.paint import infrared_paint, thermal_paint, visible_paint
from datasets_ext.generated.population import sample_identity
from datasets_ext.generated.render import photograph

SEED = 5


def test_visible_luma_does_not_predict_infrared_brightness() -> None:
    people = [sample_identity(SEED, pid, CueStrength()) for pid in range(1, 501)]
    for surface in ("upper", "lower", "bag", "shoes", "hair"):
        pairs = [
            (luma(visible_paint(who).surfaces[surface]), infrared_paint(who).surfaces[surface][0]) for who in people
        ]
        assert abs(np.corrcoef(np.array(pairs).T)[0, 1]) < 0.12


@given(st.integers(0, 2**31 - 1), st.integers(1, 9999))
@settings(max_examples=60, deadline=None)
def test_patterns_and_bags_stand_out_in_both_modalities(seed: int, pid: int) -> None:
    who = sample_identity(seed, pid, CueStrength())
    visible, infrared = visible_paint(who).surfaces, infrared_paint(who).surfaces
    for mark, edge in (("accent", "accent_edge"), ("stripe", "stripe_edge")):
        step = luma(visible[mark]) - luma(visible[edge])
        assert abs(step) > 0.7
        assert step == pytest.approx(infrared[mark][0] - infrared[edge][0])
    for surfaces in (visible, infrared):
        assert abs(luma(surfaces["upper"]) - luma(surfaces["bag"])) > 0.219


def test_each_modality_hides_the_cues_of_the_other() -> None:
    who = sample_identity(SEED, 1, CueStrength())
    who = replace(who, shared=replace(who.shared, upper="tshirt", sleeves="short", lower="trousers"))
    painted = replace(who, color=sample_identity(SEED, 2, CueStrength()).color)

    def shot(identity: Identity, camera: int) -> bytes:
        return photograph(identity, SYSU_CAMERAS[camera], np.random.default_rng(3)).tobytes()

    assert shot(who, 3) == shot(painted, 3)
    assert shot(who, 1) != shot(painted, 1)
    for strip in ("chest", "arms", "shins"):
        marked = replace(who, infrared=replace(who.infrared, strip=strip, weave="grid", upper=0.2))
        plain = replace(who, infrared=replace(who.infrared, strip="none", weave="none", upper=0.2))
        assert shot(marked, 1) == shot(plain, 1)
        assert shot(marked, 3) != shot(plain, 3)


@given(st.integers(0, 2**31 - 1), st.integers(1, 9999))
@settings(max_examples=60, deadline=None)
def test_thermal_skin_is_warmest_and_patterns_are_gone(seed: int, pid: int) -> None:
    who = sample_identity(seed, pid, CueStrength())
    warmth = {name: color[0] for name, color in thermal_paint(who).surfaces.items()}
    assert max(warmth, key=warmth.__getitem__) == "skin"
    assert warmth["bag"] < min(warmth["upper"], warmth["lower"]) - 0.05
    assert abs(warmth["accent"] - warmth["accent_edge"]) < 0.04 > abs(warmth["stripe"] - warmth["stripe_edge"])
    assert warmth["trim"] == warmth["upper"]
    assert not thermal_paint(who).shows("strip") and not thermal_paint(who).shows("weave")


def test_thermal_images_show_no_colour() -> None:
    who = sample_identity(SEED, 1, CueStrength())
    painted = replace(who, color=sample_identity(SEED, 2, CueStrength()).color)
    visible, thermal = (
        [photograph(one, camera, np.random.default_rng(3)).tobytes() for one in (who, painted)]
        for camera in REGDB_CAMERAS
    )
    assert visible[0] != visible[1] and thermal[0] == thermal[1]


@pytest.mark.parametrize("group", ["shared", "color", "infrared"])
def test_strength_zero_makes_a_cue_group_the_same_for_everybody(group: str) -> None:
    weak = CueStrength(**{group: 0.0})
    people = [sample_identity(SEED, pid, weak) for pid in range(1, 20)]
    groups = ("shared", "color", "infrared")
    for other in groups:
        distinct = {json.dumps(asdict(getattr(who, other)), sort_keys=True) for who in people}
        assert (len(distinct) == 1) == (other == group)
    full = sample_identity(SEED, 1, CueStrength())
    assert all(getattr(full, other) == getattr(people[0], other) for other in groups if other != group)


def test_strength_outside_its_range_is_refused() -> None:
    with pytest.raises(UserError, match=r"'color' is 1\.5"):
        CueStrength(color=1.5)
