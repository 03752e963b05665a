"""t-SNE: what is shown, what is measured, and that it repeats."""

from __future__ import annotations

import numpy as np
import pytest

from datasets_ext import UserError
from idkl.visualization.canvas import encode_figure
from idkl.visualization.tsne import tsne_figure
from tests.idkl.visualization.made import make_embedded


def test_all_images_of_some_identities_in_both_modalities() -> None:
    made = make_embedded(identities=7, each=3)
    figure = tsne_figure([made, make_embedded(identities=7, each=3, name="other", spread=0.2)], identities=4)
    for axes in figure.axes:
        points = [len(drawn.get_offsets()) for drawn in axes.collections]
        assert points == [6, 3] * 4  # visible, infrared of each
        filled = [len(drawn.get_facecolors()) > 0 for drawn in axes.collections]
        assert filled == [True, False] * 4
        paths = {drawn.get_paths()[0].vertices.shape for drawn in axes.collections}
        assert len(paths) == 2  # circles and triangles
    shown = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert shown[0] == shown[1] and len(set(shown[0])) == 4 and "0" not in shown[0]  # 0 is infrared only


def test_the_shares_are_those_of_the_features() -> None:
    made = make_embedded(identities=6, spread=1.0)
    rows = np.flatnonzero(made.images.pids > 0)
    right = mixed = 0
    for i in rows:
        cosine = {j: float(made.unit[i] @ made.unit[j]) for j in rows if j != i}
        across = [j for j in cosine if made.modalities[j] != made.modalities[i]]
        right += made.images.pids[max(across, key=cosine.__getitem__)] == made.images.pids[i]
        mixed += max(cosine, key=cosine.__getitem__) in across
    title = tsne_figure([made], identities=5).axes[0].get_title()
    assert (
        f"is right: {100 * right / len(rows):.0f} %" in title and f"is across: {100 * mixed / len(rows):.0f} %" in title
    )
    assert 0 < right < len(rows)


def test_it_repeats_and_the_seed_matters() -> None:
    made = make_embedded(identities=7)
    first, again, other = (encode_figure(tsne_figure([made], 3, seed)) for seed in (0, 0, 1))
    assert first == again != other


def test_too_few_are_refused() -> None:
    with pytest.raises(UserError, match="--identities 0: give 1 or more"):
        tsne_figure([make_embedded()], 0)
    with pytest.raises(UserError, match="t-SNE needs 8 images, but 1 identities have 3"):
        tsne_figure([make_embedded(each=1)], 1)
