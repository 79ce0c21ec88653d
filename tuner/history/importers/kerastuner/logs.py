"""KerasTuner's TensorBoard logs of a Hyperband search: continued trials are merged into one run.

The logs do not say for how many epochs a trial was planned, nor which one it continues. But a trial
that continues another has its parameters and starts at the epoch at which that one ended; where
this occurs, runs that ended at such an epoch were stopped there.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tuner.history.importers.tables.rungs import stopped_at
from tuner.history.store.imported import ImportedRun
from tuner.history.store.records import Curve


@dataclass
class Settled:
    """The runs of some logs. Filled while the logs are read.

    Attributes:
        runs: one for each configuration, in their order.
        copies: keys of those that continued an earlier one.
        notes: notes for the user.
    """

    runs: list[ImportedRun] = field(default_factory=list)
    copies: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def settle(runs: Sequence[ImportedRun]) -> Settled:
    """Return the runs of a search, with those that were stopped early marked as such."""
    found = Settled()
    rungs: set[int] = set()
    for run in sorted(runs, key=_first):
        index = _continued_by(run, found.runs)
        if index is None:
            found.runs.append(run)
            continue
        rungs.add(_end(found.runs[index]))
        found.runs[index] = _joined(found.runs[index], run)
        found.copies.add(run.trial.key)
    found.runs.sort(key=lambda run: run.trial.key)
    ends = [_end(run) for run in found.runs]
    guessed, longest = stopped_at([end + 1 for end in ends], is_known=False)
    longest = max([longest, *(end + 1 for end in ends)])
    stopped = rungs or {step - 1 for step in guessed}
    short = 0
    for index, run in enumerate(found.runs):
        is_short = run.trial.state in ("complete", "running") and ends[index] in stopped
        short += is_short
        found.runs[index] = _stopped(run) if is_short else _without_points(run)
    if short:
        guess = "" if rungs else " (a guess)"
        found.notes.append(
            f"{short} of {len(ends)} configurations were trained for fewer than {longest} epochs "
            f"and count as stopped there{guess}"
        )
    if found.copies:
        one = len(found.copies) == 1
        what = "run continues another and counts with it"
        more = "runs continue others and count with them"
        found.notes.append(f"{len(found.copies)} {what if one else more}")
    return found


def _epochs(run: ImportedRun) -> list[Curve]:
    """Return the curves with one point per epoch; those of evaluations have one per batch."""
    curves = run.trial.curves.items()
    return [c for name, c in curves if name.rpartition("/")[2].startswith("epoch_") and c]


def _first(run: ImportedRun) -> int:
    return min((curve[0][0] for curve in _epochs(run)), default=0)


def _end(run: ImportedRun) -> int:
    return max((curve[-1][0] for curve in _epochs(run)), default=-1)


def _continued_by(run: ImportedRun, earlier: Sequence[ImportedRun]) -> int | None:
    """Return which of some runs another one continues, None if it starts on its own."""
    first = _first(run)
    if first == 0:
        return None
    return next(
        (
            index
            for index, other in enumerate(earlier)
            if _end(other) == first - 1 and other.trial.params == run.trial.params
        ),
        None,
    )


def _joined(old: ImportedRun, new: ImportedRun) -> ImportedRun:
    curves = {
        name: (*old.trial.curves.get(name, ()), *new.trial.curves.get(name, ()))
        for name in {**old.trial.curves, **new.trial.curves}
    }
    # Curves that do not count epochs start again.
    curves = {name: curve for name, curve in curves.items() if _rises(curve)}
    trial = replace(new.trial, key=old.trial.key, curves=curves, started=old.trial.started)
    return replace(new, trial=trial)


def _rises(curve: Curve) -> bool:
    return all(a[0] < b[0] for a, b in itertools.pairwise(curve))


def _stopped(run: ImportedRun) -> ImportedRun:
    return replace(run, trial=replace(run.trial, state="pruned"), is_open=False)


def _without_points(run: ImportedRun) -> ImportedRun:
    """Return a run without single-point curves, which contain no more than the metric."""
    curves = {name: curve for name, curve in run.trial.curves.items() if len(curve) > 1}
    return replace(run, trial=replace(run.trial, curves=curves))
