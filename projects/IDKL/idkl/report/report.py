"""Everything that a report shows, gathered from run folders."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datasets_ext.errors import UserError

from ..engine.provenance.software import without_home
from ..evaluation.results import shared_labels
from ..visualization.embedded import Embedded, embed
from ..visualization.ranks import RankList, rank_lists
from ..visualization.source import Source, open_source
from .cards import Card, make_card, remark
from .charts import Chart, build_charts
from .comparison import Comparison, compare_with_paper
from .evaluated import describe_test_set
from .hardest import Person, hardest_people
from .origin import Differing, Origin, list_differences, trace_origin
from .pictures import Picture, draw_pictures
from .run import Run, read_runs
from .tables import Line, methods_of, order_lines, setting_name
from .viewer import TOP, Thumbnails, build_viewer

ROUNDING = 1e-9  # percent
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """The content of a page; a section without content is left out.

    ``notes`` say what is missing and why; ``steady``: all trials of some setting gave the very same figures; ``viewer``
    is of :func:`.viewer.build_viewer`, with "thumbnails", the "setting" in words, and whether a rank counts "people"
    or images.
    """

    title: str
    runs: list[Run]
    notes: list[str]
    cards: list[Card]
    lines: list[Line]
    methods: list[str]
    caption: str
    steady: bool
    remarks: list[tuple[str, str]]
    comparisons: list[Comparison]
    charts: dict[str, list[Chart]]
    viewer: dict[str, Any]
    hardest: list[tuple[str, list[Person]]]
    pictures: list[Picture]
    origins: list[Origin]
    differences: list[Differing]


@dataclass(frozen=True)
class Tested:
    """A run's network after its last epoch, its features of the test images, and every query's rank list."""

    source: Source
    embedded: Embedded
    lists: list[RankList]


def gather_report(folders: Sequence[Path]) -> Report:
    """The report of one or several runs; what a run lacks is named in it.

    Raises:
        UserError: a folder is no run, or a run has nothing to report yet.
    """
    runs = read_runs(folders)
    models, notes = _test_networks(runs)
    evaluated = {name: describe_test_set(model.embedded) for name, model in models.items()}
    thumbnails = Thumbnails()
    hardest, viewer, lost = _look_closely(models, thumbnails)
    lines = order_lines([line for run in runs for line in run.lines()])
    rows = [row for run in runs for row in run.rows]
    comparisons = [compare_with_paper(run, evaluated.get(run.name)) for run in runs]
    return Report(
        title=f"IDKL report: {', '.join(run.name for run in runs)}",
        runs=runs,
        notes=[without_home(note) for note in (*notes, *lost)],
        cards=[make_card(run, evaluated.get(run.name)) for run in runs],
        lines=lines,
        methods=methods_of(lines),
        caption=shared_labels(rows) if rows else "",
        steady=any(row["trials"] > 1 and max(row["std"].values()) < ROUNDING for row in rows),
        remarks=[(run.name, remark(run)) for run in runs],
        comparisons=[comparison for comparison in comparisons if comparison is not None],
        charts=build_charts([(run.name, run.history) for run in runs if run.history is not None]),
        viewer=viewer,
        hardest=hardest,
        pictures=draw_pictures([(m.source, m.embedded) for m in models.values()]) if models else [],
        origins=[trace_origin(run) for run in runs],
        differences=list_differences(runs),
    )


def _test_networks(runs: Sequence[Run]) -> tuple[dict[str, Tested], list[str]]:
    """The networks of the runs by name, and a line for each that cannot be run over its test images."""
    models, notes = {}, []
    for run in runs:
        try:
            source = open_source(run.folder)
            logger.info("%s: running the network over the test images", run.name)
            embedded = replace(embed(source), name=run.name)
            models[run.name] = Tested(source, embedded, rank_lists(embedded, TOP))
        except UserError as error:
            notes.append(f"{run.name}: no rank lists and no pictures, because the network cannot be run: {error}.")
    return models, notes


def _look_closely(
    models: Mapping[str, Tested], thumbnails: Thumbnails
) -> tuple[list[tuple[str, list[Person]]], dict[str, Any], list[str]]:
    """Hardest people, the viewer's values, and what is missing because an image cannot be read."""
    if not models:
        return [], {}, []
    lists = {name: (model.embedded, model.lists) for name, model in models.items()}
    try:
        hardest = [(name, hardest_people(*found, thumbnails)) for name, found in lists.items()]
        viewer = build_viewer(lists, thumbnails)
    except UserError as error:
        return [], {}, [f"No rank lists: {error}."]
    setting = next(iter(models.values())).embedded.settings[0]
    labels = {"mode": setting.mode, "shots": setting.shots, "direction": setting.direction}
    words = {"setting": setting_name(labels), "people": setting.deduplicate}
    return hardest, {**viewer, **words, "thumbnails": thumbnails.uris}, []
