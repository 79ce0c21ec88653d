"""A peer that speaks the worker side of /v1, for tests of the workers alone.

It is the network's other end, scripted: it hands out the attempts that it is given and keeps every
message.
"""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import json
import socket
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.patience import wait_until

TOKEN = "peer-token-7f3a"


class Peer:
    """The state of the peer; its attributes may be changed while it serves."""

    def __init__(self, redis_url: str | None = None) -> None:
        self.config: dict[str, Any] = {
            "protocol": 1,
            "release": "0.1.0",
            "redis_url": redis_url,
            "beat_s": 0.3,
            "lease_s": 20.0,
        }
        self.token = TOKEN
        self.ready: list[dict[str, Any]] = []
        self.claims: dict[str, dict[str, Any] | None] = {}
        self.tokens: dict[str, str] = {}
        self.reports: dict[str, list[dict[str, Any]]] = defaultdict(list)
        #: Parameters of hypermodels that came with reports.
        self.found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.posts: dict[str, list[float]] = defaultdict(list)
        self.finishes: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.beats: list[dict[str, Any]] = []
        self.orders: dict[str, str] = {}
        #: Attempts whose reports, beats and finishes are refused with this status.
        self.fenced: dict[str, int] = {}
        #: Attempts of which nothing but a failure is taken, and with which status it is refused.
        self.refused: dict[str, int] = {}
        #: Attempts that do not become the outcome.
        self.losers: set[str] = set()
        self.snapshots: dict[str, bytes] = {}
        #: Number of finishes that are received and answered with 503.
        self.broken_finishes = 0
        self.drain = False
        #: Claims for which there was nothing.
        self.unanswered = 0
        #: How far its clock is ahead, as the answers' dates say it.
        self.clock_off_s = 0.0
        self.largest_body = 0
        self.lock = threading.Lock()
        self.open(0)

    def open(self, port: int) -> None:
        """Serve, on a free port if `port` is 0; after `close` with what was known before."""
        self.server = _Server(("127.0.0.1", port), _Handler)
        self.server.peer = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def offer(self, objective: str, *, attempt: str = "s1-t0-a1", **fields: Any) -> str:
        """Have an attempt ready to be claimed; return its id."""
        number = int(attempt.split("-t")[1].split("-")[0])
        no = int(attempt.rsplit("-a", 1)[1])
        assignment = {
            "attempt": attempt,
            "study": "vision/digits",
            "trial": number,
            "attempt_no": no,
            "params": {"x": 0.5, "layers": 2},
            "seed": 7,
            "objective": objective,
            "metrics": [{"name": "score", "goal": "maximize"}],
            "run_dir": f"vision/digits/trial_{number:05d}-20261122T231005Z-a{no}",
            "checkpoint_dir": f"vision/digits/trial_{number:05d}",
            "config": {"spec": {"project": "vision"}},
            **fields,
        }
        with self.lock:
            self.ready.append(assignment)
        return attempt

    def send_code(self, archive: bytes) -> str:
        """Hold a snapshot; return its hash."""
        sha256 = hashlib.sha256(archive).hexdigest()
        self.snapshots[sha256] = archive
        return sha256

    def wait_finish(self, attempt: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """Return the finish of an attempt."""
        wait_until(lambda: self.finishes[attempt], f"no finish of {attempt}", seconds=timeout_s)
        return self.finishes[attempt][-1]

    def close(self) -> None:
        """Stop serving and break off every connection."""
        self.server.shutdown()
        self.server.server_close()
        for connection in self.server.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Return status and document of one call."""
        with self.lock:
            parts = path.strip("/").split("/")
            if parts[1] == "config":
                return 200, self.config
            if parts[1] == "claim":
                return self._claim(body)
            if parts[1] == "beat":
                self.beats.append(body)
                if status := self.fenced.get(body.get("attempt") or ""):
                    return status, {"detail": "fenced"}
                order = self.orders.get(body.get("attempt") or "", "continue")
                return 200, {"order": order, "drain": self.drain}
            if parts[1] == "code":
                data = self.snapshots.get(parts[2])
                return (200, data) if data is not None else (404, {"detail": "no such code"})
            return self._attempt(parts[2], parts[3], body)

    def _claim(self, body: dict[str, Any]) -> tuple[int, Any]:
        token = body["token"]
        if token not in self.claims and self.ready:
            assignment = self.ready.pop(0)
            self.claims[token] = assignment
            self.tokens[assignment["attempt"]] = token
        assignment = self.claims.get(token)
        self.unanswered += assignment is None
        return (200, assignment) if assignment else (204, None)

    def _attempt(self, attempt: str, verb: str, body: dict[str, Any]) -> tuple[int, Any]:
        if status := self.fenced.get(attempt):
            return status, {"detail": "fenced"}
        if (status := self.refused.get(attempt)) and body.get("outcome") != "failed":
            return status, {"detail": "that is too much"}
        if body["token"] != self.tokens.get(attempt):
            return 409, {"detail": "another worker has this attempt"}
        if verb == "report":
            self.posts[attempt].append(time.monotonic())
            # As the server does: of a report that comes again the first counts.
            known = {point["step"] for point in self.reports[attempt]}
            self.reports[attempt] += [p for p in body["points"] if p["step"] not in known]
            self.found[attempt] += body.get("found", [])
            return 200, {"order": self.orders.get(attempt, "continue"), "drain": self.drain}
        earlier = self.finishes[attempt]
        if earlier and earlier[0] != body:
            return 409, {"detail": "finished otherwise"}
        earlier.append(body)
        if len(earlier) <= self.broken_finishes:
            return 503, {"detail": "try again"}
        is_outcome = attempt not in self.losers
        outcome = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}[body["outcome"]]
        objective = body["values"][0] if body["values"] else None
        record = {"version": 1, "attempt": attempt, "outcome": outcome, "objective": objective}
        return 200, {"is_outcome": is_outcome, "record": record}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    peer: Peer

    def __init__(self, *arguments: Any) -> None:
        self.connections: list[socket.socket] = []
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.append(request)
        super().process_request(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        peer = self.server.peer
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        peer.largest_body = max(peer.largest_body, len(raw))
        if self.headers.get("Authorization") != f"Bearer {peer.token}":
            status, document = 401, {"detail": "unknown token"}
        else:
            status, document = peer.answer(self.command, self.path, json.loads(raw or b"{}"))
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        if status == 204:
            data = b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = _serve  # noqa: N815

    def date_time_string(self, timestamp: float | None = None) -> str:
        now = time.time() if timestamp is None else timestamp
        return email.utils.formatdate(now + self.server.peer.clock_off_s, usegmt=True)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
