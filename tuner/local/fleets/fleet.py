"""The workers of this host: one supervisor for `workers up` and one for every `tuner run`."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import SetupError, UnavailableError
from tuner.local.home import is_running, write_json
from tuner.local.process import end_process, read_tail, start_python
from tuner.protocol import Isolation
from tuner.runtime.system import require_linux
from tuner.settings import Settings

#: The fleet of `tuner workers up`, which outlives the command.
HOST = "host"
#: Seconds for workers to leave after SIGTERM: they need up to 14 s, of which a trial has 10 s for
#: its checkpoint.
LEAVE_S = 15.0

_START_TIMEOUT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class FleetState:
    """The supervisor's report on itself; `count` is its number of workers."""

    pid: int
    count: int
    #: Number of GPUs that each worker owns, if this host's are used.
    gpus_per_worker: int
    workers: tuple[dict[str, object], ...]


class Fleet:
    """A supervisor and its workers, identified by its control file."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self.name = name
        self._control = settings.home / "fleets" / f"{name}.json"
        self.log = settings.home / "fleets" / f"{name}.log"

    @classmethod
    def of_run(cls, settings: Settings) -> Fleet:
        """Return the fleet of this process's `tuner run`."""
        return cls(settings, f"run-{os.getpid()}")

    def state(self) -> FleetState | None:
        """Return the supervisor's state, None if it is not running."""
        try:
            data = json.loads(self._control.with_name(self._control.name + ".state").read_text())
            state = FleetState(
                pid=int(data["pid"]),
                count=int(data["count"]),
                # A supervisor of an earlier release does not report it.
                gpus_per_worker=int(data.get("gpus_per_worker", 1)),
                workers=tuple(data["workers"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return state if _is_fleet(state.pid, self._control) else None

    def scale(
        self, count: int, gpus_per_worker: int | None = None, *, after_trial: bool = False
    ) -> None:
        """Request `count` workers; the supervisor reads this within half a second.

        Args:
            gpus_per_worker: GPUs that each should own; None: as before.
            after_trial: surplus workers finish their trials instead of giving them back.
        """
        self._control.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        wanted: dict[str, object] = {"count": count}
        if after_trial:
            wanted["after_trial"] = True
        if gpus_per_worker is not None:
            wanted["gpus_per_worker"] = gpus_per_worker
        write_json(self._control, wanted)

    def start(
        self,
        count: int,
        *,
        environ: Mapping[str, str],
        api_url: str,
        gpus: str,
        isolation: Isolation,
        bound: bool,
        gpus_per_worker: int = 1,
        preimport: str = "keras",
    ) -> subprocess.Popen[bytes]:
        """Start the supervisor.

        Args:
            environ: the environment that workers inherit.
            gpus: "all", "none" or UUIDs separated by commas.
            isolation: how a trial's process is created.
            bound: the fleet ends with this process.
            gpus_per_worker: GPUs that each worker owns.
            preimport: what each worker imports once, before its first trial: a backend of Keras,
                "keras" for that of its environment, or "none".

        Raises:
            SetupError: this is not Linux.
        """
        require_linux("a worker")
        self.scale(count)
        return start_python(
            "workers",
            "fleet",
            *("--count", str(count), "--control", str(self._control)),
            *("--gpus", gpus, "--gpus-per-worker", str(gpus_per_worker)),
            *("--isolation", isolation, "--preimport", preimport),
            env=worker_env(self._settings, environ, api_url),
            log=self.log,
            bound=bound,
        )

    def wait_started(self, process: subprocess.Popen[bytes]) -> FleetState:
        """Return the state of a supervisor that was just started.

        Raises:
            SetupError: it ended immediately; the text is its output.
            UnavailableError: it does not report in time.
        """
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            state = self.state()
            if state is not None:
                return state
            if process.poll() is not None:
                raise SetupError(
                    f"the workers could not be started; the end of {self.log}:\n"
                    + read_tail(self.log)
                )
            time.sleep(0.05)
        raise UnavailableError(f"the workers did not come up; see {self.log}")

    def end(self) -> None:
        """End the supervisor and its workers; what they run is released without being counted."""
        state = self.state()
        if state is not None:
            end_process(state.pid, grace_s=LEAVE_S)
        self.forget()

    def forget(self) -> None:
        """Remove the control file and the state file."""
        self._control.unlink(missing_ok=True)
        self._control.with_name(self._control.name + ".state").unlink(missing_ok=True)


def all_fleets(settings: Settings) -> list[Fleet]:
    """Return the fleets that have a control file, alive or not."""
    return [
        Fleet(settings, path.stem) for path in sorted((settings.home / "fleets").glob("*.json"))
    ]


#: Settings of the server, or passed to workers in another way; hidden from users' code.
_SERVERS_OWN = ("TOKEN", "WORKER_TOKEN", "DATABASE_URL", "REDIS_URL", "WORKER_REDIS_URL", "TLS_KEY")


def worker_env(settings: Settings, environ: Mapping[str, str], api_url: str) -> dict[str, str]:
    """Return the workers' environment: where the API and the roots are, and the token's file."""
    ours = {f"TUNER_{name}" for name in _SERVERS_OWN}
    env = {name: value for name, value in environ.items() if name.removesuffix("_FILE") not in ours}
    env |= {
        "TUNER_API_URL": api_url,
        "TUNER_HOME": str(settings.home),
        "TUNER_LOG_ROOT": str(settings.log_root),
        "TUNER_CHECKPOINT_ROOT": str(settings.checkpoint_root),
    }
    if settings.token:
        env["TUNER_TOKEN"] = settings.token
    else:
        env["TUNER_TOKEN_FILE"] = str(settings.token_path)
    return env


def _is_fleet(pid: int, control: Path) -> bool:
    """Return whether `pid` is the supervisor of `control`; the pid may have been reused."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return is_running(pid) and str(control).encode() in command
