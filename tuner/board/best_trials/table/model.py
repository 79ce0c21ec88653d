"""What the tab shows about a study: a table of trials, best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

#: Of a run of this service, or of any tool that wrote HParams.
Source = Literal["tuner", "hparams"]
Goal = Literal["maximize", "minimize"]
State = Literal["complete", "pruned", "fail", "running", "waiting"]
#: What a column holds: a fact about the trial, a parameter, or a metric.
Group = Literal["fact", "param", "metric"]
Type = Literal["int", "float", "bool", "text", "time", "state"]

PARAM, METRIC = "params.", "metrics."


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of a study and its goal."""

    name: str
    goal: Goal


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table.

    Attributes:
        key: a fact's name, or a parameter's or a metric's name prefixed by `params.` or `metrics.`.
        label: the text for people.
        group: see `Group`.
        type: see `Type`.
        low, high: range of a parameter, if known.
        log: whether the range is logarithmic.
        values: the choices of a parameter; empty: it has none.
        conditional: whether it is inactive in some trials.
        constant: whether all trials have the same value.
        share: the share of the differences between trials that it explains, up to 1; None: unknown.
    """

    key: str
    label: str
    group: Group
    type: Type
    low: float | None = None
    high: float | None = None
    log: bool = False
    values: Sequence[Any] = ()
    conditional: bool = False
    constant: bool = False
    share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A trial: its outcome, or its state so far.

    Attributes:
        trial: its number; None: it is not a trial of this service.
        run: its folder below the log directory.
        state: see `State`.
        cause: the cause of a failure, in one word; empty if there is none.
        reason: the same in words: an error's text, or who stopped it.
        objective: with one metric; None: it has no value, or one that is not a number.
        values: with several metrics, in the study's order.
        params: the active parameters, with their JSON types.
        metrics: the last value of each metric, by name.
        duration_s: duration of the attempt that counts, in seconds.
        started: ISO 8601; empty: unknown.
        history: whether history proposed it.
        rank: 1 for the best; None: it cannot be ranked.
    """

    trial: int | None
    run: str
    state: State
    cause: str = ""
    reason: str = ""
    objective: float | None = None
    values: tuple[float | None, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    attempts: int = 1
    duration_s: float | None = None
    started: str = ""
    history: bool = False
    rank: int | None = None

    def value(self, key: str) -> Any:
        """Return the value in a column, by its key; None: there is none."""
        if key.startswith(PARAM):
            return self.params.get(key[len(PARAM) :])
        if key.startswith(METRIC):
            return self.metrics.get(key[len(METRIC) :])
        if key not in FACTS:
            return None
        value = getattr(self, key)
        return None if value == "" else value


#: The facts that are columns, with their labels and types.
FACTS: Mapping[str, tuple[str, Type]] = {
    "rank": ("rank", "int"),
    "trial": ("trial", "int"),
    "state": ("state", "state"),
    "cause": ("cause", "text"),
    "objective": ("objective", "float"),
    "attempts": ("attempts", "int"),
    "duration_s": ("duration", "float"),
    "started": ("started", "time"),
    "history": ("history", "bool"),
    "run": ("run", "text"),
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """All trials of a study, best first.

    Attributes:
        study: "project/study", or the log directory's name for its runs.
        source: what wrote them.
        state: the study's state; empty: unknown.
        metrics: trials are ranked by the first one; empty: none was chosen.
        columns: in display order: facts, parameters by importance, metrics.
        rows: see `Row`.
        version: differs whenever anything in the table differs.
        updated: time of the last change, ISO 8601; empty: unknown.
        notes: notes for the reader, in sentences.
        waiting: number of trials that were proposed and have not started: they have no files, so no
            row.
    """

    study: str
    source: Source
    state: str = ""
    metrics: Sequence[Metric] = ()
    columns: Sequence[Column] = ()
    rows: Sequence[Row] = ()
    version: int = 0
    updated: str = ""
    notes: Sequence[str] = ()
    waiting: int = 0

    @property
    def goal(self) -> Goal | None:
        """The goal of the metric that trials are ranked by."""
        return self.metrics[0].goal if self.metrics else None

    def best(self) -> Row | None:
        """Return the best trial; None: none has a rank."""
        return self.rows[0] if self.rows and self.rows[0].rank is not None else None
