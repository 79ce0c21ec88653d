"""Runs of experiment trackers, which all store the same: parameters, metrics by step, a state."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tuner.history.importers.cells import NOTHING, is_plain_number, read_number
from tuner.history.importers.state_words import read_word
from tuner.history.store.cleaning import (
    MAX_METRICS,
    clean_curves,
    clean_key,
    clean_metrics,
    clean_params,
    clean_time,
    last_or_best,
)
from tuner.history.store.imported import Facts, ImportedRun, Options
from tuner.history.store.records import HistoricTrial, Rejection
from tuner.space.value import Value

#: Maximum number of points read for one metric; a curve keeps far fewer.
MAX_POINTS = 100_000
#: Maximum number of levels of a nested configuration.
MAX_DEPTH = 8
_BOOLS = {"true": True, "false": False}
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,15})")

Points = list[tuple[int, object]]


@dataclass(kw_only=True)
class TrackedRun:
    """A run while it is read; what cannot be used is left out later."""

    #: Unique in its study.
    key: str
    #: The tracker's word for it, such as FINISHED; None if it has none.
    state: str | None
    stamp: str
    params: dict[str, object] = field(default_factory=dict)
    #: By step, in the order in which they were logged.
    points: dict[str, Points] = field(default_factory=dict)
    #: Last values of metrics whose points are unknown.
    summary: dict[str, object] = field(default_factory=dict)
    #: Seconds since the epoch, or ISO 8601 with a zone.
    started: object = None
    finished: object = None

    def add_point(self, name: str, step: object, value: object) -> None:
        """Add a report; above the maximum number, it replaces the last one."""
        if name not in self.points and len(self.points) >= 2 * MAX_METRICS:
            return
        points = self.points.setdefault(name, [])
        number = step if isinstance(step, int) else len(points)
        if len(points) < MAX_POINTS:
            points.append((number, value))
        else:
            points[-1] = (number, value)


class TrackedStudy:
    """A `FoundStudy` of a tracker. Mutable: what its runs have in common grows with every run.

    Args:
        locator: see `FoundStudy`.
    """

    whole = False
    gone: frozenset[str] = frozenset()

    def __init__(self, locator: str) -> None:
        self.locator = locator
        #: What there is to say of the study.
        self.notes: list[str] = []
        self._metrics: dict[str, None] = {}
        self._parameters: dict[str, None] = {}

    def taken(
        self, where: str, read: Callable[[], TrackedRun], options: Options
    ) -> ImportedRun | Rejection:
        """Return the run that `read` gives, or why the one that is found at `where` is refused."""
        try:
            return self._take(read(), options)
        except ValueError as exc:
            return Rejection(path=where, reason=str(exc))
        except OSError as exc:
            return Rejection(path=where, reason=f"cannot be read: {exc.strerror or exc}")

    def facts(self, options: Options) -> Facts:
        """See `FoundStudy`."""
        goals = options.by_name
        names = dict.fromkeys([*goals, *self._metrics])
        missing = [name for name in goals if name not in self._metrics] if self._metrics else []
        return Facts(
            metrics={name: goals.get(name) for name in names},
            parameters=list(self._parameters),
            notes=[*self.notes, *(f"no run has a metric {name!r}" for name in missing)],
            options=options.to_json(),
        )

    def _take(self, run: TrackedRun, options: Options) -> ImportedRun:
        """Return an ended run.

        Raises:
            ValueError: why it cannot be used.
        """
        word = None if run.state is None else read_word(run.state)
        if run.state is not None and word is None:
            raise ValueError(f"has a state that is not known ({run.state[:40]!r})")
        if word is not None and word.state == "running":
            raise ValueError(f"has not ended (state {run.state or ''!r})")
        state, cause = ("complete", None) if word is None else (word.state, word.cause)
        curves = clean_curves(run.points)
        metrics = _metrics(run, options, curves)
        if state == "complete" and not metrics:
            if not run.points and not any(_is_numeric(v) for v in run.summary.values()):
                raise ValueError("holds no metric")
            state, cause = "fail", "diverged"
        params = clean_params(run.params)
        self._metrics |= dict.fromkeys(metrics)
        self._parameters |= dict.fromkeys(params)
        least, now = 0 if state == "pruned" else 1, time.time()
        return ImportedRun(
            trial=HistoricTrial(
                key=clean_key(run.key),
                params=params,
                metrics=metrics,
                curves={name: curve for name, curve in curves.items() if len(curve) > least},
                state=state,
                cause=cause,
                started=clean_time(run.started, now),
                finished=clean_time(run.finished, now),
            ),
            stamp=run.stamp,
            is_open=word is None,
        )


def _metrics(
    run: TrackedRun, options: Options, curves: Mapping[str, tuple[tuple[int, float], ...]]
) -> dict[str, float]:
    """Return the last value of each metric, or the best one if the options say so."""
    goals = options.by_name
    last: dict[str, object] = {**run.summary}
    for name, points in run.points.items():
        if points:
            # Of two at one step the later one counts, as in the trackers.
            last[name] = max(reversed(points), key=lambda point: point[0])[1]
    if options.reduce == "best":
        for name in goals.keys() & curves.keys():
            last[name] = last_or_best(curves[name], goals[name])
    # The requested metrics come first, so that they are kept however many there are.
    ordered = {name: last[name] for name in dict.fromkeys([*goals, *last]) if name in last}
    return clean_metrics(ordered)


def _is_numeric(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)


def plain_text(text: str) -> Value | None:
    """Return the meaning of a value that a tracker stores as text; None if it has none."""
    stripped = text.strip()
    if stripped.lower() in NOTHING or stripped.lower() == "nan":
        return None
    if stripped.lower() in _BOOLS:
        return _BOOLS[stripped.lower()]
    if _WHOLE.fullmatch(stripped):
        return int(stripped)
    # 007 is not a number; .5 and 1e-5 are.
    if is_plain_number(stripped) and not re.match(r"-?0\d", stripped):
        return read_number(stripped)
    return stripped


def flatten(found: Mapping[str, object], most: int) -> dict[str, object]:
    """Return a nested configuration with names joined by dots; at most `most` of them."""
    flat: dict[str, object] = {}
    waiting: list[tuple[str, object, int]] = [("", found, 0)]
    while waiting and len(flat) < most:
        prefix, value, depth = waiting.pop()
        if isinstance(value, Mapping):
            if depth < MAX_DEPTH:
                items = [(f"{prefix}.{k}" if prefix else str(k), v) for k, v in value.items()]
                waiting += [(name, inner, depth + 1) for name, inner in items][::-1]
        elif prefix:
            flat[prefix] = value
    return flat
