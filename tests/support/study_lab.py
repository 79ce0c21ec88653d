"""A study of one test's own on a server that many tests share, and workers that only serve it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Any

from optuna.trial import FrozenTrial

from tests.support.patience import clock, pause_since
from tests.support.protocol_worker import Held, ProtocolWorker
from tests.support.service_process import ServiceProcess
from tuner.storage.database import open_optuna

CLOSED = ("finished", "failed", "cancelled")
#: Of a study without trials.
COUNTS = {"waiting": 0, "running": 0, "complete": 0, "pruned": 0, "fail": 0}


class Lab:
    """One study. Its image is its own, so no other test's worker gets its trials, and vice versa.

    Args:
        service: the server.
        name: of the study, within the project `faults`.
    """

    def __init__(self, service: ServiceProcess, name: str | None = None) -> None:
        self.service = service
        self.name = name or f"s{secrets.token_hex(6)}"
        self.study = f"faults/{self.name}"
        self.image = f"team/train@sha256:{hashlib.sha256(self.name.encode()).hexdigest()}"
        self.workers: list[ProtocolWorker] = []

    def spec(self, **changes: Any) -> dict[str, Any]:
        """Return a spec that is valid as it is; `changes` replace whole keys."""
        return {
            "project": "faults",
            "study": self.name,
            "objective": "objectives:train",
            "metric": {"name": "score", "goal": "maximize"},
            "search_space": {"x": {"type": "float", "low": 0.0, "high": 1.0}},
            "sampler": {"name": "random", "seed": 7},
            "budget": {"trials": 4},
            "image": self.image,
            **changes,
        }

    def submit(self, **changes: Any) -> dict[str, Any]:
        """Submit the study; see `spec`."""
        document: dict[str, Any] = self.service.post("/studies", {"spec": self.spec(**changes)})
        return document

    def worker(self, name: str | None = None, **facts: Any) -> ProtocolWorker:
        """Return a new worker for this study; the lab closes it."""
        if name is not None:
            facts["name"] = f"{self.name}-{name}"
        worker = ProtocolWorker(self.service, image=self.image, **facts)
        self.workers.append(worker)
        return worker

    def claim(self, name: str | None = None) -> Held:
        """Return an attempt in the hands of a new worker."""
        return self.worker(name).claim()

    def do(self, verb: str, body: Any = None) -> dict[str, Any]:
        """Steer the study: pause, resume, stop, cancel, retry, trials/3/cancel."""
        document: dict[str, Any] = self.service.post(f"/studies/{self.study}/{verb}", body)
        return document

    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = self.service.get(f"/studies/{self.study}")
        return document

    def show(self, number: int) -> dict[str, Any]:
        document: dict[str, Any] = self.service.get(f"/studies/{self.study}/trials/{number}")
        return document

    def trials(self) -> list[dict[str, Any]]:
        documents: list[dict[str, Any]] = self.service.get(f"/studies/{self.study}/trials")
        return documents

    def events(self, kind: str) -> list[dict[str, Any]]:
        events = self.service.get(f"/studies/{self.study}/events")
        return [event for event in events if event["kind"] == kind]

    def attempts(self, number: int) -> list[tuple[str, str | None]]:
        """Return state and cause of each attempt of a trial."""
        return [(a["state"], a["cause"]) for a in self.show(number)["attempt_list"]]

    def wait(self, holds: Callable[[], Any], what: str, timeout_s: float = 30.0) -> Any:
        """Return the first true value of `holds`; the server is asked again and again."""
        began = clock()
        while not (found := holds()):
            if clock() > began + timeout_s:
                raise AssertionError(f"{what}: not within {timeout_s:g} s; {self.status()}")
            pause_since(began, 0.03)
        return found

    def wait_closed(self) -> dict[str, Any]:
        """Return the status of the study once it has ended."""
        self.wait(lambda: self.status()["state"] in CLOSED, "the study ends")
        return self.status()

    def wait_lost(self, held: Held) -> None:
        """Wait until the attempt's lease is over and its trial runs again."""
        no = held.assignment["attempt_no"]
        self.wait(lambda: self.attempts(held.trial)[no - 1][0] == "lost", "the attempt is lost")

    def run(self, worker: ProtocolWorker, objective: Callable[[Held], float]) -> list[Held]:
        """Have one worker run trials until the study has ended; return them in their order."""
        done: list[Held] = []
        while self.status()["state"] not in CLOSED:
            held = worker.try_claim(wait_s=0.3)
            if held is not None:
                assert held.complete(objective(held)).status_code == 200
                done.append(held)
        return done

    def optuna_trials(self) -> list[FrozenTrial]:
        """Return the study's trials as Optuna reads them from the database."""
        storage = open_optuna(self.service.database_url)
        try:
            study = storage.get_study_id_from_name(self.study)
            return storage.get_all_trials(study, deepcopy=False)
        finally:
            storage.remove_session()
            storage.engine.dispose()

    def close(self) -> None:
        """Delete the study, which would cost the server time, and close the connections."""
        if self.service.is_running:
            self.service.call("DELETE", f"/studies/{self.study}")
        for worker in self.workers:
            worker.close()
