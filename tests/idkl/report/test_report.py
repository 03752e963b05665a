"""A report of two runs, gathered once, and what a browser makes of its page."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from datasets_ext import UserError
from idkl.evaluation.results import METRICS, read_results
from idkl.report import gather_report, write_page
from idkl.report.report import Report
from tests.run_folders import finished_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

MODELS = ["before training", "last epoch (epoch 4)", "best epoch (epoch 2), chosen on the test set"]
SETTINGS = [f"{mode}-search, {shots}-shot" for mode in ("all", "indoor") for shots in ("single", "multi")]


@pytest.fixture(scope="module")
def folders(datasets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """Two runs on the generated people, of other seeds."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTREID_DATASETS", str(datasets))
        for seed, name in enumerate(("one", "two")):
            finished_run(root / name, seed)
        yield [root / "one", root / "two"]


@pytest.fixture(scope="module")
def report(folders: list[Path]) -> Report:
    return gather_report(folders)


@pytest.fixture(scope="module")
def file(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert write_page(report, path) == path.stat().st_size
    return path


def test_the_lines_of_a_setting_stand_together_each_epoch_named(report: Report, folders: list[Path]) -> None:
    assert report.notes == [] and report.methods == ["plain", "re-ranked"]
    found = [(line.setting, line.run, line.model) for line in report.lines]
    assert found == [(s, run, model) for s in SETTINGS for run in ("one", "two") for model in MODELS]
    for folder in folders:
        rows = read_results(folder / "results.json")
        for number, row in enumerate(rows):
            lines = [line for line in report.lines if line.run == folder.name and line.setting == SETTINGS[number // 2]]
            for metric in METRICS:
                before, last, best = (line.figures["re-ranked" if row["rerank"] else "plain"][metric] for line in lines)
                assert (before.mean, last.mean, last.std) == (5.0, row[metric], row["std"][metric])
                assert best.mean == pytest.approx(row[metric] + 1) and best.std is best.interval is None
                assert last.interval == (tuple(row["ci95"][metric]) if metric in ("Rank-1", "mAP") else None)


def test_the_remarks_say_that_the_best_epoch_was_chosen_on_the_test_set(report: Report) -> None:
    for _, remark in report.remarks:
        assert (
            "evaluated 2 times" in remark
            and "last epoch was not chosen by its test score. The best epoch was" in remark
        )


def test_drawn_people_are_never_compared_with_the_paper(report: Report) -> None:
    assert [comparison.incomparable for comparison in report.comparisons] == [True, True]
    assert "These figures do not compare with the paper's. This run was tested on 6 drawn people" in (
        report.comparisons[0].verdict
    )
    differing = {c.what for c in report.comparisons[0].conditions if c.differs}
    assert differing == {"Dataset", "Network", "Input, height x width", "Training batch", "Schedule"}


def test_where_the_runs_come_from(report: Report, folders: list[Path]) -> None:
    assert [(d.key, d.values, d.matters) for d in report.differences] == [("SEED", ["0", "1"], True)]
    facts = dict(report.origins[1].facts)
    assert facts["folder"] == str(folders[1]) and facts["seed"] == "1"
    assert (
        "torch" in facts["versions"] and "test.images 62" in facts["data, SYSU_MM01"] and report.origins[1].note == ""
    )
    assert ("SOLVER.MAX_EPOCH", "120", "4") in report.origins[0].changes


def test_every_picture_is_there(report: Report) -> None:
    titles = [picture.title for picture in report.pictures]
    assert [title for title in titles if "Grad-CAM" in title] == [
        "What the network looks at (Grad-CAM): one",
        "What the network looks at (Grad-CAM): two",
    ]
    assert len(titles) == 5
    kinds = [picture.uri.partition(";")[0] for picture in report.pictures if picture.uri]
    assert kinds == ["data:image/png"] * 3 + ["data:image/jpeg"] * 2


def test_the_page_asks_for_nothing_and_is_small(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text) < 15e6
    assert set(re.findall(r'(?:src|href)="([^":#]*)', text)) == {"", "data"}  # anchors and data URIs
    assert "http:" not in text and "https:" not in text


def test_the_tables_are_sorted_by_a_click_and_back(file: Path, page: Page) -> None:
    page.goto(file.as_uri())
    table = page.locator("#results table").first
    assert table.locator("tbody tr").count() == 24
    cells = table.locator("tbody td.number[data-value]:nth-of-type(3)")  # after run and network: plain Rank-1

    def values() -> list[float]:
        return [float(value) for value in cells.evaluate_all("all => all.map(cell => cell.dataset.value)")]

    given = values()
    button = table.get_by_role("button", name="plain").first
    button.click()
    assert values() == sorted(given, reverse=True) != given
    button.press("Enter")
    assert values() == sorted(given)
    assert table.locator("[aria-sort=ascending]").inner_text().startswith("plain")


def test_the_viewer_shows_the_query_that_is_picked(file: Path, page: Page, report: Report) -> None:
    page.goto(file.as_uri())
    queries = report.viewer["queries"]
    options = page.locator("#queries [role=option]")
    assert options.count() == len(queries) == report.viewer["total"] == 18
    options.nth(3).click()
    assert page.locator("#lists .asked b").inner_text() == f"Person {queries[3]['pid']}"
    for number, result in enumerate(queries[3]["results"]):
        items = page.locator("#lists ol").nth(number).locator("li")
        assert items.count() == len(result["found"]) == 10
        for place, found in enumerate(result["found"]):
            assert found["right"] == (found["pid"] == queries[3]["pid"])
            words = items.nth(place).inner_text().split("\n")
            assert f"person {found['pid']}" in words and found["modality"] in words
            assert ("✓ right" if found["right"] else "✗ wrong") in words
    page.keyboard.press("ArrowRight")
    assert page.locator("#lists .asked b").inner_text() == f"Person {queries[4]['pid']}"
    assert page.evaluate("document.activeElement.getAttribute('aria-selected')") == "true"


def test_queries_are_filtered_by_camera_and_outcome(file: Path, page: Page, report: Report) -> None:
    page.goto(file.as_uri())
    queries = report.viewer["queries"]
    cameras = {query["camera"] for query in queries}
    assert cameras == {3, 6}
    options = page.locator("#queries [role=option]")
    for camera in cameras:
        page.locator("#camera").select_option(str(camera))
        assert options.count() == sum(query["camera"] == camera for query in queries)
        assert page.locator("#lists .asked p").inner_text().endswith(f"camera {camera}, infrared")
    page.locator("#camera").select_option("")
    page.locator("#judge").select_option("1")
    page.locator("#outcome").select_option("right")
    right = [query for query in queries if query["results"][1]["found"][0]["right"]]
    assert 0 < len(right) < len(queries) and options.count() == len(right)
    page.locator("#order").select_option("best")
    best = max(right, key=lambda query: query["results"][1]["ap"])
    assert page.locator("#lists .asked b").inner_text() == f"Person {best['pid']}"
    assert page.locator("#lists p", has_text="first image is right").count() >= 1


def test_a_chart_tells_its_values(file: Path, page: Page) -> None:
    page.goto(file.as_uri())
    chart = page.locator(".chart", has_text="Total loss")
    assert chart.locator("output").inner_text() == "one: 8.6 → 5.8; two: 8.6 → 5.8"
    chart.locator("svg").focus()
    page.keyboard.press("ArrowLeft")
    assert chart.locator("output").inner_text() == "one: 6.2 at step 28; two: 6.2 at step 28"


def test_nothing_of_a_run_becomes_markup(folders: list[Path], tmp_path: Path, page: Page) -> None:
    name = "<b id=x>&\"'"
    run = tmp_path / name
    run.mkdir()
    for kept in ("results.json", "metrics.json"):
        (run / kept).write_bytes((folders[0] / kept).read_bytes())
    text = (folders[0] / "config.yaml").read_text(encoding="utf-8")
    words = json.dumps("</script><script>document.title = 'x'</script>")
    (run / "config.yaml").write_text(text.replace("PRETRAIN_PATH: ''", f"PRETRAIN_PATH: {words}"), encoding="utf-8")
    report = gather_report([run])
    assert "no provenance.json" in report.origins[0].note
    assert report.notes[0].startswith(f"{name}: no rank lists and no pictures") and "model_final.pth" in report.notes[0]
    write_page(report, tmp_path / "a.html")
    page.goto((tmp_path / "a.html").as_uri())
    assert page.title() == f"IDKL report: {name}" and page.locator("#x").count() == 0
    assert page.locator("h1").inner_text() == f"IDKL report: {name}"
    assert "</script><script>document" in page.locator("#origin").evaluate("e => e.textContent")
    assert page.locator("#viewer").count() == 0


def test_without_the_images_the_report_has_the_rest(
    folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTREID_DATASETS", str(tmp_path))
    report = gather_report(folders[:1])
    assert len(report.lines) == 12 and report.charts and not report.pictures and not report.viewer
    (note,) = report.notes
    assert note.startswith("one: no rank lists and no pictures") and str(tmp_path) in note
    (comparison,) = report.comparisons
    assert comparison.incomparable and "dataset was not at hand" in comparison.verdict
    assert comparison.conditions[0].differs is None


def test_a_network_that_diverged_leaves_the_rest(folders: list[Path], tmp_path: Path) -> None:
    run = tmp_path / "diverged"
    run.mkdir()
    for kept in ("config.yaml", "results.json", "metrics.json"):
        (run / kept).write_bytes((folders[0] / kept).read_bytes())
    weights = torch.load(folders[0] / "model_final.pth", weights_only=True)["model"]
    torch.save({"model": {name: value * math.nan for name, value in weights.items()}}, run / "model_final.pth")
    report = gather_report([run])
    assert "the network cannot be run" in report.notes[0] and report.lines and not report.viewer


def test_a_run_given_twice_is_one_line(folders: list[Path]) -> None:
    with pytest.raises(UserError, match=r"run .*one is given twice") as error:
        gather_report([folders[0], folders[1].parent / "one"])
    assert len(str(error.value).splitlines()) == 1
