"""What an exporter is given: a study, and its trials one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tuner.space.value import Value

#: The states of trials that have ended; no other trial is exported.
TrialState = Literal["complete", "pruned", "fail"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportedTrial:
    """A trial that has ended. Times are seconds since the epoch; None: not known.

    Attributes:
        number: from 0.
        state: how it ended.
        cause: why it failed, as "oom"; None: it did not fail.
        objective: the value of the study's only metric; None: there is none, or it has several.
        params: those that were active, by name.
        metrics: finite numbers by name, those of the study first.
        curve: step and value of each report of the study's first metric, steps rising; a value may
            be NaN or infinite.
        attempts: how many of them ran.
        started: when its first attempt began.
        finished: when it ended.
        duration_s: how long its last attempt ran, in seconds.
        run_dir: its folder, relative to the log root; None: it has none.
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
    """A study as it stood when it was read.

    Attributes:
        name: `project/study`.
        state: as "finished".
        created: seconds since the epoch; None: not known.
        goals: "maximize" or "minimize" of each metric that the spec names, in its order.
        spec: the whole of it, as JSON.
        parameters: names of all parameters that a trial has, in the order of the spec.
        metrics: names of all metrics that a trial has, those of the spec first.
        trials: in number order. May be gone through several times; is in memory one at a time.
    """

    name: str
    state: str
    created: float | None = None
    goals: Mapping[str, str]
    spec: Mapping[str, Any]
    parameters: Sequence[str]
    metrics: Sequence[str]
    trials: Iterable[ExportedTrial]
