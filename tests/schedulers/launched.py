"""A study on a real server, the command that launches workers for it, and what became of it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.acceptance.home import ROOT, TUNER, Done
from tests.support.patience import read_to_end
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import Lab

HERE = Path(__file__).parent
TRIALS = 12
#: For a cluster that has just been started, on a busy machine.
PATIENCE_S = 180.0


class Cluster:
    """A server, a study of twelve trials on it, and `tuner launch` as an account types it.

    Args:
        service: the server.
        folder: home of the account, which the nodes share.
        environ: of its shell, beside what every shell has.
    """

    def __init__(self, service: ServiceProcess, folder: Path, **environ: str) -> None:
        self.service = service
        self.home = folder / "home"
        self.lab = Lab(service, f"launched-{secrets.token_hex(4)}")
        self.token = self._token(folder / "token")
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TUNER_")}
        self.environ = kept | {
            "HOME": str(folder),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}",
            "TUNER_HOME": str(self.home),
            "TUNER_API_URL": service.url,
            "TUNER_LOG_ROOT": str(service.log_root),
            "TUNER_CHECKPOINT_ROOT": str(service.home / "checkpoints"),
            **environ,
        }

    def _token(self, path: Path) -> Path:
        body = {"name": self.lab.name, "scopes": ["work"], "projects": None, "image": None}
        path.write_text(self.service.post("/tokens", {**body, "expires_s": None})["token"])
        path.chmod(0o600)
        return path

    def launch(self, target: str, *options: object, **environ: str) -> Done:
        """Type `tuner launch TARGET` with the options that a cluster of one host needs."""
        common = ("--one-host", "--token-file", self.token, "--export", "PYTHONPATH")
        process = subprocess.Popen(
            [*TUNER, "launch", target, *common, *map(str, options)],
            env=self.environ | environ,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        said, complained = read_to_end(process, PATIENCE_S)
        return Done(code=process.returncode, out=said, err=complained)

    def launch_json(self, target: str, *options: object) -> dict[str, Any]:
        done = self.launch(target, *options, "--json")
        assert done.code == 0, done
        document: dict[str, Any] = json.loads(done.out)
        return document

    def submit(self, **changes: Any) -> None:
        """Submit a study of `schedulers_trials`; `changes` replace whole keys of its spec."""
        given = {"objective": "schedulers_trials:count", "budget": {"trials": TRIALS}}
        spec = self.lab.spec(**given | changes)
        if "command" in changes:
            del spec["objective"]
        del spec["image"]
        self.service.post("/studies", {"spec": spec})

    def attempts(self) -> list[dict[str, Any]]:
        """Return all attempts of the study that a worker has begun, with their trials."""
        return [
            {"trial": trial["trial"], **attempt}
            for trial in self.lab.trials()
            for attempt in self.lab.show(trial["trial"])["attempt_list"]
            if attempt["started"] is not None
        ]

    def wait(self, holds: Callable[[], Any], what: str) -> Any:
        return self.lab.wait(holds, what, PATIENCE_S)

    def wait_busy(self, is_it: Callable[[str], bool]) -> dict[str, Any]:
        """Return an attempt that runs on a worker of such a name and has reported some steps."""

        def running() -> dict[str, Any] | None:
            for attempt in self.attempts():
                if attempt["state"] != "leased" or not is_it(attempt["worker"]):
                    continue
                if len(self.lab.show(attempt["trial"])["reports"]) >= 5:
                    return attempt
            return None

        found: dict[str, Any] = self.wait(running, "a worker is in the middle of a trial")
        return found

    def workers(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in self.service.get("/workers")}

    def require_everything_once(self) -> list[dict[str, Any]]:
        """Wait for the end; require that nothing was lost, and nothing done twice."""
        self.wait(lambda: self.lab.status()["state"] == "finished", "the study ends")
        attempts = self.attempts()
        trials = self.lab.trials()
        assert [trial["state"] for trial in trials] == ["COMPLETE"] * TRIALS
        done = Counter(attempt["trial"] for attempt in attempts if attempt["state"] == "done")
        assert done == Counter(range(TRIALS))
        assert {a["state"] for a in attempts} <= {"done", "failed", "lost"}
        return attempts

    def close(self) -> None:
        self.lab.close()


@contextlib.contextmanager
def opened(service: ServiceProcess, folder: Path, **environ: str) -> Iterator[Cluster]:
    cluster = Cluster(service, folder, **environ)
    try:
        yield cluster
    finally:
        cluster.close()
