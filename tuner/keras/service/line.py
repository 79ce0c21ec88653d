"""The worker side of the HTTP API, for a process that executes the trials of one study."""

from __future__ import annotations

import json
from typing import TypeVar
from urllib.parse import quote

import httpx

from tuner.connection import Connection
from tuner.errors import UnavailableError
from tuner.protocol import (
    BEAT_S,
    Assignment,
    Beat,
    Claim,
    Finished,
    Message,
    ProtocolError,
    Reply,
    Report,
    dumps,
)

_M = TypeVar("_M", bound=Message)
_JSON = {"Content-Type": "application/json"}


class WorkerLine(Connection):
    """Claim, beat, report, finish; every call may be repeated unchanged. Thread-safe.

    Every method raises `UnavailableError` if there is no answer, `StudyError` if the attempt no
    longer belongs to this process, and `SpecError` for a message that would never be accepted.
    """

    def beat_s(self) -> float:
        """Return the interval of beats that the server asks for, in seconds."""
        try:
            return float(self._get("/config").get("beat_s", BEAT_S))
        except (TypeError, ValueError) as exc:
            raise UnavailableError(f"{self.url}: {exc}") from exc

    def claim(self, claim: Claim) -> Assignment | None:
        """Ask for an attempt; None if there is none."""
        answer = self._post("/claim", dumps(claim))
        return None if answer.status_code == 204 else self._parse(Assignment, answer)

    def beat(self, beat: Beat) -> Reply:
        """Send a sign of life for an attempt."""
        answer = self._post("/beat", dumps(beat))
        return Reply() if answer.status_code == 204 else self._parse(Reply, answer)

    def report(self, attempt: str, report: Report) -> Reply:
        """Post points of an attempt, in step order."""
        return self._parse(Reply, self._post(_path(attempt, "report"), dumps(report)))

    def finish(self, attempt: str, body: str) -> Finished:
        """Report how an attempt ended; `body` is the same on every repetition."""
        return self._parse(Finished, self._post(_path(attempt, "finish"), body))

    def _post(self, path: str, body: str) -> httpx.Response:
        return self._send("POST", path, content=body, headers=_JSON)

    def _parse(self, kind: type[_M], answer: httpx.Response) -> _M:
        try:
            return kind.from_json(json.loads(answer.content))
        except (ProtocolError, ValueError) as exc:
            raise UnavailableError(f"{self.url}: {exc}") from exc


def _path(attempt: str, verb: str) -> str:
    return f"/attempts/{quote(attempt, safe='')}/{verb}"
