"""What trials of other tools are ranked by, and which of their scalars and studies are whose."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tensorboard.plugins.hparams import api_pb2

from tuner.board.best_trials.studies.foreign import Experiment, Session, owned_series
from tuner.board.best_trials.studies.foreign_table import Choice, guess_goal, make_table, metrics_of
from tuner.board.best_trials.studies.others import group_sessions
from tuner.board.best_trials.table.model import Table

_BEGAN = 1_795_871_476.0


def _session(run: str, *, status: int | None = 1, seen: float = _BEGAN, **last: float) -> Session:
    return Session(
        run=run,
        params={"rate": 0.5, "units": 64.0, "name": "a"},
        status=status,
        started=_BEGAN,
        ended=_BEGAN + 60 if status else None,
        seen=seen,
        series={name: (run, name) for name in last},
        last=last,
    )


def _experiment(run: str, *tags: str) -> Experiment:
    infos = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in tags]
    return Experiment(run=run, record=api_pb2.Experiment(metric_infos=infos))


def _table(*sessions: Session, choice: Choice | None = None) -> Table:
    return make_table("logs", sessions, [], choice or Choice(), lambda _name, _goal: {}, 1)


@pytest.mark.parametrize(
    ("metric", "goal"),
    [
        ("validation/epoch_loss", "minimize"),
        ("val_accuracy", "maximize"),
        ("rmse", "minimize"),
        ("test/error", "minimize"),
        ("f1", "maximize"),
        ("latency_ms", "minimize"),
        ("timeliness", "maximize"),
        ("auc", "maximize"),
    ],
)
def test_the_goal_is_guessed_by_the_words_of_a_name(metric: str, goal: str) -> None:
    assert guess_goal(metric) == goal


def test_a_declared_metric_comes_before_what_else_was_logged() -> None:
    session = _session("a", val_accuracy=0.9, kappa=0.5, learning_rate=0.1)

    metrics, missing = metrics_of([session], [_experiment(".", "f1", "kappa")])

    assert [metric.name for metric in metrics] == ["kappa", "val_accuracy", "learning_rate"]
    assert missing == ["f1"]


def test_a_trial_without_an_end_runs_until_it_has_been_quiet() -> None:
    now = time.time()
    table = _table(
        _session("live", status=None, seen=now, accuracy=0.1),
        _session("quiet", status=None, seen=now - 3600, accuracy=0.2),
        _session("empty", status=None, seen=now - 3600),
        _session("failed", status=2, accuracy=0.9),
        _session("ended", accuracy=0.3),
    )

    assert {row.run: (row.state, row.rank) for row in table.rows} == {
        "ended": ("complete", 1),
        "quiet": ("complete", 2),
        "live": ("running", None),
        "empty": ("fail", None),
        "failed": ("fail", None),
    }
    assert [row.reason for row in table.rows if row.run == "quiet"] == ["it recorded no end"]


def test_whole_numbers_are_integers_where_all_of_a_parameter_are() -> None:
    params = _table(_session("a", accuracy=0.1)).rows[0].params
    types: dict[str, Any] = {name: type(value) for name, value in params.items()}

    assert types == {"rate": float, "units": int, "name": str}


def test_a_value_that_is_no_number_has_no_rank_and_comes_last() -> None:
    table = _table(_session("nan", accuracy=float("nan")), _session("number", accuracy=0.1))

    assert [(row.run, row.rank) for row in table.rows] == [("number", 1), ("nan", None)]


def test_scalars_belong_to_the_longest_prefix_or_to_the_only_trial_below() -> None:
    sessions = {run: _session(run) for run in ("a", "a/b", "p/1", "q/1", "q/2")}
    series: dict[str, dict[str, object]] = {
        run: {"loss": None} for run in ("a/train", "a/b/train", "a-c", "p", "q")
    }

    assert owned_series(series, sessions) == {
        "a": {"train/loss": ("a/train", "loss")},
        "a/b": {"train/loss": ("a/b/train", "loss")},
        "p/1": {"loss": ("p", "loss")},
    }


def test_two_experiments_make_two_studies_and_one_of_each_trial_none() -> None:
    sessions = [_session(run) for run in ("first/1", "second/1", "third")]
    two = [_experiment("first/_study", "f1"), _experiment("second/_study", "f1")]
    own = [_experiment(session.run, "f1") for session in sessions]

    apart = {name: [s.run for s in group] for name, (group, _) in _groups(sessions, two)}
    together = {name: [s.run for s in group] for name, (group, _) in _groups(sessions, own)}

    assert apart == {"first": ["first/1"], "second": ["second/1"], "": ["third"]}
    assert together == {"": ["first/1", "second/1", "third"]}


def _groups(sessions: list[Session], experiments: list[Experiment]) -> Any:
    return group_sessions(sessions, experiments, {}).items()
