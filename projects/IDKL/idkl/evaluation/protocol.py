"""A protocol is data: settings, each a list of trials, each a choice of query and gallery rows.

Features are extracted once, and every setting and trial reuses them. To add a protocol, write one file that builds
its settings and enters itself in :data:`PROTOCOLS`, and import that file in ``idkl/evaluation/__init__.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from datasets_ext.errors import UserError

from .images import Images, split_file
from .ranking import IntArray


@dataclass(frozen=True)
class Trial:
    """Rows of the features, each at most once: ``query`` int64[Q] and ``gallery`` int64[G].

    The order of the gallery does not matter: equal distances rank in the order of the feature rows.
    """

    query: IntArray
    gallery: IntArray


@dataclass(frozen=True)
class Setting:
    """One line of a result table. Labels that do not apply are None; see ``results.LABELS``.

    ``deduplicate``: CMC counts only the first hit of each gallery identity. ``ignore``: two keys for every feature
    row, int64[N] each; a query ignores the gallery images whose second key equals its own first. None: nothing.
    """

    protocol: str
    mode: str | None
    shots: int | None
    direction: str | None
    gallery: str | None
    deduplicate: bool
    ignore: tuple[IntArray, IntArray] | None
    trials: tuple[Trial, ...]


# Test images and the folder that holds the protocol's files -> settings. Raises UserError for what does not fit.
SettingsBuilder = Callable[[Images, Path | None], list[Setting]]


@dataclass(frozen=True)
class Protocol:
    """How a dataset is evaluated.

    Args:
        name: as on the command line, ``sysu``.
        dataset: registry name of the dataset, ``SYSU_MM01``.
        galleries: by the name of the gallery's rule, the default first; None for the only rule of a dataset.
        needs: for each rule that needs a split file, the file's own folder in the dataset, and its name.
    """

    name: str
    dataset: str
    galleries: Mapping[str | None, SettingsBuilder]
    needs: Mapping[str | None, tuple[str, str]] = field(default_factory=dict)

    def settings(self, images: Images, folder: Path | None, gallery: str | None = None) -> list[Setting]:
        """The settings of these images with the ``gallery`` rule (None: the default).

        Args:
            images: all test images, paths relative to the dataset's folder.
            folder: where the protocol's own files are: the dataset's folder or that of its split files; None: nowhere.

        Raises:
            UserError: there is no such rule, or the images or files do not fit the protocol.
        """
        return self.builder(gallery)(images, folder)

    def builder(self, gallery: str | None) -> SettingsBuilder:
        """What builds the settings of a gallery rule; UserError for one that this protocol does not have."""
        return self.galleries[self.rule(gallery)]

    def needed_file(self, folder: Path | None, gallery: str | None = None) -> Path | None:
        """The split file that a gallery rule needs, None if it needs none.

        Raises:
            UserError: there is no such rule, or it needs a file and there is no ``folder``.
        """
        needed = self.needs.get(self.rule(gallery))
        return None if needed is None else split_file(folder, *needed)

    def rule(self, gallery: str | None) -> str | None:
        """A gallery rule's name as in ``galleries``, None being the default; UserError for one that is not there."""
        if gallery is None:
            return next(iter(self.galleries))
        if gallery not in self.galleries:
            known = [name for name in self.galleries if name is not None]
            choice = f"choose from {', '.join(known)}" if known else "it has one gallery only, leave the name out"
            raise UserError(f"protocol {self.name} has no gallery {gallery}: {choice}")
        return gallery


PROTOCOLS: dict[str, Protocol] = {}


def protocol_of(dataset: str) -> Protocol:
    """The protocol of a dataset's registry name. UserError if there is none."""
    for protocol in PROTOCOLS.values():
        if protocol.dataset == dataset:
            return protocol
    known = [protocol.dataset for protocol in PROTOCOLS.values()]
    raise UserError(f"dataset {dataset} has no protocol: one of DATASETS.TESTS must be in {known}")
