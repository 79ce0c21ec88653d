"""Reproduces a study's proposals from their records, to verify that they come out the same.

A record says which results had been told, which trials existed, and what the sampler knew from the
history; the trials themselves and the artifact are in the database. There are no other inputs:
neither a coordinator's memory nor the time when it was killed can matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from optuna.study import StudyDirection

from tuner.errors import SetupError, TunerError, UnknownNameError
from tuner.proposals.artifact import Artifact
from tuner.proposals.in_memory_study import as_forgotten, is_lesson
from tuner.proposals.proposal import DEFAULTS, RETRY, Choice, software
from tuner.proposals.proposing import Proposer, Question, SpaceExhaustedError
from tuner.proposals.recorded import RecordedTrial, StudyView, as_of
from tuner.proposals.study_snapshot import StudySnapshot
from tuner.registry import SAMPLERS, Trait, used_packages
from tuner.space import SearchSpace
from tuner.spec import StudySpec, space_of

Verdict = Literal["same", "different", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """The result for one trial."""

    trial: int
    verdict: Verdict
    #: Who chose: the sampler, a fallback, or `retry`.
    sampler: str
    #: Why it differs or is unknown; empty: it is the same.
    reason: str = ""
    #: What was chosen this time, if different.
    params: Mapping[str, Any] | None = None


class Replay:
    """Reproduces the proposals of one study.

    Args:
        trials: all of them, in number order.
        artifact: returns an artifact by its key, or raises a `TunerError` that says why it cannot.
    """

    def __init__(
        self,
        spec: StudySpec,
        seed: int,
        trials: Sequence[RecordedTrial],
        artifact: Callable[[str], Artifact],
    ) -> None:
        self._spec = spec
        self._trials = trials
        self._artifact = artifact
        self._known: dict[str, Artifact] = {}
        self._seed = seed % 2**32
        self._packages = used_packages(spec.sampler.name, spec.pruner.name)
        self._views: dict[int | None, StudyView] = {}

    def trial(self, number: int) -> Replayed:
        """Reproduce one proposal and compare it with the trial's."""
        trial = self._trials[number]
        record = trial.proposal
        sampler = str(record.get("sampler", "unknown"))
        if reason := self._unrecorded(record):
            return Replayed(trial=number, verdict="unknown", sampler=sampler, reason=reason)
        try:
            choice = self._choose_again(record)
        except (TunerError, SpaceExhaustedError, _MisfitError) as exc:
            reason = str(exc)
            if isinstance(exc, UnknownNameError | SetupError):
                reason += f"; it was proposed by {record['software']}"
            return Replayed(trial=number, verdict="different", sampler=sampler, reason=reason)
        reason = _difference(trial, choice)
        if not reason:
            return Replayed(trial=number, verdict="same", sampler=sampler)
        present = software(self._packages)
        if record["software"] != present:
            reason += f"; it was proposed by {record['software']}, this is {present}"
        return Replayed(
            trial=number,
            verdict="different",
            sampler=sampler,
            reason=reason,
            params=choice.params,
        )

    def _unrecorded(self, record: Mapping[str, Any]) -> str:
        """Return why the record is insufficient; empty if it is not."""
        if "trials" not in record:
            return "proposed by an earlier release, which recorded less"
        # Otherwise it depends on attributes that trials left, which the record does not contain.
        is_alone = SAMPLERS.has(self._spec.sampler.name, Trait.LEAVES_NOTHING)
        if is_alone or record["retry_of"] is not None:
            return ""
        earlier = self._trials[: record["trials"]]
        if any("trials" not in trial.proposal for trial in earlier):
            return "an earlier release, which recorded less, proposed trials before it"
        return ""

    def _choose_again(self, record: Mapping[str, Any]) -> Choice:
        retry_of = record["retry_of"]
        view = self._view(record)
        if retry_of is not None:
            return Choice(params=dict(view.trials[retry_of].params), sampler=RETRY, seed=0)
        if record["sampler"] == DEFAULTS:
            return Choice(params={}, sampler=DEFAULTS, seed=0)
        question = self._question(record, view)
        if record["preparation"] == "missed":
            return view.proposer.cheap(question).choice
        return view.proposer.answer(question).choice

    def _view(self, record: Mapping[str, Any]) -> StudyView:
        """Return the study as of the record: if a hypermodel, with the parameters known then."""
        revision = record.get("revision")
        if revision not in self._views:
            space = self._spec.space
            if revision is not None:
                space = space_of(self._spec, record["known"])
            trials = [as_of(trial, revision) for trial in self._trials]
            self._views[revision] = StudyView(self._make_proposer(space, trials), trials)
        return self._views[revision]

    def _question(self, record: Mapping[str, Any], view: StudyView) -> Question:
        count = record["trials"]
        known = self._trials[:count]
        is_retry = [trial.proposal.get("retry_of") is not None for trial in known]
        turn = count - sum(is_retry)
        start = self._spec.start_with
        key = record["artifact"]
        return Question(
            snapshot=self._snapshot(record, known, view),
            start=start[turn] if turn < len(start) else {},
            artifact=None if key is None else self._load(key),
            # Records of earlier releases name none, correctly: no limit was known then.
            limit_s=record.get("limit_s"),
        )

    def _snapshot(
        self, record: Mapping[str, Any], known: Sequence[RecordedTrial], view: StudyView
    ) -> StudySnapshot:
        attrs: dict[str, Any] = {}
        for trial in known:
            attrs |= trial.proposal.get("wrote", {}).get("study", {})
        told, all_curves = record["told"], record["curves"] == "all"
        seen = [
            view.frozen[trial.number].seen(is_told=_entered(trial, told), all_curves=all_curves)
            for trial in known
        ]
        # Records of earlier releases name none.
        forgotten = tuple(record.get("forgotten", ()))
        for number in forgotten:
            if not is_lesson(seen[number]):
                raise _MisfitError(f"by its record trial {number} was a forgotten failure")
            seen[number] = as_forgotten(seen[number])
        pending = tuple(trial.number for trial in known if not _entered(trial, told))
        if list(pending) != record["pending"]:
            raise _MisfitError(f"by its record {record['pending']} were pending, not {pending}")
        return StudySnapshot(
            study=self._spec.name,
            directions=tuple(StudyDirection[m.goal.upper()] for m in self._spec.metrics),
            trials=seen,
            told=told,
            pending=pending,
            forgotten=forgotten,
            attrs=attrs,
            all_curves=all_curves,
            brackets=record["brackets"],
        )

    def _load(self, key: str) -> Artifact:
        if key not in self._known:
            self._known[key] = self._artifact(key)
        return self._known[key]

    def _make_proposer(self, space: SearchSpace, trials: Sequence[RecordedTrial]) -> Proposer:
        spec = self._spec
        proposer = Proposer(
            space,
            spec.sampler.name,
            self._seed,
            spec.start_with,
            spec.sampler.options,
            spec.metrics[0].name if len(spec.metrics) == 1 else "",
            is_growing=spec.finds_space,
            packages=self._packages,
        )
        for trial in trials:
            is_retry = trial.proposal.get("retry_of") is not None
            proposer.remember(trial.params, is_retry=is_retry)
        return proposer


class _MisfitError(Exception):
    """A record and the results of the study contradict each other."""


def _entered(trial: RecordedTrial, told: int) -> bool:
    return trial.told is not None and trial.told <= told


def _difference(trial: RecordedTrial, choice: Choice) -> str:
    """Return in words how a choice differs from the trial's; empty if it does not."""
    record = trial.proposal
    # Parameters that the trial encountered by itself were not chosen.
    late = record.get("late", {})
    params = {name: value for name, value in trial.params.items() if name not in late}
    if choice.params != params:
        names = sorted(
            name
            for name in {**choice.params, **params}
            if choice.params.get(name, _NOTHING) != params.get(name, _NOTHING)
        )
        return f"other values: {', '.join(names)}"
    if (choice.sampler, choice.attempt) != (record["sampler"], record["try"]):
        return f"chosen by {choice.sampler}, try {choice.attempt}"
    return ""


_NOTHING = object()
