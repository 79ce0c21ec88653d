"""The best trials as Markdown: what a trial's own values hold is text and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tensorboard.plugin_util import markdown_to_safe_html

from tests.support.history.database import HistoryDatabase, complete, history_database
from tuner.service.insights.leaderboard import leaderboard_markdown
from tuner.spec import parse_spec
from tuner.storage import tables

HOSTILE = ["<script>alert(1)</script>", "a|b", "[x](http://evil)", "**b** # head", "a" * 99]
SPACE: dict[str, Any] = {
    "train.kind": {"type": "categorical", "values": HOSTILE},
    "train.rate": {"type": "float", "low": 0.0, "high": 1.0},
}


@pytest.fixture
def base(tmp_path: Path) -> Iterator[HistoryDatabase]:
    with history_database(tmp_path) as base:
        yield base


def markdown(base: HistoryDatabase) -> str:
    with base.storage.read() as connection:
        study = connection.execute(sa.select(tables.studies)).one()
        spec = parse_spec(json.loads(study.spec_json))
        return leaderboard_markdown(connection, study.id, spec, list(spec.space.names))


def test_the_best_come_first_and_ten_at_most(base: HistoryDatabase) -> None:
    params = [{"train.kind": HOSTILE[n % 5], "train.rate": n / 30} for n in range(30)]
    base.add_study("s", [complete(p, float(n)) for n, p in enumerate(params)], search_space=SPACE)
    rows = markdown(base).splitlines()[4:]
    assert [row.split("[")[1].split("]")[0] for row in rows] == [str(n) for n in range(29, 19, -1)]


def test_parameters_have_short_names_where_no_two_end_alike(base: HistoryDatabase) -> None:
    space = {**SPACE, "model.rate": SPACE["train.rate"]}
    params = {"train.kind": HOSTILE[0], "train.rate": 0.5, "model.rate": 0.5}
    base.add_study("s", [complete(params, 1.0)], search_space=space)

    titles = unescape(markdown(base)).splitlines()[2]

    assert titles == "|  | trial | score | kind | train.rate | model.rate |"


def test_values_show_as_they_are_and_link_nowhere(base: HistoryDatabase) -> None:
    params = [{"train.kind": kind, "train.rate": 0.5} for kind in HOSTILE]
    base.add_study("s", [complete(p, float(n)) for n, p in enumerate(params)], search_space=SPACE)
    html = markdown_to_safe_html(markdown(base))
    assert "<script" not in html
    assert 'href="http' not in html
    for value in HOSTILE[:4]:
        assert f"<td>{value}</td>" in unescape(html)
    assert "a" * 41 not in html
    assert "<strong>b" not in html
    assert "<h1>" not in html


def test_without_a_whole_trial_there_is_no_table(base: HistoryDatabase) -> None:
    base.add_study("s", [], search_space=SPACE)
    assert markdown(base) == ""
