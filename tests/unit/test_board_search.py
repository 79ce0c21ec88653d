from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.board.best_trials.table.model import Column, Row, Type
from tuner.board.best_trials.table.query import MOST_TERMS, MOST_TEXT, parse_search


def column(key: str, kind: Type = "float") -> Column:
    group: Any = {"params": "param", "metrics": "metric"}.get(key.partition(".")[0], "fact")
    return Column(key=key, label=key, group=group, type=kind)


COLUMNS = [
    column("trial", "int"), column("state", "state"), column("cause", "text"),
    column("objective"), column("started", "time"), column("history", "bool"),
    column("params.train.batch_size", "int"), column("params.train.rate"),
    column("params.train.momentum"), column("params.optimizer", "text"),
    column("params.shuffle", "text"), column("params.weight decay"), column("metrics.loss"),
]  # fmt: skip
ROWS = [
    Row(trial=0, run="t0", state="complete", objective=0.96, history=True,
        started="2026-11-28T10:00:00+00:00", metrics={"loss": 0.1},
        params={"train.batch_size": 64, "train.rate": 1e-3, "optimizer": "adam", "shuffle": True,
                "weight decay": 0.1}),
    Row(trial=1, run="t1", state="complete", objective=0.5, started="2026-11-29T10:00:00+00:00",
        params={"train.batch_size": 32, "train.rate": 1e-4, "train.momentum": 0.7,
                "optimizer": "sgd", "shuffle": "true"}),
    Row(trial=2, run="t2", state="pruned", objective=0.2,
        params={"train.batch_size": 64, "train.momentum": 0.2, "optimizer": "Sgd nesterov"}),
    Row(trial=3, run="t3", state="fail", cause="oom", reason="OOM when allocating",
        params={"train.batch_size": 128, "optimizer": "adam"}),
]  # fmt: skip


def found(text: str) -> list[int | None]:
    search = parse_search(text, COLUMNS, "val_accuracy")
    assert not search.mistakes, search.mistakes
    return [row.trial for row in ROWS if search.matches(row)]


@pytest.mark.parametrize(
    ("text", "trials"),
    [
        ("", [0, 1, 2, 3]),
        ("train.batch_size=64", [0, 2]),
        ("params.train.batch_size=64", [0, 2]),
        ("batch_size=64", [0, 2]),
        ("batch_size=64.0", [0, 2]),
        ('batch_size="64"', [0, 2]),
        ("batch_size!=64", [1, 3]),
        ('"weight decay">0.01', [0]),
        ('-"weight decay":inactive', [0]),
        ('"train.batch_size"=64', [0, 2]),
        ("batch_size>32 batch_size<=64", [0, 2]),
        ("val_accuracy>0.4", [0, 1]),
        ("objective>=0.5", [0, 1]),
        ("rate<=1e-3", [0, 1]),
        ("state:pruned", [2]),
        ("state=pruned", [2]),
        ("-state:complete", [2, 3]),
        ("state:oom", [3]),
        ("cause:oom", [3]),
        ("optimizer:sgd", [1, 2]),
        ("optimizer=sgd", [1]),
        ('optimizer="Sgd nesterov"', [2]),
        ("shuffle=true", [0, 1]),
        ('shuffle="true"', [1]),
        ("history=true", [0]),
        ("loss<1", [0]),
        ("momentum:inactive", [0, 3]),
        ("-momentum<0.5 -momentum>0.9", [0, 1, 3]),
        ("momentum!=0.7", [2]),
        ("started>2026-11-29", [1]),
        ("allocating", [3]),
        ('"when alloc"', [3]),
        ("adam state:complete", [0]),
        ("t3", [3]),
    ],
)
def test_a_search_finds_these_trials(text: str, trials: list[int]) -> None:
    assert found(text) == trials


@pytest.mark.parametrize(
    ("text", "at", "length", "says"),
    [
        ("train.batchsize=64", 0, 18, "did you mean train.batch_size?"),
        ("adam rate>x", 5, 6, "'x' is not a number"),
        ("optimizer>adam", 0, 14, "is not a number"),
        ("batch_size=", 0, 11, "needs a value"),
        ('""', 0, 2, "finds nothing"),
        ("-zzzzqqq=1", 0, 10, "no column 'zzzzqqq'"),
    ],
)
def test_a_mistake_is_named_where_it_stands_and_the_rest_holds(
    text: str, at: int, length: int, says: str
) -> None:
    search = parse_search(f"{text} state:complete", COLUMNS)
    (mistake,) = search.mistakes

    assert (mistake.at, mistake.length) == (at, length)
    assert says in mistake.text
    assert {row.state for row in ROWS if search.matches(row)} <= {"complete"}


@given(st.text(max_size=200))
def test_whatever_is_typed_is_a_search(text: str) -> None:
    search = parse_search(text, COLUMNS)

    for row in ROWS:
        assert search.matches(row) in (True, False)
    assert all(0 <= m.at <= m.at + m.length <= len(text) for m in search.mistakes)


@pytest.mark.parametrize(
    "text", ['"' * 100_000, "a" * 100_000, "-" * 100_000, "=" * 100_000, "a= " * 50_000]
)
def test_a_long_search_is_cut_and_said(text: str) -> None:
    search = parse_search(text, COLUMNS)

    assert len(search.tests) <= MOST_TERMS
    assert f"only {MOST_TEXT} characters" in search.mistakes[-1].text
