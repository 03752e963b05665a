"""What paths say, galleries drawn from them, and rows that do not belong to their paths."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_ext.errors import UserError
from idkl.evaluation.images import Images, check_test_identities, draw_gallery, split_file

PATHS = ["b/2.jpg", "a/10.jpg", "a/9.jpg", "b/1.jpg"]
IMAGES = Images(PATHS, np.array([5, 7, 7, 5]), np.array([1, 2, 2, 1]))


@pytest.mark.parametrize(
    ("pids", "camids", "message"),
    [
        (np.array([5, 7, 7]), IMAGES.camids, r"pids are int64[3]; give 4 integers, one a path"),
        (IMAGES.pids, np.ones((4, 1), int), r"camids are int64[4, 1]; give 4 integers"),
        (IMAGES.pids.astype(float), IMAGES.camids, "pids are float64[4]"),
        (IMAGES.pids, IMAGES.camids > 1, "camids are bool[4]"),
    ],
)
def test_labels_are_one_integer_a_path(pids: np.ndarray, camids: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        Images(PATHS, pids, camids)


def test_an_image_given_twice_is_named() -> None:
    with pytest.raises(UserError, match=r"^b/2\.jpg is given twice, in rows 0 and 2; "):
        Images(["b/2.jpg", "a/1.jpg", "b/2.jpg"], np.zeros(3, int), np.zeros(3, int))


def test_parse_gives_a_match_a_path_or_names_the_first_that_is_unlike() -> None:
    assert [match[1] for match in IMAGES.parse(re.compile(r"[ab]/(\d+)\.jpg"), "a/1.jpg")] == ["2", "10", "9", "1"]
    with pytest.raises(UserError, match=r"^path 1, 'a/10\.jpg', is not like b/1\.jpg; "):
        IMAGES.parse(re.compile(r"b/\d\.jpg|a/9"), "b/1.jpg")  # the whole path must match


def accepts(images: Images, named: np.ndarray) -> bool:
    try:
        images.check("pid", named)
    except UserError:
        return False
    return True


def test_labels_may_be_numbered_in_any_way() -> None:
    nothing = np.array([], dtype=np.int64)
    assert accepts(IMAGES, np.array([0, -1, -1, 0])) and accepts(Images([], nothing, nothing), nothing)
    assert not accepts(IMAGES, np.array([0, -1, 0, -1]))


@pytest.mark.parametrize("given", [[5, 7, 8, 5], [5, 7, 5, 5], [1, 1, 1, 1], [1, 2, 3, 4]])
def test_labels_that_join_or_split_identities_are_refused(given: list[int]) -> None:
    with pytest.raises(UserError, match=r"^pids contradict the paths: row \d \(./\d+\.jpg\) has pid \d, row \d "):
        Images(IMAGES.paths, np.array(given), IMAGES.camids).check("pid", IMAGES.pids)


def test_rows_may_be_compared_apart() -> None:
    pids = np.array([5, 5, 7, 7])
    images = Images(IMAGES.paths, pids, pids)
    for rows in ([0, 1], [2, 3]):
        images.check("pid", np.array([1, 1, 1, 1]), np.array(rows))
    with pytest.raises(UserError, match=r"row 3 \(.*\) has pid 7, row 2 .* has 7"):
        images.check("pid", np.array([1, 1, 1, 2]), np.array([2, 3]))


@given(
    given=st.lists(st.integers(0, 3), min_size=1, max_size=8), named=st.lists(st.integers(0, 3), min_size=8, max_size=8)
)
@settings(max_examples=200, deadline=None)
def test_check_accepts_renumberings_alone(given: list[int], named: list[int]) -> None:
    named = named[: len(given)]
    pairs = set(zip(given, named, strict=True))
    renumbered = len(pairs) == len(set(given)) == len(set(named))
    images = Images([f"{i}.jpg" for i in range(len(given))], np.array(given), np.array(given))
    assert accepts(images, np.array(named)) == renumbered


def test_groups_are_rows_in_the_order_of_names() -> None:
    groups = IMAGES.group(path[0] for path in PATHS)
    assert {key: rows.tolist() for key, rows in groups.items()} == {"a": [1, 2], "b": [3, 0]}  # a/10 sorts before a/9


@given(seed=st.integers(0, 2**32 - 1), trial=st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_a_drawn_gallery_is_what_random_choice_draws(seed: int, trial: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"{camera}/{pid}/{rng.integers(1000)}_{i}" for camera in (4, 1, 2) for pid in (3, 10, 1) for i in range(3)]
    paths = [names[i] for i in rng.permutation(len(names)) if rng.random() < 0.6]
    keys = [(int(path.split("/")[0]), int(path.split("/")[1])) for path in paths]
    blank = np.zeros(len(paths), int)
    groups = Images(paths, blank, blank).group(keys)
    drawn = draw_gallery(groups, [1, 3, 10], [2, 1, 4], trial)

    state = random.getstate()
    random.seed(trial)
    expected = []
    for pid in (1, 3, 10):
        for camera in (2, 1, 4):
            files = [path for path in paths if path.startswith(f"{camera}/{pid}/")]
            if files:
                expected.append(random.choice(sorted(files)))
    random.setstate(state)
    assert [paths[row] for row in drawn] == expected


def test_drawing_leaves_the_global_generator_alone() -> None:
    state = random.getstate()
    draw_gallery({(1, 1): np.arange(5)}, [1], [1], 0)
    assert random.getstate() == state


def test_a_split_file_lies_in_the_folder_or_in_the_datasets_own_subfolder(tmp_path: Path) -> None:
    assert split_file(tmp_path, "exp", "test_id.txt") == tmp_path / "exp" / "test_id.txt"
    (tmp_path / "test_id.txt").write_text("1")
    assert split_file(tmp_path, "exp", "test_id.txt") == tmp_path / "test_id.txt"


def test_identities_that_are_no_test_identities_are_counted(tmp_path: Path) -> None:
    check_test_identities({1, 2}, tmp_path, "exp")  # no file, nothing to hold against
    (tmp_path / "test_id.txt").write_text("1,2,9")
    check_test_identities({1, 2}, tmp_path, "exp")
    with pytest.raises(UserError, match=r"^2 identities of the images, such as 3, are no test identities by .*test_id"):
        check_test_identities({1, 3, 4}, tmp_path, "exp")
