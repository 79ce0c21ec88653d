"""The table of trials of other tools: its metric is chosen, or guessed with a note."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from tensorboard.plugins.hparams import api_pb2

from tuner.board.best_trials.studies.foreign import Experiment, Session
from tuner.board.best_trials.table.columns import Declared, say_left_out, seen
from tuner.board.best_trials.table.model import Goal, Metric, Row, State, Table
from tuner.board.best_trials.table.ranking import rank
from tuner.board.best_trials.table.values import finite, short

Value = Literal["best", "last"]
#: Seconds after its last value for which a trial without an end counts as running.
_QUIET_S = 600.0
#: Words in a metric's name for which smaller is better.
_MINIMIZED = re.compile(
    r"(^|[^a-z])(\w*loss|err|error|\w*mse|\w*mae|mape|nll|perplexity|ppl|regret|cost|time|latency"
    r"|seconds|duration|size|wer|cer|fid|kl|divergence|distance|deviation)([^a-z]|$)",
    re.IGNORECASE,
)
#: Names of metrics that trials are rarely judged by.
_ASIDE = re.compile(r"(^|[^a-z])(lr|learning_rate|keras|vs_iterations|epoch)$", re.IGNORECASE)
_SHOWN_METRICS = 50
_STATES: Mapping[int | None, State] = {
    api_pb2.STATUS_SUCCESS: "complete",
    api_pb2.STATUS_FAILURE: "fail",
}
_EXACT = 2**53


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a user wants a log ranked by.

    Attributes:
        metric: its name; empty: the first declared one, or a guess.
        goal: None: guessed from the name.
        value: of the curve: its last one, or its best one by the goal.
    """

    metric: str = ""
    goal: Goal | None = None
    value: Value = "last"


def metrics_of(
    sessions: Sequence[Session], experiments: Sequence[Experiment]
) -> tuple[list[Metric], list[str]]:
    """Return the metrics to choose from, most likely first, and those declared but not logged."""
    logged = Counter(name for session in sessions for name in session.series)
    declared: dict[str, None] = {}
    for experiment in experiments:
        for info in experiment.record.metric_infos[:_SHOWN_METRICS]:
            group, tag = short(info.name.group), short(info.name.tag)
            declared[f"{group}/{tag}" if group else tag] = None
    names = sorted(logged, key=lambda name: _likeliness(name, name in declared, logged[name]))
    missing = [name for name in declared if name not in logged]
    return [Metric(name=name, goal=guess_goal(name)) for name in names], missing


def guess_goal(metric: str) -> Goal:
    """Return the probable goal of a metric, from the words in its name."""
    return "minimize" if _MINIMIZED.search(metric) else "maximize"


def make_table(
    study: str,
    sessions: Sequence[Session],
    experiments: Sequence[Experiment],
    choice: Choice,
    best: Callable[[str, Goal], Mapping[str, float]],
    version: int,
    notes: Sequence[str] = (),
) -> Table:
    """Return the table of some trials.

    Args:
        study: its name.
        experiments: the log's declarations about them.
        choice: what to rank them by.
        best: returns the best value of a metric's curves, by run.
        notes: further notes for the reader.
    """
    metrics, missing = metrics_of(sessions, experiments)
    chosen = _chosen(choice, metrics)
    values = {} if chosen is None else _values(sessions, chosen, choice.value, best)
    whole = _whole_numbers(sessions)
    rows = [_row(session, values.get(session.run), whole) for session in sessions]
    order = _order(sessions, experiments)
    times = [session.seen or session.started or 0.0 for session in sessions]
    return Table(
        study=study,
        source="hparams",
        metrics=() if chosen is None else (chosen,),
        columns=seen(rows, _declared(experiments), order),
        rows=rank(rows, () if chosen is None else (chosen,)),
        version=version,
        updated=_iso(max(times, default=0.0)),
        notes=[*notes, *say_left_out(len(order)), *_notes(choice, chosen, metrics, missing)],
    )


def _chosen(choice: Choice, metrics: Sequence[Metric]) -> Metric | None:
    """Return the metric to rank by; None: no trial has logged it, or anything."""
    wanted = choice.metric or (metrics[0].name if metrics else "")
    if not any(metric.name == wanted for metric in metrics):
        return None
    return Metric(name=wanted, goal=choice.goal or guess_goal(wanted))


def _values(
    sessions: Iterable[Session],
    metric: Metric,
    value: Value,
    best: Callable[[str, Goal], Mapping[str, float]],
) -> Mapping[str, float]:
    if value == "best":
        return best(metric.name, metric.goal)
    found = ((session.run, finite(session.last.get(metric.name))) for session in sessions)
    return {run: number for run, number in found if number is not None}


