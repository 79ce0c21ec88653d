"""The service in one process, without HTTP, Redis or threads of its own, for users' tests.

It is the real one: spec, storage, coordinator, sampler and pruner are those that serve a fleet, on
an SQLite database in a temporary folder. Only what writes to the log root is missing: there are no
event files and no `trial.json`.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner import protocol
from tuner.cli.commands.replay import replay_study
from tuner.cli.writing.export_data import read_export
from tuner.coordinator.loop import Coordinator
from tuner.documents.study import StudyStatus
from tuner.documents.trial import TrialRow
from tuner.errors import SetupError
from tuner.exporters.formats import export_study
from tuner.history.import_report import ImportReport
from tuner.history.importing import Importer
from tuner.history.store.imported import Options
from tuner.history.store.records import Goal
from tuner.local.listed_history import Silent
from tuner.proposals.replaying import Replayed
from tuner.registry.exporters import exporter
from tuner.release import release
from tuner.service.history import HistoryService
from tuner.service.service import Service
from tuner.service.workers.worker_service import WorkerService
from tuner.settings import load_settings
from tuner.storage import open_storage

#: Maximum seconds to wait for a study's first attempt. A proposal takes milliseconds.
PATIENCE_S = 30.0
_PAUSE_S = 0.002


@dataclass(frozen=True, kw_only=True)
class HeldAttempt:
    """An attempt of a trial that a worker holds, with the calls of a worker.

    Attributes:
        assignment: everything that a worker is told.
    """

    assignment: protocol.Assignment
    _service: LocalService
    _token: str
    _claimed: float = field(default_factory=time.monotonic)

    @property
    def study(self) -> str:
        """`project/study`."""
        return self.assignment.study

    @property
    def trial(self) -> int:
        """The trial's number."""
        return self.assignment.trial

    @property
    def params(self) -> dict[str, Any]:
        """The trial's parameters, without inactive ones."""
        return dict(self.assignment.params)

    def report(self, step: int, value: float, **metrics: float) -> protocol.Order:
        """Report the metric after a number of steps.

        Args:
            step: number of finished steps, from 1, ascending.
            metrics: other metrics, by name.

        Returns:
            The order to the trial: "continue", "prune" or "cancel".

        Raises:
            FencedError: the attempt no longer belongs to this worker.
        """
        point = protocol.Point(step=step, value=value, metrics=metrics)
        message = protocol.Report(token=self._token, points=[point])
        return self._service.desk.report(self.assignment.attempt, message).order

    def complete(self, *values: float, **metrics: float) -> bool:
        """Finish with the objective's values in the study's metric order, and other numbers.

        Returns:
            Whether this attempt's result became the trial's outcome.

        Raises:
            FencedError: the attempt no longer belongs to this worker.
        """
        return self._finish("complete", values=list(values), metrics=metrics)

    def prune(self) -> bool:
        """Finish as pruned, after a report was answered with "prune"; see `complete`."""
        return self._finish("pruned")

    def fail(self, cause: protocol.Cause = "error", error: str = "") -> bool:
        """Finish as failed; `error` is what the trial's process printed. See `complete`."""
        return self._finish("failed", cause=cause, error=error)

    def _finish(self, outcome: protocol.Outcome, **facts: Any) -> bool:
        took_s = time.monotonic() - self._claimed
        message = protocol.Finish(token=self._token, outcome=outcome, duration_s=took_s, **facts)
        done = self._service.desk.finish(self.assignment.attempt, message)
        self._service.settle()
        return done.is_outcome


