"""What users can ask: lists, states, leaderboards. Reads our tables, never through Optuna."""

from __future__ import annotations

import logging
from functools import partial

import sqlalchemy as sa

from tuner.documents.demand import WorkerDemand
from tuner.documents.explanations.explanation import Explanation
from tuner.documents.explanations.trial_explanation import TrialExplanation
from tuner.documents.importance import Importance
from tuner.documents.proposals import Proposals
from tuner.documents.study import StudyStatus
from tuner.documents.trial import EventRow, LogPiece, TrialDetail, TrialRow
from tuner.documents.workers import WorkerRow
from tuner.errors import NotFoundError, SpecError
from tuner.integrity.raw import raw_named, sound_study, visible_studies
from tuner.integrity.values import wrong_values
from tuner.roots import Place
from tuner.service.answers.ranking import front
from tuner.service.answers.reach import covered, covered_worker
from tuner.service.answers.stops import stop_document
from tuner.service.answers.times import iso
from tuner.service.answers.views import (
    STATES,
    attempt_document,
    event_document,
    metrics_of,
    status_or_fault,
    trial_documents,
)
from tuner.service.answers.worker_rows import worker_document
from tuner.service.demand.kinds import Like
from tuner.service.demand.reading import Demand
from tuner.service.explanations.pruning_account import PruningAccounts
from tuner.service.importance.asking import Importances
from tuner.service.logfile import EMPTY, read_log
from tuner.service.roots import unfiled
from tuner.service.roots.hands import Hands
from tuner.settings import Settings
from tuner.storage import Storage, tables
from tuner.trials.states import TrialState
from tuner.trials.store.listings.listed_workers import ListedWorker, listed_workers
from tuner.trials.store.listings.logbook import (
    attempts_of,
    events_after,
    events_of_trial,
    newest_run_dir,
    reports_of,
)
from tuner.trials.store.listings.ranking import MAX_ROWS, in_state, ranked
from tuner.trials.store.studies import find_study, find_study_row
from tuner.trials.store.trials import find_trial, trials_of

logger = logging.getLogger(__name__)

#: Maximum number of proposal records, with their trials' curves, in one answer.
MAX_PAGE = 1000
#: For reading logs: number of threads, maximum seconds for one log, and for getting a thread.
_LOG_HANDS, _LOG_PATIENCE_S, _LOG_QUEUE_S = 4, 3.0, 1.0

#: Inside `Reader`, the name `list` is a method.
Statuses = list[StudyStatus]
Rows = list[TrialRow]
Events = list[EventRow]
Workers = list[WorkerRow]


