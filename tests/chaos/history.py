"""What crossed the wire between workers and servers: a line of JSON for every call."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(kw_only=True)
class Call:
    """One request that reached a server, or may have: what was asked, what was answered.

    Attributes:
        kind: claim, report, beat, finish, or another.
        link: that it came through.
        sent, answered: seconds since the history began; `answered` is None without an answer.
        attempt: of the path; for a claim the one that was given.
        body: the request.
        status: None when no answer came.
        answer: the part of the answer that is checked.
        fault: what was done to it: lost, twice, late, or nothing.
    """

    kind: str
    link: str
    sent: float
    attempt: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    answered: float | None = None
    status: int | None = None
    answer: dict[str, Any] = field(default_factory=dict)
    fault: str = ""

    @property
    def token(self) -> str:
        return str(self.body.get("token") or "")


class History:
    """The calls in the order of their answers, in a file. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        #: Attempts whose calls are all under way until they are taken out, whatever link they use.
        self.held: set[str] = set()
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._file = path.open("w", encoding="utf-8")

    def now(self) -> float:
        """Return the seconds since the history began."""
        return time.monotonic() - self._began

    def add(self, call: Call) -> None:
        """Append a call; idle beats and empty answers to claims are only counted."""
        with self._lock:
            self.statuses[f"{call.kind} {call.status}"] += 1
            if call.fault:
                self.faults[f"{call.kind} {call.fault}"] += 1
            if call.attempt or call.status not in (200, 204):
                line = json.dumps(asdict(call), separators=(",", ":"))
                self._file.write(line + "\n")

    def read(self) -> Iterator[Call]:
        """Yield the calls so far."""
        with self._lock:
            self._file.flush()
        with self.path.open(encoding="utf-8") as lines:
            for line in lines:
                yield Call(**json.loads(line))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
