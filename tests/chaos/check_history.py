"""What the calls between workers and servers say, against what the database holds."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from tests.chaos.history import Call
from tests.chaos.rows import StudyRows
from tuner.protocol import Finish, dumps

REFUSED = range(400, 500)


class Calls:
    """The calls about the attempts of all studies, sorted by what is checked."""

    def __init__(self, calls: Iterable[Call]) -> None:
        #: Answered claims by attempt; finishes and reports by attempt, answered or not.
        self.claims: dict[str, list[Call]] = defaultdict(list)
        self.finishes: dict[str, list[Call]] = defaultdict(list)
        self.reports: dict[str, list[Call]] = defaultdict(list)
        self.faults: list[str] = []
        kinds = {"claim": self.claims, "finish": self.finishes, "report": self.reports}
        for call in calls:
            if call.kind in kinds and call.attempt:
                kinds[call.kind][call.attempt].append(call)
            if call.status is not None and (call.status == 500 or call.status in (400, 422)):
                self.faults.append(f"{call.kind} {call.attempt}: {call.status} {call.answer}")

    @property
    def refused(self) -> int:
        """How many results were refused."""
        found = (call for calls in self.finishes.values() for call in calls)
        return sum(call.status in REFUSED for call in found)


def check_history(calls: Calls, rows: StudyRows) -> Iterator[str]:
    """Yield what contradicts the calls in the rows of one study."""
    for number, attempts in rows.attempts.items():
        outcomes = [a.id for a in attempts if _was_told_outcome(calls.finishes[a.id])]
        if len(outcomes) > 1:
            yield f"trial {number}: {outcomes} were all told that they are the outcome"
        decided = rows.trials[number].outcome_attempt
        if outcomes and outcomes != [decided]:
            yield f"trial {number}: {outcomes} was told that it is the outcome, {decided} is"
        yield from _check_repetition(calls, number, [a.id for a in attempts])
        for attempt in attempts:
            yield from _check_claims(calls.claims[attempt.id], attempt, rows)
            yield from _check_finishes(calls.finishes[attempt.id], attempt, rows)
            yield from _check_reports(calls, attempt, rows)


def _was_told_outcome(finishes: list[Call]) -> bool:
    return any(call.answer.get("is_outcome") for call in finishes)


def _check_claims(claims: list[Call], attempt: Any, rows: StudyRows) -> Iterator[str]:
    tokens = {call.token for call in claims}
    if tokens - {attempt.token}:
        yield f"{attempt.id} was given to {tokens}, it belongs to {attempt.token}"
    params = rows.params(rows.trials[attempt.number])
    for call in claims:
        if call.answer.get("params") != params:
            yield f"{attempt.id} was given out with {call.answer}, its trial has {params}"


def _check_repetition(calls: Calls, number: int, attempts: list[str]) -> Iterator[str]:
    """Finished work is not begun again: no attempt is given out after the outcome is known."""
    known = [
        call.answered
        for attempt in attempts
        for call in calls.finishes[attempt]
        if call.answer.get("is_outcome") and call.answered is not None
    ]
    for attempt in attempts:
        first = min((call.sent for call in calls.claims[attempt]), default=0.0)
        if known and first > min(known):
            yield f"trial {number}: {attempt} was given out although the outcome was known"


def _check_finishes(finishes: list[Call], attempt: Any, rows: StudyRows) -> Iterator[str]:
    accepted = [call for call in finishes if call.status == 200]
    sent = {_digest(call): call for call in finishes}
    if len({str(call.answer) for call in accepted}) > 1:
        yield f"{attempt.id}: the same finish was answered {[call.answer for call in accepted]}"
    if attempt.finish_digest is not None and attempt.finish_digest not in sent:
        yield f"{attempt.id}: its result was never handed in"
    for call in finishes:
        is_stored = attempt.finish_digest == _digest(call)
        if call.status == 200 and not is_stored:
            yield f"{attempt.id}: its result was accepted and is not stored: {call.body}"
        if call.status in REFUSED and is_stored:
            yield f"{attempt.id}: its result was refused ({call.answer}) and is stored"
    if rows.is_outcome(attempt) and attempt.finish_digest is not None:
        yield from _check_outcome(sent.get(attempt.finish_digest), attempt, rows)


def _check_outcome(finish: Call | None, attempt: Any, rows: StudyRows) -> Iterator[str]:
    trial = rows.trials[attempt.number]
    if finish is None:
        return
    said = finish.body["outcome"], finish.body.get("values")
    if trial.state == "complete" and said != ("complete", [trial.objective]):
        yield f"{attempt.id}: handed in {said}, stored is {trial.objective}"
    if trial.state == "pruned" and said[0] != "pruned":
        yield f"{attempt.id}: handed in {said}, stored is pruned"


def _check_reports(calls: Calls, attempt: Any, rows: StudyRows) -> Iterator[str]:
    """Every report that was accepted is stored, and none that was only refused."""
    stored = {step for no, step in rows.reports[attempt.number] if no == attempt.no}
    messages = calls.reports[attempt.id] + calls.finishes[attempt.id]
    may = {step for call in messages if call.status not in REFUSED for step in _steps(call)}
    must = {
        step
        for call in messages
        if call.status == 200 and call.answer.get("order") != "cancel"
        for step in _steps(call)
    }
    if must - stored:
        yield f"{attempt.id}: the accepted reports of steps {sorted(must - stored)} are not stored"
    if stored - may:
        yield f"{attempt.id}: the refused reports of steps {sorted(stored - may)} are stored"


def _steps(call: Call) -> list[int]:
    return [point["step"] for point in call.body.get("points") or ()]


def _digest(call: Call) -> str:
    return hashlib.sha256(dumps(Finish.from_json(call.body)).encode()).hexdigest()
