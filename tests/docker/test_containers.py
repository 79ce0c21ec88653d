"""Containers of the worker image: health, the first process, and a user's own code on top."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.acceptance.environments import ROOT
from tests.docker.containers import container, health
from tests.docker.engine import Engine
from tests.support.patience import wait_until

#: No server is there: a worker that is started stays without.
_FLEET = (
    "--read-only",
    "--tmpfs=/tmp:exec",
    "--network=none",
    "--env=TUNER_API_URL=http://127.0.0.1:9",
    "--env=TUNER_TOKEN=nobody",
    "--health-interval=1s",
    "--health-start-period=0s",
    "--health-retries=2",
)


def test_a_worker_turns_unhealthy_without_a_server_and_healthy_without_work(
    worker: str, engine: Engine
) -> None:
    fleet = ("fleet", "--count=0", "--control=/tmp/fleet.json")
    want = "import sys; open('/tmp/fleet.json', 'w').write('{\"count\": %s}' % sys.argv[1])"
    with container(engine, *_FLEET, worker, *fleet) as name:
        wait_until(
            lambda: health(engine, name)[0] == "healthy", "no worker is wanted, none is there"
        )

        engine.docker("exec", name, "python3", "-c", want, "1")
        wait_until(lambda: health(engine, name)[0] == "unhealthy", "a worker has joined no service")
        said = health(engine, name)[1]
        engine.docker("exec", name, "python3", "-c", want, "0")
        wait_until(lambda: health(engine, name)[0] == "healthy", "the worker is gone")

    assert said == "workers: 1 starting; none has joined the service yet: see the log"


def test_the_first_process_takes_in_orphans_and_hands_signals_on(
    worker: str, engine: Engine
) -> None:
    fleet = ("fleet", "--count=0", "--control=/tmp/fleet.json")
    orphan = "import os, time; os.fork() and os._exit(0); time.sleep(0.2)"
    zombies = (
        "import pathlib as p; print([f.parent.name for f in p.Path('/proc').glob('[0-9]*/status')"
        " if 'State:\\tZ' in f.read_text()])"
    )
    with container(engine, *_FLEET, worker, *fleet) as name:
        wait_until(lambda: health(engine, name)[0] == "healthy", "the fleet is up")
        first = engine.docker("exec", name, "cat", "/proc/1/comm")
        engine.docker("exec", name, "python3", "-c", orphan)
        time.sleep(0.5)
        left = engine.docker("exec", name, "python3", "-c", zombies)
        engine.docker("stop", "--time=10", name)
        state = json.loads(engine.docker("inspect", name))[0]["State"]

    assert first == "dumb-init"
    assert left == "[]"
    assert state["ExitCode"] == 0, "SIGTERM has reached the fleet"


def test_a_users_own_code_goes_on_top_in_three_lines(worker: str, engine: Engine) -> None:
    folder = ROOT / "docker" / "example"
    lines = [
        line
        for line in (folder / "Dockerfile").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    own = "tuner-test/example:own"
    built = engine.call("build", "--tag", own, "--build-arg", f"WORKER={worker}", folder)
    by_hand = (
        "import digits_forest as d; from workers import Run; "
        "print(d.__file__, d.train(Run.local({'model.trees': 20, 'model.depth': 8})))"
    )

    assert len(lines) == 3
    assert built.returncode == 0, built.stderr[-3000:]
    hardened = ("--rm", "--read-only", "--tmpfs=/tmp", "--network=none")
    said = engine.docker("run", *hardened, "--entrypoint=python3", own, "-c", by_hand)
    path, accuracy = said.split()
    assert path == "/app/code/digits_forest.py"
    assert float(accuracy) > 0.8
    facts = json.loads(engine.docker("run", *hardened, "--entrypoint=cat", own, "/app/image.json"))
    measured = json.loads(engine.docker("run", *hardened, own, "measure", "--json"))
    assert measured["files"] == facts["files"], "one's own code is the digest's, not the lock's"
    engine.docker("rmi", own)


def test_the_examples_code_is_all_that_its_image_adds(worker: str, engine: Engine) -> None:
    assert sorted(path.name for path in (ROOT / "docker" / "example").iterdir()) == [
        "Dockerfile",
        "code",
        "study",
    ]
    assert not list(Path(ROOT / "docker" / "example" / "study").glob("*.py")), (
        "code beside the spec would travel as a snapshot, and not be the image's"
    )
