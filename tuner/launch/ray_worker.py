"""A Tuner worker as a Ray actor.

It runs in Ray's own Python, and needs only Ray and the standard library. The actor starts `python
-m workers run` from Tuner's environment as a child process, which dies with it.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from typing import Any

#: Seconds for leaving: a trial has 10 s to save a checkpoint, its worker 4 more.
LEAVE_S = 20.0
#: Seconds until a worker that died is restarted.
AGAIN_S = 5.0
#: Exit statuses that a restart would only repeat: settings, token, no server for a long time.
HOPELESS = (2, 4, 5)
#: Number of lines of a worker's log shown if it does not start.
TAIL = 5


class LaunchError(Exception):
    """Something that only the user can change; the text says what."""


class RayWorker:
    """One worker: a child process, and the threads that monitor it. A Ray actor.

    Args:
        number: index of this one, from 0.
    """

    def __init__(self, plan: dict[str, Any], number: int) -> None:
        import ray

        self._context = ray.get_runtime_context()
        self._handle = self._context.current_actor
        self._state = "starting"
        self._tail: list[str] = []
        self._leaves = False
        self._ready = threading.Event()
        if not os.access(plan["python"], os.X_OK):
            raise LaunchError(
                f"{socket.gethostname()} has no {plan['python']}: name the Python of the nodes "
                "that has Tuner's workers with --python"
            )
        if not self._context.was_current_actor_reconstructed:
            # Later the worker itself waits for an unavailable server.
            require_server(plan["settings"])
        self._child = self._start(plan, number)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        threading.Thread(target=self._watch, daemon=True).start()

    def _start(self, plan: dict[str, Any], number: int) -> subprocess.Popen[bytes]:
        name = f"{plan['name']}-{number}-{secrets.token_hex(3)}"
        self._states, theirs = os.pipe()
        try:
            # The kernel kills it together with the thread that starts it: this one lives as long as
            # the actor.
            return subprocess.Popen(
                [
                    *(plan["python"], "-P", "-m", "workers", "run", "--name", name),
                    *plan["arguments"],
                    *("--parent", str(os.getpid()), "--status-fd", str(theirs)),
                ],
                env=child_environment(plan),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs],
            )
        finally:
            os.close(theirs)

    def settle(self, wait_s: float) -> dict[str, Any]:
        """Return the worker's state once it is ready or has ended, after at most `wait_s`."""
        self._ready.wait(wait_s)
        return self.look()

    def look(self) -> dict[str, Any]:
        """Return where the worker is and what it is doing."""
        return {
            "host": socket.gethostname(),
            "pid": self._child.pid,
            "state": self._state,
            "status": self._child.poll(),
            "tail": self._tail[-TAIL:],
        }

    def leave(self, wait_s: float) -> int | None:
        """Ask the worker to leave, and kill it after `wait_s`; return its exit status."""
        self._leaves = True
        self._child.send_signal(signal.SIGTERM)
        try:
            return self._child.wait(wait_s)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()

    def _read_log(self) -> None:
        """Forward the worker's log to where Ray keeps the actor's output."""
        for line in self._child.stdout or ():
            text = line.decode(errors="replace").rstrip()
            self._tail = [*self._tail[-TAIL:], text[:2000]]
            print(text, flush=True)

    def _watch(self) -> None:
        with os.fdopen(self._states, "rb") as states:
            for line in states:
                self._state = str(json.loads(line).get("state", self._state))
                self._ready.set()
        status = self._child.wait()
        # Its last output says why.
        self._reader.join(1.0)
        self._state = "ended"
        self._ready.set()
        if not self._leaves:
            self._end_with(status)

    def _end_with(self, status: int) -> None:
        """End the actor too: for good, or so that Ray restarts it."""
        time.sleep(AGAIN_S)
        if status == 0 or status in HOPELESS:
            import ray

            ray.kill(self._handle, no_restart=True)
            # If the actor ended before Ray had noticed, it would be restarted.
            time.sleep(LEAVE_S)
        os._exit(1)


def require_server(settings: dict[str, str]) -> None:
    """Check that one of the servers can be reached from this node.

    Raises:
        LaunchError: none can.
    """
    said = ""
    for url in settings["TUNER_API_URL"].split(","):
        authorities = settings.get("TUNER_CA_FILE")
        try:
            context = ssl.create_default_context(cafile=authorities) if authorities else None
            health = f"{url}/healthz"
            with urllib.request.urlopen(health, timeout=10, context=context):  # noqa: S310 - checked  # nosec B310  # http or https
                return
        except urllib.error.HTTPError:
            # It answers; the worker itself reports anything else.
            return
        except (OSError, ValueError) as exc:
            said = f"the Tuner server {url} does not answer {socket.gethostname()}: {exc}"
    raise LaunchError(said)


def child_environment(plan: dict[str, Any]) -> dict[str, str]:
    """Return a worker's environment: this node's without Ray's Python and Ray's variables."""
    theirs = ("RAY_", "TUNER_", "PYTHON")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(theirs) and name not in ("VIRTUAL_ENV", "LD_PRELOAD")
    }
    return {**kept, **plan["exports"], **plan["settings"]}
