"""A worker that speaks the protocol and trains nothing: the test decides what it says, and when."""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.patience import clock
from tests.support.service_process import TOKEN, ServiceProcess


@dataclass
class Held:
    """An attempt that a worker holds, and what may be said about it."""

    worker: ProtocolWorker
    token: str
    assignment: dict[str, Any]

    @property
    def attempt(self) -> str:
        return str(self.assignment["attempt"])

    @property
    def trial(self) -> int:
        return int(self.assignment["trial"])

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.assignment["params"])

    def report(self, step: int, value: Any, **metrics: float) -> httpx.Response:
        return self.report_points([{"step": step, "value": value, "metrics": metrics}])

    def report_points(self, points: list[dict[str, Any]]) -> httpx.Response:
        return self.post("report", {"token": self.token, "points": points})

    def beat(self) -> httpx.Response:
        body = {"state": "busy", "attempt": self.attempt, "token": self.token}
        return self.worker.beat(body)

    def complete(self, *values: Any, **changes: Any) -> httpx.Response:
        return self.finish("complete", values=list(values), **changes)

    def pruned(self) -> httpx.Response:
        return self.finish("pruned")

    def fail(self, cause: str, error: str = "") -> httpx.Response:
        return self.finish("failed", cause=cause, error=error)

    def finish(self, outcome: str, **changes: Any) -> httpx.Response:
        return self.post("finish", self.finish_body(outcome, **changes))

    def finish_body(self, outcome: str, **changes: Any) -> dict[str, Any]:
        return {"token": self.token, "outcome": outcome, "duration_s": 0.5, **changes}

    def post(self, verb: str, body: Any) -> httpx.Response:
        return self.worker.post(f"/attempts/{self.attempt}/{verb}", body)


@dataclass
class ProtocolWorker:
    """One worker. It is not told to wait: every call goes out at once and is not repeated."""

    service: ServiceProcess
    name: str = field(default_factory=lambda: f"worker-{secrets.token_hex(4)}")
    image: str | None = None
    device: str = "cpu"
    #: None: it is of a release that did not say them.
    device_ids: list[str] | None = None
    #: Not this host's name: the server looks after processes of its own host.
    host: str = "elsewhere"
    pid: int = 1

    def __post_init__(self) -> None:
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=60,
            verify=False,  # noqa: S501 - plain HTTP; the default would read all certificates
        )

    def info(self) -> dict[str, Any]:
        ids = self.device_ids
        return {
            **({} if ids is None else {"device_ids": ids, "device_id": ids[0]}),
            "name": self.name,
            "host": self.host,
            "pid": self.pid,
            "device": self.device,
            "image": self.image,
        }

    def post(self, path: str, body: Any) -> httpx.Response:
        # As the workers write it: what is not ASCII is escaped, also what no text may hold.
        return self._client.post(f"{self.service.url}/v1{path}", content=json.dumps(body))

    def beat(self, body: dict[str, Any] | None = None) -> httpx.Response:
        return self.post("/beat", {"worker": self.info(), **(body or {"state": "idle"})})

    def claim_body(self, token: str | None = None, wait_s: float = 0.0) -> dict[str, Any]:
        token = token or secrets.token_hex(16)
        return {"token": token, "worker": self.info(), "wait_s": wait_s}

    def try_claim(self, token: str | None = None, wait_s: float = 0.0) -> Held | None:
        """Claim once; None when the server has nothing."""
        body = self.claim_body(token, wait_s)
        response = self.post("/claim", body)
        if response.status_code == 204:
            return None
        assert response.status_code == 200, response.text
        return Held(self, body["token"], response.json())

    def claim(self, timeout_s: float = 30.0) -> Held:
        """Claim until there is something; also while the server is being started."""
        deadline = clock() + timeout_s
        while clock() < deadline:
            # Shorter than the time after which the server forgets a worker that says nothing.
            held = self.try_claim(wait_s=0.3)
            if held is not None:
                return held
        raise AssertionError(f"nothing for {self.name} within {timeout_s:g} s")

    def finds_nothing(self, for_s: float = 0.25) -> bool:
        """Whether the server keeps having nothing, although it was asked to look."""
        return self.try_claim() is None and self.try_claim(wait_s=for_s) is None

    def close(self) -> None:
        self._client.close()


def here() -> dict[str, Any]:
    """Return host and pid of a worker on the server's own host, as this process."""
    return {"host": socket.gethostname(), "pid": os.getpid()}
