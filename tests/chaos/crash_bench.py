"""A server that dies at a fault point, a worker that does not mind, and the study of one test."""

from __future__ import annotations

import contextlib
import secrets
import select
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.check_files import check_files
from tests.chaos.check_rows import best, check_rows, check_values
from tests.chaos.rows import StudyRows
from tests.support.patience import clock
from tests.support.protocol_worker import Held, ProtocolWorker
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import CLOSED, Lab
from tuner.space import SearchSpace

TRIALS = 5
RETRIES = 2
#: A server that has not died by then has not come to the point.
REACHED_S = 15.0


def value(params: Any) -> float:
    """Return the objective of a configuration, which is also what it reports."""
    return float(params["x"]) / 3


@dataclass
class Stubborn:
    """A worker that repeats every call until it is answered, as real ones do."""

    worker: ProtocolWorker
    reports: bool = False
    held: Held | None = None
    token: str = field(default_factory=lambda: secrets.token_hex(16))

    def step(self) -> None:
        """Make one call; one that is not answered is made again by the next step."""
        with contextlib.suppress(httpx.TransportError):
            if self.held is None:
                self.held = self.worker.try_claim(self.token, wait_s=0.1)
            else:
                self._finish(self.held)
                self.held = None
            if self.held is None:
                self.token = secrets.token_hex(16)

    def _finish(self, held: Held) -> None:
        if self.reports:
            held.report(1, value(held.params))
        assert held.complete(value(held.params)).status_code in (200, 409)


class Bench:
    """One server, which dies again and again, and the study of one test."""

    def __init__(self, service: ServiceProcess) -> None:
        self.service = service
        self.lab = Lab(service)
        self.worker = Stubborn(self.lab.worker())
        self.spec: dict[str, Any] = {}

    def doom(self, point: str, times: int = 1) -> None:
        """Start the server so that it dies at `point`; it may do so before it answers."""
        self.log_size = self.service.log.stat().st_size if self.service.log.exists() else 0
        with contextlib.suppress(AssertionError):
            self.service.start(fault=f"{point}:kill:{times}")

    def submit(self, **changes: Any) -> None:
        """Submit the study, unless the server has died before."""
        self.spec = {"budget": {"trials": TRIALS}, "trial": {"retries": RETRIES}, **changes}
        with contextlib.suppress(httpx.TransportError):
            if self.service.is_running:
                self.lab.submit(**self.spec)

    def is_dead(self, within_s: float = 0.0) -> bool:
        """Whether the server is dead; it is taken for ended then."""
        if not self.service.is_running:
            return True
        if not select.select([self.service._pidfd], [], [], within_s)[0]:
            return False
        self.service.kill()
        return True

    def tune_until(self, is_so: Callable[[], bool]) -> None:
        """Have the worker run trials until a condition holds."""
        deadline = clock() + REACHED_S
        while not is_so():
            assert clock() < deadline, "not reached"
            self.worker.step()

    def is_closed(self) -> bool:
        """Whether the study has ended."""
        return self.lab.status()["state"] in CLOSED

    def violations(self) -> list[str]:
        """Return what is wrong with the study, whose server has ended."""
        rows = StudyRows(self.service.database_url, "faults", self.lab.name)
        space = SearchSpace.from_json({"parameters": self.lab.spec()["search_space"], "forbid": []})
        found = list(check_rows(rows, space, budget=TRIALS, retries=RETRIES))
        if rows.has_gaps:
            return found
        return [
            *found,
            *check_values(rows, value, lambda params, _step: value(params)),
            *check_files(rows, self.service.log_root),
            *([] if best(rows, "maximize") is not None else ["no trial is complete"]),
        ]