def _notes(
    choice: Choice,
    chosen: Metric | None,
    metrics: Sequence[Metric],
    missing: Sequence[str],
) -> list[str]:
    some = ", ".join(metric.name for metric in metrics[:10])
    if not metrics:
        return ["No trial here has logged a value yet, so none can be ranked."]
    if chosen is None:
        return [f"No trial has logged the metric {choice.metric[:80]!r}; they have: {some}."]
    notes = []
    if missing:
        names = ", ".join(missing[:5])
        notes.append(f"The log declares {names}, which no trial has logged.")
    if not choice.metric and (len(metrics) > 1 or choice.goal is None):
        notes.append(
            f"Ranked by the {choice.value} {chosen.name} ({chosen.goal}): the log does not say "
            "what is best here, so choose the metric and the goal if this is wrong."
        )
    return notes


def session_row(session: Session, objective: float | None) -> Row:
    """Return one trial as a row, with numbers as in HParams."""
    return _row(session, objective, frozenset())


def _row(session: Session, objective: float | None, whole: frozenset[str]) -> Row:
    state, reason = _state(session, objective)
    lasted = (session.ended or session.seen) - session.started if session.started else None
    return Row(
        trial=None,
        run=session.run,
        state=state,
        reason=reason,
        objective=objective,
        params={
            name: int(value) if name in whole and isinstance(value, float) else value
            for name, value in session.params.items()
        },
        metrics={name: value for name, value in session.last.items() if math.isfinite(value)},
        duration_s=lasted if lasted is not None and 0.0 <= lasted < 1e10 else None,
        started=_iso(session.started or 0.0),
    )


def _state(session: Session, objective: float | None) -> tuple[State, str]:
    state = _STATES.get(session.status)
    if state is not None:
        return state, ""
    if time.time() - max(session.seen, session.started or 0.0) < _QUIET_S:
        return "running", "it has recorded no end yet"
    if objective is not None:
        return "complete", "it recorded no end"
    return "fail", "it recorded no end, and no value of the metric"


def _whole_numbers(sessions: Iterable[Session]) -> frozenset[str]:
    """Return the parameters whose numbers are all whole: HParams itself has no integers."""
    found: dict[str, bool] = {}
    for session in sessions:
        for name, value in session.params.items():
            if isinstance(value, float) and found.get(name, True):
                found[name] = value.is_integer() and abs(value) <= _EXACT
    return frozenset(name for name, is_whole in found.items() if is_whole)


def _declared(experiments: Iterable[Experiment]) -> dict[str, Declared]:
    found: dict[str, Declared] = {}
    for experiment in experiments:
        for info in experiment.record.hparam_infos[:10_000]:
            low = high = None
            values: tuple[Any, ...] = ()
            if info.HasField("domain_interval"):
                low = finite(info.domain_interval.min_value)
                high = finite(info.domain_interval.max_value)
            elif info.HasField("domain_discrete"):
                listed = info.domain_discrete.values[:200]
                values = tuple(_plain(value) for value in listed)
            found.setdefault(short(info.name), Declared(low=low, high=high, values=values))
    return found


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number: float = value.number_value
        return int(number) if number.is_integer() and abs(number) <= _EXACT else finite(number)
    return short(value.string_value) if kind == "string_value" else value.bool_value


def _order(
    sessions: Sequence[Session], experiments: Sequence[Experiment]
) -> Mapping[str, float | None]:
    """Return the parameters, starting with those that differ between the trials."""
    kinds: dict[str, set[str]] = {}
    counts: Counter[str] = Counter()
    for session in sessions:
        for name, value in session.params.items():
            counts[name] += 1
            known = kinds.setdefault(name, set())
            if len(known) < 2:
                known.add(repr(value))
    order = sorted(
        kinds, key=lambda name: (len(kinds[name]) < 2 and counts[name] == len(sessions), name)
    )
    named = {short(info.name) for one in experiments for info in one.record.hparam_infos[:10_000]}
    return dict.fromkeys([*order, *(name for name in sorted(named) if name not in kinds)])


def _likeliness(name: str, is_declared: bool, logged: int) -> tuple[Any, ...]:
    """Return the sort key of a metric: declared, of the validation, no loss, logged by many."""
    lowered = name.lower()
    return (
        not is_declared,
        bool(_ASIDE.search(name)),
        lowered.rpartition("/")[2] not in ("objective", "score"),
        "val" not in lowered and "test" not in lowered,
        guess_goal(name) == "minimize",
        -logged,
        name,
    )


def _iso(seconds: float) -> str:
    if not 0.0 < seconds < 4e9:
        return ""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
