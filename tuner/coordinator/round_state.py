"""What one round of the coordinator works on, read in one transaction.

There are several rounds per trial, so each reads as little as possible. Changes during a round are
seen by the next one: whoever makes a change wakes the loop.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tuner.storage import Storage
from tuner.trials.faults import is_own
from tuner.trials.kinds import Kind
from tuner.trials.store.claims.round_rows import ReadyAttempt, read_round_rows
from tuner.trials.store.studies import open_studies
from tuner.trials.store.workers import idle_workers, waits_for_busy
from tuner.trials.study import Study


@dataclass(frozen=True, kw_only=True)
class RoundState:
    """The open studies and the fleet at one moment of the database's clock."""

    now: float
    #: The open studies by id.
    studies: dict[int, Study]
    #: Ids of studies with results not yet told to Optuna.
    untold: frozenset[int]
    #: Number of idle workers by device, image and GPUs.
    idle: Counter[Kind]
    #: Attempts with reports that no pruner has seen: their ids, and their studies' ids.
    unjudged: dict[str, int]
    #: Attempts that wait to be claimed, except those held back by `parallel`.
    ready: Sequence[ReadyAttempt]
    #: Number of them that idle workers may claim, by study id.
    offered: Counter[int]
    #: Number of them that are retries, by study id.
    repeated: Counter[int]
    #: Number of attempts being executed, by study id.
    leased: Counter[int]
    #: Faults in studies' attempts, by study id: these studies are not included above.
    faults: dict[int, Exception]


def read_round_state(storage: Storage) -> RoundState:
    """Read the present state.

    Raises:
        UnavailableError: the database cannot be reached.
    """
    with storage.read() as connection:
        now = storage.now(connection)
        studies = {study.id: study for study in open_studies(connection)}
        rows = read_round_rows(connection)
        faults: dict[int, Exception] = {}
        found = _sound(rows.ready, studies, faults)
        ready = _allowed(found, studies, rows.leased)
        offered: Counter[int] = Counter()
        repeated: Counter[int] = Counter()
        for row in ready:
            with _noted(faults, row.study_id):
                is_offered = not waits_for_busy(connection, row.study_id, row.excluded_json, now)
                offered[row.study_id] += is_offered
                repeated[row.study_id] += is_offered and row.no > 1
        ready = [row for row in ready if row.study_id not in faults]
        return RoundState(
            now=now,
            studies=studies,
            untold=rows.untold,
            unjudged=rows.unjudged,
            idle=idle_workers(connection, now),
            ready=ready,
            offered=offered,
            repeated=repeated,
            leased=rows.leased,
            faults=faults,
        )


@contextlib.contextmanager
def _noted(faults: dict[int, Exception], study_id: int) -> Iterator[None]:
    try:
        yield
    except Exception as exc:
        if not is_own(exc):
            raise
        faults.setdefault(study_id, exc)


def _sound(
    ready: Sequence[ReadyAttempt],
    studies: dict[int, Study],
    faults: dict[int, Exception],
) -> Sequence[ReadyAttempt]:
    """Return the ready attempts of studies with values of the right types; record the others."""
    for study in studies.values():
        with _noted(faults, study.id):
            _require_number("parallel", study.parallel)
            _require_number("revision", study.revision)
    for row in ready:
        with _noted(faults, row.study_id):
            _require_number("no", row.no)
            _require_number("created", row.created)
            _require_number("not_before", row.not_before)
    return [row for row in ready if row.study_id not in faults]


def _require_number(column: str, value: object) -> None:
    # SQLite stores strings in number columns too.
    if value is not None and not isinstance(value, int | float):
        raise ValueError(f"{column} is {str(value)[:40]!r}, which is not a number")


def _allowed(
    ready: Sequence[ReadyAttempt], studies: dict[int, Study], leased: Counter[int]
) -> Sequence[ReadyAttempt]:
    """Return the ready attempts except those held back by `parallel`, lowered meanwhile."""
    taken = Counter(leased)
    allowed = []
    for row in ready:
        study = studies.get(row.study_id)
        if study is None or study.parallel is None or taken[row.study_id] < study.parallel:
            taken[row.study_id] += 1
            allowed.append(row)
    return allowed