class Reader:
    """Answers questions about studies, trials and workers; changes nothing."""

    def __init__(self, storage: Storage, settings: Settings) -> None:
        self._storage = storage
        self._settings = settings
        self._demand = Demand(storage)
        self._accounts = PruningAccounts()
        self._importances = Importances()
        # A file system that does not answer blocks these threads and none of the server's.
        self._log_hands = Hands("log-hand", _LOG_HANDS, _LOG_PATIENCE_S, queue_s=_LOG_QUEUE_S)

    def list(self) -> Statuses:
        """Return the status of every study, newest first."""
        with self._storage.read() as connection:
            now = self._storage.now(connection)
            return [status_or_fault(connection, row, now) for row in visible_studies(connection)]

    def status(self, study: str) -> StudyStatus:
        """Return the state of a study.

        Raises:
            NotFoundError: there is no such study.
        """
        with self._storage.read() as connection:
            row = raw_named(connection, study)
            status = status_or_fault(connection, row, self._storage.now(connection))
            if status["fault"] is None:
                status["pruning"] = self._accounts.of(connection, sound_study(row))
            status["unfiled"] = unfiled.of_study(connection, row["id"])
            return status

    def best(self, study: str, n: int = 10, *, all: bool = False) -> Rows:
        """Return the best trials, best first; of equals, the lower number.

        With several metrics, the Pareto front. With `all`, PRUNED and then FAIL follow.
        """
        with self._storage.read() as connection:
            row = find_study_row(connection, study)
            metrics = metrics_of(row.spec_json)
            trials = (
                front(connection, row.id, [metric["goal"] for metric in metrics])
                if len(metrics) > 1
                else ranked(connection, row.id, metrics[0]["goal"], n)
            )
            if all:
                trials += in_state(connection, row.id, TrialState.PRUNED, metrics[0]["goal"])
                trials += in_state(connection, row.id, TrialState.FAIL, None)
            return trial_documents(connection, row.id, trials[:n])

    def trials(
        self, study: str, state: str | None = None, limit: int = 1000, offset: int = 0
    ) -> Rows:
        """Return trials in number order, optionally those of one state.

        Raises:
            SpecError: `state` is none of waiting, running, complete, pruned, fail.
        """
        if state is not None and state not in STATES:
            raise SpecError(f"state: {state!r}: one of {', '.join(STATES)}")
        limit = min(max(limit, 0), MAX_ROWS)
        wanted = None if state is None else TrialState(state)
        with self._storage.read() as connection:
            study_id = find_study(connection, study).id
            found = trials_of(connection, study_id, state=wanted, limit=limit, offset=offset)
            return trial_documents(connection, study_id, found)

    def show(self, study: str, number: int) -> TrialDetail:
        """Return everything about a trial: its attempts, reports and events."""
        with self._storage.read() as connection:
            found = find_study(connection, study)
            trial = find_trial(connection, found, number)
            (document,) = trial_documents(connection, found.id, [trial])
            attempts = attempts_of(connection, found.id, number)
            reports = reports_of(connection, found.id, number)
            events = events_of_trial(connection, found.id, number)
            stop = stop_document(connection, trial.optuna_id)
            missing = unfiled.of_trial(connection, found.id, number)
        shown: TrialDetail = {
            **document,
            "values": trial.values,
            "error": trial.error,
            "seed": trial.seed,
            "code": trial.code,
            "proposal": trial.proposal,
            "stop": stop,
            "attempt_list": [attempt_document(attempt) for attempt in attempts],
            "reports": [
                {
                    "attempt": report.no,
                    "step": report.step,
                    "value": report.value,
                    "time": iso(report.time),
                }
                for report in reports
            ],
            "events": [event_document(event) for event in events],
            "unfiled": missing,
        }
        return covered(shown)

    def log(
        self, study: str, number: int, offset: int = 0, limit: int = 65536, *, raw: bool = False
    ) -> LogPiece:
        """Return what the trial's newest attempt printed, from byte `offset` on.

        Returns:
            `text` (with `raw` the bytes in `base64`), `next_offset` (where to continue), `size` of
            the entire output and the number of bytes of its beginning that are `gone`.

        Raises:
            NotFoundError: there is no such trial, or something else is in place of the log.
            UnavailableError: the log root does not answer.
        """
        with self._storage.read() as connection:
            found = find_study(connection, study)
            find_trial(connection, found, number)
            run_dir = newest_run_dir(connection, found.id, number)
        if run_dir is None:
            return EMPTY.copy()
        try:
            place = Place(self._settings.log_root, run_dir)
        except ValueError as exc:
            raise NotFoundError(f"the log cannot be read: {exc}") from exc
        # A unique key: what hangs for one caller need not hang for another.
        return self._log_hands.do(
            object(),
            f"the log of {study} {number}",
            partial(read_log, place, offset, limit, raw=raw),
        )

    def events(self, study: str, after: int = 0, limit: int = 1000) -> Events:
        """Return the events of a study with an id above `after`, oldest first."""
        most = min(max(limit, 0), MAX_ROWS)
        with self._storage.read() as connection:
            study_id = find_study_row(connection, study).id
            return list(map(event_document, events_after(connection, study_id, after, most)))

    def proposals(self, study: str, offset: int = 0, limit: int = MAX_PAGE) -> Proposals:
        """Return the records of a study's proposals, and what they were made from.

        Returns:
            `spec` and `seed` of the study, the number `total` of trials, and up to `MAX_PAGE`
            `trials` in number order from `offset` on.
        """
        from tuner.service.proposals import proposal_page

        limit = min(max(limit, 0), MAX_PAGE)
        with self._storage.read() as connection:
            return covered(proposal_page(connection, find_study(connection, study), offset, limit))

    def artifact(self, study: str, key: str) -> bytes:
        """Return the study's stored history by the key that its proposals name.

        Raises:
            NotFoundError: there is no such study or artifact.
        """
        from tuner.service.proposals import read_artifact

        with self._storage.read() as connection:
            return read_artifact(connection, find_study(connection, study), key)

    def explain(self, study: str, limit: int = 100, *, gain: bool = True) -> Explanation:
        """Return what a study took from history: sources, trust, and gain.

        Args:
            study: the study's name.
            limit: maximum number of proposals to list; if there are more, the first and the last
                half.
            gain: whether to estimate the gain, which takes a second.
        """
        # Importing Optuna and scipy takes a second, which no other request needs.
        from tuner.service.explanations.explaining import explain_study

        with self._storage.read() as connection:
            row = find_study(connection, study)
            trials = trials_of(connection, row.id)
        limit = min(max(limit, 0), MAX_ROWS)
        return covered(explain_study(self._storage, row, trials, limit=limit, gain=gain))

    def explain_trial(self, study: str, number: int) -> TrialExplanation:
        """Return why a trial was proposed, and the historic trials nearest to it."""
        from tuner.service.explanations.explaining import explain_trial

        with self._storage.read() as connection:
            row = find_study(connection, study)
            trial = find_trial(connection, row, number)
            trials = trials_of(connection, row.id)
        return covered(explain_trial(self._storage, row, trials, trial))

    def importance(self, study: str) -> Importance:
        """Return which parameters matter in a study, and which best values lie at a bound."""
        with self._storage.read() as connection:
            return self._importances.of(connection, find_study(connection, study))

    def find_fault(self, study: str) -> str:
        """Return what is wrong with a study's rows, for a caller that failed because of them.

        Returns:
            A sentence; empty if nothing is wrong, or there is no such study.
        """
        project, _, name = study.partition("/")
        s = tables.studies
        with self._storage.read() as connection:
            query = sa.select(s.c.id).where(s.c.project == project, s.c.name == name)
            study_id = connection.execute(query).scalar_one_or_none()
        # The checks bring Optuna along, half of what it takes to import all this.
        from tuner.integrity.diagnosis import diagnose

        found = "" if study_id is None else diagnose(self._storage, study_id)
        if not found:
            return ""
        look = f"what is wrong, and what can be repaired: tuner db check {study}"
        return f"{study} cannot be read: {found}; {look}"

    def demand(
        self, device: str | None = None, gpus: int | None = None, image: str | None = None
    ) -> WorkerDemand:
        """Return how many workers the studies could use now, and why.

        Args:
            device: only what a worker with this device could run; None: any.
            gpus: number of GPUs that it owns; None: any number.
            image: the image it runs in, empty for none; None: any.
        """
        return self._demand.read(Like(device=device, gpus=gpus, image=image))

    def workers(self) -> Workers:
        """Return the workers heard of within the last lease, and what they run."""
        with self._storage.read() as connection:
            found = listed_workers(connection, self._storage.now(connection))
        return [covered_worker(worker_document(worker)) for worker in found if _is_sound(worker)]


def _is_sound(worker: ListedWorker) -> bool:
    """Whether a worker's row can be shown: one that cannot does not remove others from the list."""
    wrong = next(wrong_values(tables.workers, worker.row), None)
    if wrong is not None:
        logger.warning("worker not readable", extra={"worker": worker.name, "why": wrong.text})
    return wrong is None
