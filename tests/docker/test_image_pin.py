"""Containers of the pinned image are believed, each as a worker of its own, although alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.docker.containers import container
from tests.docker.engine import Engine
from tests.support.archives import make_archive
from tests.support.patience import wait_until
from tests.support.service_process import Nursery, ServiceProcess
from tests.support.study_lab import Lab

OBJECTIVE = "import time\n\ndef train(run):\n    time.sleep(0.3)\n    return run.params['x']\n"


@pytest.fixture
def lab(nursery: Nursery, tmp_path: Path, redis_url: str, worker: str) -> Iterator[Lab]:
    """A study of three trials at once that wants the worker image."""
    home = tmp_path / "home"
    service = ServiceProcess(nursery, home, f"sqlite:///{home / 'tuner.db'}", redis_url)
    with service.running():
        lab = Lab(service)
        lab.image = worker
        yield lab
        lab.close()


def submit(lab: Lab, trials: int) -> None:
    content = make_archive({"objectives.py": OBJECTIVE})
    digest = hashlib.sha256(content).hexdigest()
    assert lab.service.call("PUT", f"/code/{digest}", content=content).is_success
    lab.service.post("/studies", {"spec": lab.spec(budget={"trials": trials}), "code": digest})


def make_token(lab: Lab, engine: Engine) -> str:
    """Return a token that is bound to the worker image and its facts."""
    read = ("run", "--rm", "--network=none", "--entrypoint=cat", lab.image, "/app/image.json")
    facts = json.loads(engine.docker(*read))
    bound = {"image": lab.image, "lock": facts["lock"], "files": facts["files"]}
    body = {"name": "trainers", "scopes": ["work"], **bound}
    return str(lab.service.post("/tokens", body)["token"])


def options(lab: Lab, token: str) -> list[str]:
    """Return how a worker is started: with the host's network, and so with the host's name."""
    return [
        *("--network=host", "--read-only", "--tmpfs=/tmp:exec,mode=1777"),
        *("--volume=/data/logs", "--volume=/data/checkpoints", "--cap-drop=ALL"),
        f"--env=TUNER_API_URL={lab.service.url}",
        f"--env=TUNER_TOKEN={token}",
        f"--env=TUNER_IMAGE={lab.image}",
    ]


def listed(lab: Lab) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = lab.service.get("/workers")
    return rows


def test_three_containers_of_one_host_name_are_three_workers(lab: Lab, engine: Engine) -> None:
    token = make_token(lab, engine)
    submit(lab, 9)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(container(engine, *options(lab, token), lab.image))
        wait_until(lambda: len(listed(lab)) == 3, "three workers are there")
        found = listed(lab)
        assert lab.wait_closed()["counts"]["complete"] == 9

    # The host's network has the host's name; in each the worker is the sixth process, or so.
    assert len({row["host"] for row in found}) == 1
    assert max(row["pid"] for row in found) < 100
    assert {row["image_verified"] for row in found} == {"files"}
    trials = [lab.show(number)["attempt_list"] for number in range(9)]
    assert [len(attempts) for attempts in trials] == [1] * 9, "nothing was run twice"
    assert {row["image"] for attempts in trials for row in attempts} == {lab.image}
