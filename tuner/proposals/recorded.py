"""The trials of a study as recorded, and as samplers saw them at the time of a record."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial

from tuner.proposals.frozen import freeze
from tuner.proposals.in_memory_study import as_sampler_sees
from tuner.proposals.proposing import Proposer
from tuner.samplers.marks import told_attrs
from tuner.trials.states import TrialState


@dataclass(frozen=True, kw_only=True)
class RecordedTrial:
    """A trial with its outcome, and the record of its proposal."""

    number: int
    params: Mapping[str, Any]
    proposal: Mapping[str, Any]
    #: Its place in the order in which results were told; None while it has none.
    told: int | None
    #: COMPLETE, PRUNED or FAIL, once told.
    state: TrialState | None = None
    cause: str | None = None
    values: Sequence[float] = ()
    curve: Mapping[int, float] = field(default_factory=dict)
    #: Its duration, as read by samplers; None if unknown.
    took: Mapping[str, Any] | None = None


class StudyView:
    """A study as it was at one of its revisions.

    Args:
        proposer: that remembers its trials.
        trials: all of them, in number order.
    """

    def __init__(self, proposer: Proposer, trials: Sequence[RecordedTrial]) -> None:
        self.proposer = proposer
        self.trials = trials
        self.frozen = [_FrozenTrial(proposer, trial) for trial in trials]


def as_of(trial: RecordedTrial, revision: int | None) -> RecordedTrial:
    """Return a trial without the values that it contributed after a revision."""
    late = trial.proposal.get("late")
    if revision is None or not late:
        return trial
    params = {n: v for n, v in trial.params.items() if late.get(n, 0) <= revision}
    return dataclasses.replace(trial, params=params)


class _FrozenTrial:
    """One trial as seen by samplers, before and after its result; shared by all proposals."""

    def __init__(self, proposer: Proposer, trial: RecordedTrial) -> None:
        self._proposer = proposer
        self._trial = trial
        self._made: dict[tuple[bool, bool], FrozenTrial] = {}

    def seen(self, *, is_told: bool, all_curves: bool) -> FrozenTrial:
        """Return the trial as it was in the snapshot of a proposal."""
        key = (is_told, all_curves)
        if key not in self._made:
            self._made[key] = self._make(is_told=is_told, all_curves=all_curves)
        return self._made[key]

    def _make(self, *, is_told: bool, all_curves: bool) -> FrozenTrial:
        trial = self._trial
        attrs = dict(trial.proposal.get("wrote", {}).get("trial", {}))
        if is_told:
            attrs |= told_attrs(trial.cause, trial.took)
        frozen = freeze(
            self._proposer,
            trial.params,
            state=trial.state if is_told else None,
            values=trial.values if is_told else (),
            attrs=attrs,
            curve=trial.curve if is_told else {},
        )
        seen = copy.copy(as_sampler_sees(frozen, all_curves=all_curves))
        seen.number = seen._trial_id = trial.number  # noqa: SLF001 - as the in-memory study's storage does
        return seen
