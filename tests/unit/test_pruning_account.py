"""What a status says of a study's pruner: what it saved, what that may have cost, why it idles."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import TypeAdapter
from rich.console import Console

from tests.support.history.database import HistoryDatabase, complete, history_database
from tuner.cli.render import output
from tuner.cli.render.study.pruning import print_account
from tuner.documents.explanations.pruning import PruningAccount
from tuner.documents.study import StudyStatus
from tuner.proposals.pruners.marks import FIRST_RUNG, HALVED
from tuner.service.explanations.pruning_account import account_for
from tuner.storage import optuna_rows, tables

SPACE = {"train.rate": {"type": "float", "low": 0.0, "high": 1.0}}


@pytest.fixture
def base(tmp_path: Path) -> Iterator[HistoryDatabase]:
    with history_database(tmp_path) as base:
        yield base


class Story:
    """A study whose trials are written as a coordinator leaves them.

    Args:
        base: the database.
        pruner: of its spec.
        spec: other keys of it.
    """

    def __init__(self, base: HistoryDatabase, pruner: Any, **spec: Any) -> None:
        self.base = base
        base.add_study("s", [], pruner=pruner, **{"search_space": SPACE, **spec})
        with base.storage.begin() as connection:
            self.study = connection.execute(sa.select(tables.studies)).one()
        self.count = 0

    def add(
        self,
        state: str,
        steps: list[int],
        value: float = 0.0,
        *,
        took_s: float = 60.0,
        start_s: float = 0.0,
        **facts: Any,
    ) -> None:
        """Add a trial that reported `value` at some steps, evenly after `start_s`.

        `facts`: condemned, special, params.
        """
        with self.base.storage.begin() as connection:
            optuna_id = optuna_rows.insert_trial(
                connection,
                self.study.optuna_id,
                self.count,
                params={},
                system_attrs={HALVED: {"audited": True}} if facts.get("condemned") else {},
                started=0.0,
            )
            row = complete(facts.get("params", {}), value, state=state, duration_s=took_s)
            key = {"study_id": self.study.id, "number": self.count, "optuna_id": optuna_id}
            connection.execute(tables.trials.insert().values(**key, **row))
            special = facts.get("special")
            for step in steps:
                report = {"no": 1, "step": step, "value": None if special else value}
                report["time"] = start_s + (took_s - start_s) * step / steps[-1]
                report |= {"study_id": self.study.id, "number": self.count, "special": special}
                connection.execute(tables.reports.insert().values(**report))
        self.count += 1

    def account(self) -> Any:
        with self.base.storage.read() as connection:
            account = account_for(connection, self.study)
        return None if account is None else TypeAdapter(PruningAccount).validate_python(account)

    def page(self) -> str:
        console = Console(file=io.StringIO(), width=400, no_color=True, theme=output._THEME)
        with console.capture() as capture:
            print_account(console, self.account())
        return " ".join(capture.get().split())


def test_the_start_of_a_process_is_no_training_that_was_saved(base: HistoryDatabase) -> None:
    story = Story(base, "asha")
    story.add("complete", whole(10))
    story.add("pruned", [1, 2], took_s=3630.0, start_s=3600.0)

    assert story.account()["saved"]["hours"] == pytest.approx(8 * 15.0 / 3600.0, abs=1e-4)


def test_the_start_of_a_trial_that_was_stopped_at_once_is_no_training_either(
    base: HistoryDatabase,
) -> None:
    story = Story(base, "asha")
    story.add("complete", whole(10), took_s=70.0, start_s=60.0)
    story.add("pruned", [1], took_s=61.0, start_s=60.0)

    assert story.account()["saved"]["hours"] == pytest.approx(9 * 1.0 / 3600.0, abs=1e-4)


def whole(last: int = 10) -> list[int]:
    return list(range(1, last + 1))


def test_saved_is_what_stopped_trials_had_before_them_at_their_own_speed(
    base: HistoryDatabase,
) -> None:
    story = Story(base, {"name": "asha", "min_resource": 1})
    story.add("complete", whole(10), 0.9, took_s=100.0)
    story.add("pruned", whole(2), 0.1, took_s=3600.0)
    story.add("pruned", whole(1), 0.1, took_s=900.0)
    account = story.account()

    assert (account["pruner"], account["stopped"], account["idle"]) == ("asha", 2, "")
    assert account["saved"] == {"epochs": 17.0, "hours": 4.0 + 2.25, "share": 17 / 30}
    assert (
        "asha stopped 2 trials; saved about 17 epochs (57% of all) and 6 h 15 min" in story.page()
    )


def test_trials_that_declare_their_epochs_would_have_gone_on_to_those(
    base: HistoryDatabase,
) -> None:
    space = {"train.epochs": {"type": "int", "low": 1, "high": 100}}
    story = Story(base, {"name": "asha", "min_resource": 1}, search_space=space)
    story.add("complete", whole(10), 0.9, params={"train.epochs": 10})
    story.add("pruned", whole(2), 0.1, params={"train.epochs": 40})

    assert story.account()["saved"]["epochs"] == 38.0


def test_what_was_lost_is_told_by_condemned_trials_that_ran_on(base: HistoryDatabase) -> None:
    story = Story(base, {"name": "asha", "min_resource": 1})
    for number in range(4):
        story.add("complete", whole(), 0.9 + number / 100)
    for _ in range(12):
        story.add("pruned", whole(1), 0.1)
    assert story.account()["lost"] is None
    assert "not known: no trial that the pruner condemned has run on" in story.page()
    for _ in range(3):
        story.add("complete", whole(), 0.5, condemned=True)
    story.add("complete", whole(), 0.99, condemned=True)
    account = story.account()

    assert account["ran_on"] == 4
    lost = account["lost"]
    assert (lost["good"], lost["winners"]) == (1, 2)
    assert lost["share"] == pytest.approx(12 / 4 / (12 / 4 + 2))
    assert 0.0 < lost["low"] < lost["share"] < lost["high"] < 1.0
    assert "4 condemned trials ran on to see: 1 came out among the best 2 trials" in story.page()


def test_nothing_is_known_of_what_was_saved_when_no_trial_ran_to_its_end(
    base: HistoryDatabase,
) -> None:
    story = Story(base, "patient")
    for _ in range(5):
        story.add("pruned", whole(4), 0.1)

    assert story.account()["saved"] is None
    assert "patient stopped 5 trials; no trial has run to its end" in story.page()


def test_the_first_rung_and_what_speaks_against_it_are_shown(base: HistoryDatabase) -> None:
    story = Story(base, "asha")
    assert story.account()["first_rung"]["step"] is None
    rung = {"step": 3, "kind": "length", "length": 52, "why": "so it is", "warning": "raise it"}
    with base.storage.begin() as connection:
        optuna_rows.set_study_attrs(connection, story.study.optuna_id, {FIRST_RUNG: rung})
    story.add("complete", whole(52), 0.5)

    assert story.account()["first_rung"] == {"step": 3, "why": "so it is", "warning": "raise it"}
    assert "first rung step 3: so it is it may mislead: raise it" in story.page()


IDLE: list[tuple[Any, list[Any], str]] = [
    ("asha", [], ""),
    ("asha", [("complete", [])], "no trial has reported anything"),
    ("asha", [("complete", [1, 2], "nan")], "no report was a number"),
    ("asha", [("complete", [9])] * 2, "each trial reports once"),
    ("asha", [("fail", [1, 2])], "no trial has run to its end yet"),
    ({"name": "asha", "min_resource": 20}, [("complete", whole())], "the first rung, step 20,"),
    ({"name": "asha", "min_resource": 1}, [("complete", whole())] * 2, "too few trials to compare"),
    ({"name": "asha", "min_resource": 1}, [("complete", whole())] * 9, "no trial has stood badly"),
    ("median", [("complete", whole())] * 3, "it begins after 5 whole trials (startup_trials), 3 "),
    (
        {"name": "median", "warmup_steps": 10},
        [("complete", whole())] * 6,
        "warmup_steps, 10, is not",
    ),
    (
        "median",
        [("complete", [i, 100 + i]) for i in range(1, 9)],
        "no two trials report at the same",
    ),
    (
        {"name": "patient", "patience": 10},
        [("complete", whole())] * 4,
        "patience, 10, is not below",
    ),
    ("patient", [("complete", whole())] * 4, "no trial went 3 steps without a gain"),
    ("history", [("complete", whole())] * 4, "what history says was not looked at yet"),
]


@pytest.mark.parametrize(("pruner", "trials", "says"), IDLE, ids=[says for *_, says in IDLE])
def test_a_pruner_that_stopped_nothing_says_why(
    base: HistoryDatabase, pruner: Any, trials: list[Any], says: str
) -> None:
    story = Story(base, pruner)
    for state, steps, *special in trials:
        story.add(state, steps, 0.5, special=special[0] if special else None)

    idle = story.account()["idle"]
    assert idle.startswith(says)
    assert bool(idle) == bool(says)


def test_a_status_has_the_account_and_a_list_has_not(base: HistoryDatabase) -> None:
    story = Story(base, "asha")
    story.add("complete", whole())
    status = base.service.status("vision/s")

    assert TypeAdapter(StudyStatus).validate_python(status)["pruning"] == story.account()
    assert base.service.list()[0]["pruning"] is None


def test_a_study_without_a_pruner_has_no_account(base: HistoryDatabase) -> None:
    story = Story(base, "none")
    story.add("complete", whole())

    assert story.account() is None
    assert base.service.status("vision/s")["pruning"] is None
