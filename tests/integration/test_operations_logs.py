"""JSON logs of a real `tuner serve` and a real worker: each line parses, none tells a secret."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy import make_url

from tests.acceptance.home import Running, open_home
from tests.integration.workers_process import Started
from tests.support.patience import wait_until
from tuner.queue.redis_process import RedisServer
from tuner.storage import tables

TOKEN = "canary-token-7f31" * 2
PASSWORD = "canary-password-8c02"
STUDY = "operations/logs"
SPEC = {
    "project": "operations",
    "study": "logs",
    "objective": "workers_trials:noop",
    "metric": {"name": "score", "goal": "maximize"},
    "search_space": {"canary_parameter": {"type": "fixed", "value": 1}, "x": {
        "type": "float", "low": 0.0, "high": 1.0}},
    "sampler": {"name": "random", "seed": 7},
    "budget": {"trials": 2},
}  # fmt: skip


class Service:
    """A `tuner serve` and one worker that log as JSON, and what they have said."""

    def __init__(self, serving: Running, database_url: str) -> None:
        self.serving = serving
        self.engine = sa.create_engine(database_url)
        self.token = TOKEN
        self.url = ""
        self.url = str(self.find("serving")["url"])
        self.worker: Started | None = None

    def lines(self) -> list[dict[str, Any]]:
        """Return what the server has logged; every line is an object."""
        return [json.loads(line) for line in self.serving.text.splitlines()]

    def find(self, message: str, **facts: Any) -> dict[str, Any]:
        """Wait for a line with this message and these facts."""

        def found() -> dict[str, Any] | None:
            lines = self.lines() if self.serving.text.endswith("\n") else []
            right = (
                line for line in lines if {"message": message, **facts}.items() <= line.items()
            )
            return next(right, None)

        wait_until(found, f"no line {message!r} {facts}", seconds=60)
        return found() or {}

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return httpx.request(method, f"{self.url}/v1{path}", json=body, headers=headers, timeout=30)

    def execute(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement))


@pytest.fixture
def service(tmp_path: Path, postgres_url: str, private_redis: RedisServer) -> Iterator[Service]:
    url = make_url(postgres_url).set(password=PASSWORD).render_as_string(hide_password=False)
    with (
        open_home(
            tmp_path,
            TUNER_LOG_FORMAT="json",
            TUNER_TOKEN=TOKEN,
            TUNER_DATABASE_URL=url,
            TUNER_REDIS_URL=private_redis.url,
        ) as home,
        home.process("serve", "--port", "0") as serving,
    ):
        service = Service(serving, postgres_url)
        options = ["run", "--name=w0", "--preimport=none"]
        service.worker = Started(options, tmp_path / "worker", service)  # type: ignore[arg-type]
        yield service
        service.worker.close()
        service.engine.dispose()


def test_every_line_is_json_and_holds_no_secret(service: Service) -> None:
    assert service.call("POST", "/studies", {"spec": SPEC}).status_code == 200
    path = f"/studies/{STUDY}"
    wait_until(
        lambda: service.call("GET", path).json()["state"] == "finished", "no end", seconds=60
    )
    # What is not there any more makes the database refuse, and what is not JSON is a fault of ours.
    service.execute("ALTER TABLE tuner_events RENAME TO tuner_canary_events")
    refused = service.call("GET", f"{path}/events?after=3")
    service.execute("ALTER TABLE tuner_canary_events RENAME TO tuner_events")
    service.execute(
        "INSERT INTO tuner_tokens (name, digest, scopes_json, projects_json, created)"
        " VALUES ('canary_parameter', 'd', '{', 'null', 1)"
    )
    failed = service.call("GET", "/tokens")
    with service.engine.connect() as connection:
        tokens = connection.execute(sa.select(tables.attempts.c.token)).scalars().all()
    assert service.worker is not None
    service.worker.terminate()
    assert service.worker.wait() == 0
    service.serving.process.send_signal(signal.SIGTERM)
    assert service.serving.wait() == 0

    for answer, status, message, route in (
        (refused, 503, "request not served", "/v1/studies/{project}/{study}/events"),
        (failed, 500, "request failed", "/v1/tokens"),
    ):
        document = answer.json()
        assert document["status"] == answer.status_code == status
        line = service.find(message, request_id=document["request_id"])
        assert (line["method"], line["status"]) == ("GET", status)
        assert line["route"] == route
        assert ("exception" in line) == (status == 500)
    assert failed.json()["request_id"] in failed.json()["detail"], "a user sees which line it is"

    worker_lines = [json.loads(line) for line in service.worker.log_path.read_text().splitlines()]
    for line in [*service.lines(), *worker_lines]:
        assert {"time", "level", "logger", "message"} <= set(line)
        assert line["time"].endswith("Z")
    assert {line["worker"] for line in worker_lines} == {"w0"}
    for trial in (0, 1):
        assert service.find("trial proposed", trial=trial)["study"] == STUDY
        ended = [line for line in worker_lines if line["message"] == "trial ended"]
        assert ended[trial]["study"] == STUDY
        assert ended[trial]["attempt"] == f"s1-t{trial}-a1"
    assert [line["message"] for line in service.lines()][-1] == "server ended"
    said = service.serving.text + service.worker.log_path.read_text()
    secrets = [TOKEN, PASSWORD, "canary_parameter", "after=3", *filter(None, tokens)]
    assert len(tokens) == 2
    assert not [secret for secret in secrets if secret in said]


def test_what_is_wrong_with_the_format_itself_is_said(tmp_path: Path) -> None:
    with open_home(tmp_path, TUNER_LOG_FORMAT="yaml") as home:
        done = home.run("serve")
        assert done.code == 2
        assert done.err == "tuner: TUNER_LOG_FORMAT=yaml: must be text or json\n"
