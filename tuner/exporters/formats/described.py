"""The input of an exporter: a study, and its trials one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tuner.space.value import Value

#: The states of trials that have ended; no other trial is exported.
TrialState = Literal["complete", "pruned", "fail"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportedTrial:
    """A trial that has ended. Times are seconds since the epoch; None: unknown.

    Attributes:
        number: from 0.
        state: how it ended.
        cause: why it failed, e.g. "oom"; None: it did not fail.
        objective: the value of the study's only metric; None if there is none, or several metrics.
        params: the active ones, by name.
        metrics: finite numbers by name, those of the study first.
        curve: step and value of each report of the study's first metric, in step order; a value may
            be NaN or infinite.
        attempts: number of attempts that ran.
        started: when its first attempt began.
        finished: when it ended.
        duration_s: how long its last attempt ran, in seconds.
        run_dir: its folder, relative to the log root; None if it has none.
    """

    number: int
    state: TrialState
    cause: str | None = None
    objective: float | None = None
    params: Mapping[str, Value]
    metrics: Mapping[str, float]
    curve: Sequence[tuple[int, float]] = ()
    attempts: int = 1
    started: float | None = None
    finished: float | None = None
    duration_s: float | None = None
    run_dir: str | None = None


@dataclass(frozen=True, kw_only=True)
class ExportedStudy:
    """A study as it was when read.

    Attributes:
        name: `project/study`.
        state: e.g. "finished".
        created: seconds since the epoch; None: unknown.
        goals: "maximize" or "minimize" for each metric named in the spec, in its order.
        spec: the whole spec, as JSON.
        parameters: names of all parameters of any trial, in the order of the spec.
        metrics: names of all metrics of any trial, those of the spec first.
        trials: in number order. May be iterated several times; only one is in memory at a time.
    """

    name: str
    state: str
    created: float | None = None
    goals: Mapping[str, str]
    spec: Mapping[str, Any]
    parameters: Sequence[str]
    metrics: Sequence[str]
    trials: Iterable[ExportedTrial]
