"""A Compose deployment under test, made by `tuner init compose` and used through its ports."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.docker.base import debian_image
from tests.docker.engine import Engine
from tests.docker.images import Images
from tests.support.patience import clock

Found = TypeVar("Found")

HERE = Path(__file__).parent / "standins"
ROOT = Path(__file__).parents[2]
PACKAGES = ("ca-certificates", "nginx-light", "postgresql", "redis-server", "wget")
#: Of a whole deployment to be healthy, of a study of seconds to end: for what hangs.
WAIT_S = 180.0

OBJECTIVE = """\
import time


def train(run):
    for step in range(1, 4):
        time.sleep({seconds} / 3)
        run.report(step, -abs(run.params["x"] - 0.3) / step)
    print("trained", run.params["x"])
    return -abs(run.params["x"] - 0.3)
"""
SPEC = """\
project: demo
study: {study}
objective: objectives:train
metric: {{name: score, goal: maximize}}
search_space:
  x: {{type: float, low: 0.0, high: 1.0}}
sampler: {{name: random, seed: 7}}
history: none
budget: {{trials: {trials}}}
{more}
"""


def standin_image(engine: Engine) -> str:
    """Build what stands in for the images of Redis, PostgreSQL and nginx; return its name."""
    base = debian_image(engine, "standin", PACKAGES)
    name = "tuner-test/compose-standin"
    engine.docker("build", "--build-arg", f"BASE={base}", "--tag", name, HERE)
    return name


def free_port() -> int:
    """Return a port of the loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a published port answers."""

    status: int
    body: str


@dataclass(frozen=True)
class Deployment:
    """A deployment in a folder of its own, under a project name of its own."""

    engine: Engine
    folder: Path
    project: str
    standin: str

    def compose(self, *arguments: str, fails: bool = False, **environ: str) -> str:
        """Run `docker compose ARGUMENTS`; return what it says, by standard error too."""
        done = self.engine.call(
            *("compose", "--project-name", self.project, "--file", "compose.yaml"),
            *("--file", str(HERE / "compose.yaml"), *arguments),
            cwd=self.folder,
            environ={"STANDIN": self.standin, **environ},
        )
        assert (done.returncode != 0) == fails, f"compose {arguments}\n{done.stdout}\n{done.stderr}"
        return f"{done.stdout}\n{done.stderr}"

    def containers(self, service: str | None = None) -> list[dict[str, Any]]:
        """Return what the engine knows of the containers of a service, or of all."""
        filters = [f"label=com.docker.compose.project={self.project}"]
        if service:
            filters.append(f"label=com.docker.compose.service={service}")
        options = [part for one in filters for part in ("--filter", one)]
        ids = self.engine.docker("ps", "--all", "--quiet", *options).split()
        found: list[dict[str, Any]] = json.loads(self.engine.docker("inspect", *ids)) if ids else []
        return found

    def setting(self, name: str) -> str:
        """Return a line of `.env`."""
        (value,) = re.findall(rf"^{name}=(.*)$", (self.folder / ".env").read_text(), re.MULTILINE)
        return str(value)

    def secret(self, name: str) -> str:
        """Return what is in a file of `secrets/`."""
        return (self.folder / "secrets" / name).read_text().strip()

    def environ(self, *, with_tls: bool = True) -> dict[str, str]:
        """Return the environment of a person who uses it from this host."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TUNER_")}
        tls, plain = self.setting("TUNER_TLS_PORT"), self.setting("TUNER_PORT")
        return kept | {
            "TUNER_HOME": str(self.folder / "home"),
            "TUNER_API_URL": f"https://localhost:{tls}"
            if with_tls
            else f"http://127.0.0.1:{plain}",
            "TUNER_CA_FILE": str(self.folder / "secrets" / "tls.crt"),
            "TUNER_TOKEN_FILE": str(self.folder / "secrets" / "token"),
            "PYTHONPATH": str(ROOT),
        }

    def tuner(self, *arguments: str, with_tls: bool = True) -> str:
        """Type a command of Tuner's, which has to succeed; return its standard output."""
        done = subprocess.run(
            [sys.executable, "-m", "tuner", *arguments],
            cwd=self.folder,
            env=self.environ(with_tls=with_tls),
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        assert done.returncode == 0, f"tuner {arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def read(self, path: str) -> Any:
        """Return a document of the API; a command would take a second each."""
        bearer = {"Authorization": f"Bearer {self.secret('token')}"}
        answer = self.get("TUNER_TLS_PORT", f"/v1/{path}", bearer)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def submit(self, study: str, *, trials: int, seconds: float, more: str = "") -> str:
        """Submit a study of so many trials of so many seconds; return its name."""
        folder = self.folder / study
        folder.mkdir()
        (folder / "objectives.py").write_text(OBJECTIVE.format(seconds=seconds))
        (folder / "study.yaml").write_text(SPEC.format(study=study, trials=trials, more=more))
        self.tuner("submit", f"{study}/study.yaml")
        return f"demo/{study}"

    def status(self, study: str) -> dict[str, Any]:
        """Return the state of a study."""
        document: dict[str, Any] = self.read(f"studies/{study}")
        return document

    def wait_finished(self, study: str) -> dict[str, Any]:
        """Wait until a study has ended; return its status."""
        return wait_for(lambda: _if_ended(self.status(study)), f"{study} to end")

    def complete(self, study: str) -> int:
        """Return how many trials of a study are complete."""
        count: int = self.status(study)["counts"]["complete"]
        return count

    def get(
        self, port: str, path: str, headers: Mapping[str, str] | None = None, scheme: str = "https"
    ) -> Answer:
        """Ask a published port; the certificate has to be that of the deployment."""
        url = f"{scheme}://localhost:{self.setting(port)}{path}"
        request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - our own
        trust = ssl.create_default_context(cafile=str(self.folder / "secrets" / "tls.crt"))
        try:
            with urllib.request.urlopen(request, timeout=30, context=trust) as answer:  # noqa: S310
                return Answer(status=answer.status, body=answer.read().decode(errors="replace"))
        except urllib.error.HTTPError as exc:
            return Answer(status=exc.code, body=exc.read().decode(errors="replace"))


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header of a person who logs in."""
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def wait_for(look: Callable[[], Found | None], what: str) -> Found:
    """Look until something is found; return it."""
    deadline = clock() + WAIT_S
    while True:
        found = look()
        if found:
            return found
        assert clock() < deadline, f"waited {WAIT_S:.0f} s for {what}"
        time.sleep(0.3)


@contextmanager
def deployment(engine: Engine, images: Images, standin: str, folder: Path) -> Iterator[Deployment]:
    """Yield a deployment that `tuner init compose` has written, not started; remove all of it."""
    facts = folder.with_name(f"{folder.name}.json")
    command = ("run", "--rm", "--entrypoint", "cat", images.worker, "/app/image.json")
    facts.write_text(engine.docker(*command))
    made = Deployment(engine, folder, f"compose-{os.getpid()}-{free_port()}", standin)
    subprocess.run(
        [
            *(sys.executable, "-m", "tuner", "init", "compose", str(folder)),
            *("--image", images.worker, "--image-facts", facts),
            *("--server-image", images.coordinator),
        ],
        env=engine.environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        check=True,
    )
    settings = (folder / ".env").read_text()
    for name in ("TUNER_PORT", "TUNER_TLS_PORT", "TUNER_BOARD_PORT"):
        settings = re.sub(rf"^{name}=.*$", f"{name}={free_port()}", settings, flags=re.MULTILINE)
    (folder / ".env").write_text(settings)
    try:
        yield made
    finally:
        made.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")


def _if_ended(status: dict[str, Any]) -> dict[str, Any] | None:
    return status if status["state"] in ("finished", "failed", "cancelled", "paused") else None