class LocalService:
    """A service whose loop runs when it is used. For a single thread.

    Args:
        folder: for its database; must exist.

    Attributes:
        verbs: all functions of the command line, `submit` to `delete`.
        desk: all functions for workers.
        history: earlier runs; also accepts imports (`tuner.history.store.imported.Ingest`).
    """

    def __init__(self, folder: Path) -> None:
        settings = load_settings({"TUNER_HOME": str(folder)})
        self._storage = open_storage(settings.database_url, create=True)
        # Nothing needs a wake-up: attempts are asked for, not waited for.
        self._coordinator = Coordinator(self._storage, None)
        self.verbs = Service(self._storage, settings, on_change=self._coordinator.wake)
        self.desk = WorkerService(self._storage, self._coordinator)
        self.history = HistoryService(self._storage)

    def __enter__(self) -> LocalService:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, spec: Mapping[str, Any]) -> str:
        """Submit a study in the form of a spec file with its search space inlined; return its name.

        Raises:
            SpecError: the spec is wrong; every problem, one per line.
        """
        return str(self.verbs.submit(dict(spec))["study"])

    def claim(self, study: str | None = None, *, worker: str = "worker-1") -> HeldAttempt | None:
        """Return an attempt for a worker; None: there is none until others have ended.

        Args:
            study: `project/study` of one whose objective is `external`, whose trials must be
                requested by its name; None: any other study.
            worker: its name; a worker holds one attempt at a time.

        Raises:
            SetupError: a study that should have attempts cannot be served; says why.
            NotFoundError: there is no such study.
        """
        token = secrets.token_hex(16)
        info = protocol.WorkerInfo(name=worker, host="here", pid=os.getpid(), release=release())
        message = protocol.Claim(token=token, worker=info, study=study)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self.settle()
            assignment = self.desk.claim(message)
            if assignment is not None:
                return HeldAttempt(assignment=assignment, _service=self, _token=token)
            names = [one["study"] for one in self.verbs.list()] if study is None else [study]
            due = [one for one in map(self.verbs.status, names) if _gives_more(one)]
            if not due:
                return None
            if time.monotonic() > deadline:
                told = "; ".join(f"{one['study']}: {one['reason'] or 'no reason'}" for one in due)
                raise SetupError(f"no attempt within {PATIENCE_S:g} s: {told}")
            time.sleep(_PAUSE_S)

    def run(
        self,
        objective: Callable[[HeldAttempt], float | tuple[float, ...] | None],
        study: str | None = None,
    ) -> None:
        """Run trials until there are no more.

        Args:
            objective: returns the objective's value(s), or None if the trial is to be pruned. What
                it raises is raised here, and the trial stays running.
            study: see `claim`.
        """
        while (held := self.claim(study)) is not None:
            value = objective(held)
            if value is None:
                held.prune()
            else:
                held.complete(*(value if isinstance(value, tuple) else (value,)))

    def status(self, study: str) -> StudyStatus:
        """Return what `tuner status --json` prints.

        Raises:
            NotFoundError: there is no such study.
        """
        self.settle()
        return self.verbs.status(study)

    def best(self, study: str, n: int = 10) -> list[TrialRow]:
        """Return what `tuner best --json` prints: the best `n` complete trials, best first.

        Raises:
            NotFoundError: there is no such study.
        """
        self.settle()
        return self.verbs.best(study, n)

    def import_history(
        self, path: Path | str, *, goals: Mapping[str, Goal] | None = None
    ) -> ImportReport:
        """Read earlier runs into the history, as `tuner history add` does.

        Args:
            path: a file or folder, or the URL of a database.
            goals: "maximize" or "minimize" by metric name; None: as the files say.

        Raises:
            SpecError: there is no such path.
        """
        options = None
        if goals is not None:
            options = Options(metrics=tuple(goals), goals=tuple(goals.values()))
        return Importer(self.history, options, Silent()).add(str(path))

    def export(self, study: str, kind: str, path: Path) -> None:
        """Write the ended trials to a new file or folder, as `tuner export` does.

        Args:
            study: `project/study`.
            path: where to write; nothing may exist there.

        Raises:
            NotFoundError: there is no such study.
            UnknownNameError: there is no such exporter.
            SetupError: it cannot be written, or the path exists.
        """
        self.settle()
        with tempfile.TemporaryDirectory(prefix="tuner-export-") as folder:
            curves = exporter(kind).takes_curves
            spool = Path(folder, "trials.jsonl")
            found, _ = read_export(self.verbs, study, spool, curves=curves)
            export_study(kind, found, path)

    def replay(self, study: str) -> list[Replayed]:
        """Make every proposal of a study again from its record, as `tuner replay` does.

        Raises:
            NotFoundError: there is no such study.
        """
        self.settle()
        return [result for _, result in replay_study(self.verbs, study)]

    def settle(self) -> None:
        """Let the coordinator process what was finished, and propose."""
        self._coordinator.look_around()

    def close(self) -> None:
        """Close the database."""
        self._coordinator.close()
        self._storage.close()


def _gives_more(status: StudyStatus) -> bool:
    """Whether a study can assign another attempt in addition to the running ones."""
    running, budget = status["counts"]["running"], status["budget"]
    is_full = running >= (status["parallel"] or math.inf)
    is_used = budget["used"] + running >= (budget["trials"] or math.inf)
    return status["state"] == "running" and not is_full and not is_used


@contextlib.contextmanager
def service() -> Iterator[LocalService]:
    """Provide a service of its own, empty, for the block.

    with tuner.testing.service() as s:
        study = s.submit(spec)
        s.run(lambda held: train(held.params))
        assert s.status(study)["counts"]["complete"] == 10
    """
    with (
        tempfile.TemporaryDirectory(prefix="tuner-testing-") as folder,
        LocalService(Path(folder)) as made,
    ):
        yield made
