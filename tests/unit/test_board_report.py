"""A report is one file that needs nothing else, and whatever a log holds stays text in it."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tuner.board.best_trials.report import scripts as report_scripts
from tuner.board.best_trials.report.document import Report, report_page
from tuner.board.best_trials.report.html import MOST_TEXT, embedded_json, value_text

#: What would run, or end what it stands in, if it were taken for markup.
HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202ecod.exe\x1b[2J&amp;'\""
)


class Page(HTMLParser):
    """The elements and the texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: dict[str, str] = {}
        self._script = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._script = str(dict(attrs).get("id") or tag)

    def handle_endtag(self, tag: str) -> None:
        self._script = ""

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data
        else:
            self.texts.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def made(word: str = "adam") -> Report:
    """Return a report of a study of which a word of a log is everywhere."""
    row = {
        "trial": 3,
        "rank": 1,
        "state": "complete",
        "objective": 0.97,
        "params": {"train.rate": 0.001408, word: word},
        "duration_s": 675.0,
        "started": word,
    }
    columns = [
        {"key": f"params.{name}", "label": name, "group": "param", "type": "text"}
        for name in ("train.rate", word)
    ]
    return Report(
        study={"study": word, "metric": word, "goal": word, "state": word, "trials": 3,
               "counts": {word: 2}, "metrics": [{"name": word, "goal": "maximize"}]},
        trials={"total": 3, "columns": columns, "rows": [row]},
        points={"trial": [3, 7], "state": ["complete", "fail"], "objective": [0.97, None],
                "columns": {"cause": [None, word], "reason": [None, word], word: [word, word]}},
        insights={"advice": [{"text": word}], "importance": {"methods": {"ped_anova": {
            "parameters": [{"name": word, "share": 0.7}, {"name": "x", "share": word}]}}}},
        yaml=word,
        config=word,
        environment={word: word},
        made="2026-11-29",
    )  # fmt: skip


@pytest.fixture(params=[True, False], ids=["plots", "no plots"])
def plots(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        monkeypatch.setattr(report_scripts, "_plotly_path", lambda: None)
    elif not report_scripts.has_plots():
        pytest.skip("plotly is not installed")
    return bool(request.param)


def test_a_stranger_reads_the_best_trial_its_parameters_and_why_one_failed() -> None:
    page = Page(report_page(made()))

    assert "Best adam: 0.97 by trial 3" in page.text
    assert "train.rate 0.001408" in page.text
    assert "11 min 15 s" in page.text
    assert "Failed trials by cause" in page.text
    assert "adam 1 7 adam" in page.text


def test_nothing_that_a_log_holds_becomes_markup_or_script(plots: bool) -> None:
    plain, hostile = Page(report_page(made())), Page(report_page(made(HOSTILE)))

    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert {name for _, attrs in hostile.tags for name in attrs} == {
        name for _, attrs in plain.tags for name in attrs
    }
    assert "<script>alert(1)</script><img src=x onerror=alert(2)>" in hostile.text
    assert "\u202e" not in hostile.text
    assert r"\u202ecod.exe\x1b[2J" in hostile.text
    if plots:
        saved = json.loads(hostile.scripts["report-data"])
        assert saved["study"]["study"] == HOSTILE
        assert saved["points"]["columns"][HOSTILE] == [HOSTILE, HOSTILE]


def test_a_report_asks_nobody_for_anything(plots: bool) -> None:
    page = report_page(made())
    found = Page(page)

    assert not [attrs for _, attrs in found.tags if {"src", "href", "action"} & attrs.keys()]
    assert "url(" not in page
    assert "@import" not in page
    assert found.count("script") == (4 if plots else 0)


def test_every_module_that_is_imported_lies_in_the_page_and_imports_only_such() -> None:
    if not report_scripts.has_plots():
        pytest.skip("plotly is not installed")
    (imports,) = re.findall(r'<script type="importmap">(.*?)</script>', report_scripts.scripts())
    modules = {
        name: base64.b64decode(address.partition(",")[2]).decode()
        for name, address in json.loads(imports)["imports"].items()
    }

    assert "tuner:report/report.js" in modules
    assert "tuner:plots/catalogue.js" in modules
    named = {
        name
        for code in modules.values()
        for name in re.findall(r"""(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)""", code)
    }
    assert named == modules.keys() - {"tuner:report/report.js"}


def test_plotly_is_in_the_page_as_it_was_installed_and_takes_two_megabytes() -> None:
    path = report_scripts._plotly_path()
    if path is None or not report_scripts.has_plots():
        pytest.skip("plotly is not installed")
    page = Page(report_page(made()))

    assert gzip.decompress(base64.b64decode(page.scripts["plotly"])) == path.read_bytes()
    assert len(page.scripts["plotly"]) < 2_500_000


@pytest.mark.parametrize(
    "report",
    [
        Report(study={}),
        Report(study={"study": None, "counts": [], "metrics": "x", "trials": "many"}),
        Report(
            study={}, trials={"rows": {}, "columns": 5, "total": None}, points={"state": "fail"}
        ),
        Report(study={}, trials={"rows": [None, 5], "columns": [None, {"group": "param"}]}),
        Report(study={}, points={"state": ["fail", None], "columns": [1]}),
        Report(study={}, insights={"advice": "x", "importance": {"methods": {"fanova": []}}}),
        Report(study={}, insights={"advice": [{"text": None}, 5], "importance": []}),
    ],
    ids=range(7),
)
def test_files_with_anything_missing_or_of_another_type_make_a_page(report: Report) -> None:
    assert "No trial is complete yet" in Page(report_page(report)).text


def test_what_is_not_finite_is_absent_in_the_data_of_the_plots() -> None:
    document = embedded_json("x", {"a": [float("nan"), float("inf"), 1.5]})

    assert json.loads(Page(document).scripts["x"]) == {"a": [None, None, 1.5]}


def test_a_text_of_any_length_is_bounded() -> None:
    text = Page(report_page(Report(study={"study": "a" * 10**6}))).text

    assert len(text) < 4 * MOST_TEXT


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (128, "128"),
        (True, "true"),
        ("true", "true"),
        (0.001408, "0.001408"),
        (None, "\N{EN DASH}"),
        ({"int": "9007199254740993"}, "9007199254740993"),
        ([1, "a"], '[1, "a"]'),
        ("größe", "größe"),
    ],
)
def test_values_are_shown_with_their_types(value: Any, shown: str) -> None:
    assert value_text(value) == shown


def test_the_static_files_of_the_report_are_there() -> None:
    assert {path.name for path in (report_scripts.STATIC / "report").iterdir()} == {
        "report.css",
        "report.js",
    }
    assert Path(report_scripts.STATIC).is_relative_to(Path(report_scripts.__file__).parents[2])
