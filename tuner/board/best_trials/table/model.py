"""What the tab shows of a study: a table of trials, best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

#: Of a run of this service's, or of any tool's that wrote HParams.
Source = Literal["tuner", "hparams"]
Goal = Literal["maximize", "minimize"]
State = Literal["complete", "pruned", "fail", "running", "waiting"]
#: What a column holds: a fact of the trial, a parameter, or a metric.
Group = Literal["fact", "param", "metric"]
Type = Literal["int", "float", "bool", "text", "time", "state"]

PARAM, METRIC = "params.", "metrics."


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of a study and what is wanted of it."""

    name: str
    goal: Goal


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table.

    Attributes:
        key: a fact's name, or a parameter's or a metric's behind `params.` or `metrics.`.
        label: what a person reads.
        group: see `Group`.
        type: see `Type`.
        low, high: range of a parameter, where it is known.
        log: whether the range is logarithmic.
        values: the choices of a parameter; empty: it has none.
        conditional: whether some trials do without it.
        constant: whether all trials have the same value.
        share: how much of the differences between trials it explains, of 1; None: not known.
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
    """A trial: its outcome, or how it stands.

    Attributes:
        trial: its number; None: it is no trial of this service's.
        run: its folder below the log directory.
        state: see `State`.
        cause: of a failure, in one word; empty where there is none.
        reason: the same in words: an error's text, or who stopped it.
        objective: of one metric; None: it has none, or one that is not a number.
        values: of several metrics, in the study's order.
        params: those that are active, with their JSON types.
        metrics: what it measured, by name; the last of each.
        attempts: how often it was begun.
        duration_s: of the attempt that counts.
        started: ISO 8601; empty: not known.
        history: whether it was proposed by what earlier studies found.
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
        """Return what stands in a column, by its key; None: nothing."""
        if key.startswith(PARAM):
            return self.params.get(key[len(PARAM) :])
        if key.startswith(METRIC):
            return self.metrics.get(key[len(METRIC) :])
        if key not in FACTS:
            return None
        value = getattr(self, key)
        return None if value == "" else value


#: The facts that are columns, with what a person reads and their type.
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
        study: "project/study", or what a log directory calls its runs.
        source: who wrote them.
        state: of the study; empty: not known.
        metrics: the first is the one that is ranked by; empty: nobody has chosen one.
        columns: in the order in which they are shown: facts, parameters by importance, metrics.
        rows: see `Row`.
        version: another one whenever something of this is another.
        updated: when something last changed, ISO 8601; empty: not known.
        notes: what a reader should know, in sentences.
        waiting: trials that are proposed and have not begun: they have no files, so no row.
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
        """What is wanted of the metric that is ranked by."""
        return self.metrics[0].goal if self.metrics else None

    def best(self) -> Row | None:
        """Return the best trial; None: none has a rank."""
        return self.rows[0] if self.rows and self.rows[0].rank is not None else None
