"""`python -m workers preflight`: builds models in a separate process, within limits.

Input is JSON: `{assignment, code_root, points, timed, point_s, total_s, memory_bytes}`. Output is a
line of JSON for each observation: `built`, `timed`, and finally `end`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tuner.errors import SpecError
from tuner.protocol import Assignment, ProtocolError
from workers.backends.selection import BackendSelection
from workers.failures.causes import last_lines
from workers.host.devices import list_gpus
from workers.host.interpreter import python_command, scrubbed
from workers.host.linux import kill_group
from workers.host.orphans import adopt_orphans, end_orphans
from workers.objective.task import Task
from workers.trial.channel import Channel, ChannelError

LOOK_S = 0.1
#: Maximum seconds for importing the user's modules and a framework, on a busy machine.
START_S = 120.0
#: Maximum number of processes, including replacements for those that a configuration has ended.
MAX_STARTS = 12
#: Maximum number of configurations of one preflight.
MAX_POINTS = 1000
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TAIL_BYTES = 4000
#: Texts about one model are short; longer ones are user code that writes into the channel.
_TEXT = ("kind", "cause", "error", "model", "why")
_ANY = (
    "point",
    "ok",
    "has_optimizer",
    "build_s",
    "parameters",
    "bytes",
    "batch",
    "first_s",
    "whole_s",
    "step_s",
    "steps",
    "epochs",
)


@dataclass(frozen=True, kw_only=True)
class BuildLimits:
    """Limits of the building process."""

    #: Seconds for one configuration, and for all.
    point_s: float
    total_s: float
    memory_bytes: int


def run_preflight(source: TextIO, target: TextIO) -> int:
    """Build what `source` asks for and write the observations; return 0.

    Raises:
        SpecError: the input is not a valid request.
    """
    adopt_orphans()
    try:
        request = json.load(source)
        assignment = Assignment.from_json(request["assignment"])
        points = [dict(point) for point in request["points"]][:MAX_POINTS]
        timed = [int(index) for index in request["timed"]]
        limits = BuildLimits(
            point_s=float(request["point_s"]),
            total_s=float(request["total_s"]),
            memory_bytes=int(request["memory_bytes"]),
        )
    except (ValueError, KeyError, TypeError, ProtocolError) as exc:
        raise SpecError(f"preflight: the input is not a request: {exc!r}") from exc
    root = request.get("code_root")
    code_root = None if root is None else Path(root)
    with tempfile.TemporaryDirectory(prefix="tuner-preflight-") as folder:
        task = Task.of(
            assignment,
            code_root=code_root,
            log_root=Path(folder, "logs"),
            checkpoint_root=Path(folder, "checkpoints"),
            preimport=False,
            devices=list_gpus()[: assignment.devices] if assignment.devices else [],
            backend=BackendSelection(os.environ).choose(assignment, code_root),
        )
        _Watch(task, points, timed, limits, target, Path(folder)).run()
    return 0


class _Watch:
    """Starts the building process, again if it dies. Mutable: it stores the observations."""

    def __init__(
        self,
        task: Task,
        points: list[dict[str, Any]],
        timed: list[int],
        limits: BuildLimits,
        target: TextIO,
        folder: Path,
    ) -> None:
        self._task = task
        self._points = points
        self._timed = timed
        self._limits = limits
        self._target = target
        self._output = folder / "output"
        self._until = time.monotonic() + limits.total_s
        self._peak = 0
        self._at: int | None = None
        self._is_timing = False
        self._is_over = False

    def run(self) -> None:
        """Build everything, as far as the limits allow."""
        first, starts = 0, 0
        while first < len(self._points) and not self._is_over:
            starts += 1
            if starts > MAX_STARTS or time.monotonic() >= self._until:
                break
            first = self._serve(first)
        self._say({"kind": "end", "peak_bytes": self._peak, "tried": first})

    def _serve(self, first: int) -> int:
        """Run one process; return the number of the configuration that the next one starts with."""
        self._at, self._is_timing = None, False
        ours, theirs = socket.socketpair()
        with theirs, self._output.open("wb") as output:
            process = subprocess.Popen(
                [*python_command(), "workers.preflight", str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=scrubbed(os.environ),
                start_new_session=True,
            )
        channel = Channel(ours)
        try:
            request = {"task": self._task.to_json(), "points": self._points}
            channel.send({**request, "first": first, "timed": self._timed})
            killed = self._watch(process, channel)
            status = process.poll()
        except OSError:
            killed, status = "", process.wait()
        finally:
            kill_group(process.pid)
            process.wait()
            end_orphans(())
            channel.close()
        if self._is_over:
            return len(self._points)
        return self._note_death(first, killed, status)

    def _watch(self, process: subprocess.Popen[bytes], channel: Channel) -> str:
        """Forward the process's messages until it ends; return the limit by which it was ended."""
        since = time.monotonic()
        while True:
            channel.wait(LOOK_S)
            try:
                messages = channel.receive()
            except ChannelError:
                return "error"
            for message in messages:
                self._take(message)
                since = time.monotonic()
            if self._is_over or (channel.closed and process.poll() is not None):
                return ""
            now, resident = time.monotonic(), _resident_bytes(process.pid)
            self._peak = max(self._peak, resident)
            if resident > self._limits.memory_bytes:
                return "memory"
            if now >= self._until:
                return "total"
            if now - since > (START_S if self._at is None else self._limits.point_s):
                return "time"

    def _take(self, message: dict[str, Any]) -> None:
        kind = message.get("kind")
        if kind == "begun":
            self._at, self._is_timing = int(message["point"]), False
        elif kind == "timing":
            self._is_timing = True
        elif kind in ("done", "nothing", "broken"):
            self._is_over = True
            if kind != "done":
                self._say(message)
        elif kind in ("built", "timed"):
            self._say(message)

    def _note_death(self, first: int, killed: str, status: int | None) -> int:
        """Report what the process that died was working on; return where the next one starts."""
        if killed == "total":
            return first if self._at is None else self._at
        if self._at is None:
            self._is_over = True
            how = f"it was ended after {START_S:g} s" if killed else f"its status is {status}"
            error = f"the process that was to build ended before the first model: {how}"
            self._say({"kind": "broken", "error": last_lines(f"{self._tail()}\n{error}")})
        elif self._is_timing and killed == "time":
            # It builds; only its training could not be timed.
            self._timed = []
        else:
            self._say(
                {"kind": "built", "point": self._at, "ok": False, **self._why(killed, status)}
            )
        return first if self._at is None else self._at + 1

    def _why(self, killed: str, status: int | None) -> dict[str, str]:
        limits = self._limits
        if killed == "memory":
            text = f"it took more than {limits.memory_bytes / 1e9:.1f} GB of memory"
            return {"cause": "memory", "error": text}
        if killed == "time":
            return {"cause": "time", "error": f"it took more than {limits.point_s:g} s"}
        if killed:
            return {"cause": "error", "error": "it wrote into the channel of its process"}
        text = f"it ended its process, with status {status}"
        return {"cause": "crash", "error": last_lines(f"{self._tail()}\n{text}")}

    def _tail(self) -> str:
        data = self._output.read_bytes() if self._output.exists() else b""
        return data[-_TAIL_BYTES:].decode("utf-8", "replace")

    def _say(self, message: dict[str, Any]) -> None:
        said: dict[str, Any] = {k: str(message[k])[:20_000] for k in _TEXT if k in message}
        said |= {k: message[k] for k in (*_ANY, "peak_bytes", "tried") if _is_plain(message.get(k))}
        self._target.write(json.dumps(said, allow_nan=False) + "\n")
        self._target.flush()


def _is_plain(value: Any) -> bool:
    """Return whether a value is a number or a boolean that JSON can represent."""
    return isinstance(value, int) or (isinstance(value, float) and abs(value) < 1e300)


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0
