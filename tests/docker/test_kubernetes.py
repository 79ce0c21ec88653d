"""The containers of docker/kubernetes' pods, started as the manifests say, without a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.docker.deployment import standin_image
from tests.docker.engine import Engine
from tests.docker.images import Images
from tests.docker.kubernetes_pods import Cluster, cluster
from tests.support.patience import wait_until

SPEC = """\
project: demo
study: {study}
command: [python, -c, "import sys, time; time.sleep({seconds}); print('{{\\"score\\": ' + sys.argv[1] + '}}')", "{{x}}"]
metric: {{name: score, goal: maximize}}
search_space:
  x: {{type: float, low: 0.0, high: 1.0}}
history: none
budget: {{trials: {trials}}}
image: {image}
"""  # noqa: E501 - a command of the spec
#: Of whoever leads: 1, of a standby: 0.
LEADS = (
    "import urllib.request as r, re; q = r.Request('http://127.0.0.1:8080/metrics', headers={"
    "'Authorization': 'Bearer ' + open('/run/secrets/tuner/token').read()});"
    "print(re.search(r'^tuner_leader ([01])', r.urlopen(q).read().decode(), re.M)[1])"
)


@dataclass(frozen=True)
class Running:
    """A deployment whose stores and servers run."""

    cluster: Cluster
    image: str
    servers: tuple[str, str]

    def tuner(self, *arguments: str, text: str | None = None) -> str:
        """Type a command of Tuner's in a server's pod."""
        ways = ("exec", "--interactive", "--env", "TUNER_API_URL=http://127.0.0.1:8080")
        return self.cluster.engine.docker(*ways, self.servers[0], "tuner", *arguments, text=text)

    def submit(self, study: str, *, trials: int, seconds: float) -> str:
        """Submit a study that is pinned to the workers' image; return its name."""
        text = SPEC.format(study=study, trials=trials, seconds=seconds, image=self.image)
        # As docker/kubernetes/try.sh does it.
        write = f"mkdir -p /tmp/{study} && cat >/tmp/{study}/study.yaml"
        enter = ("exec", "--interactive", self.servers[0], "sh", "-c", write)
        self.cluster.engine.docker(*enter, text=text)
        self.tuner("submit", f"/tmp/{study}/study.yaml")  # noqa: S108 - of the container
        return f"demo/{study}"

    def status(self, study: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.tuner("status", study, "--json"))
        return found


@pytest.fixture(scope="module")
def running(
    engine: Engine, built_images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("pods")
    with cluster(engine, built_images, ["try-scaled", "try"], folder) as made:
        standin = standin_image(engine)
        redis, postgres = (made.pod("StatefulSet", name) for name in ("redis", "postgres"))
        made.start(redis, "--network-alias=redis", standin=standin)
        store = made.start(
            postgres,
            "--network-alias=postgres",
            standin=standin,
            command=["sh", "/usr/local/bin/postgres.sh"],
        )
        wait_until(lambda: made.probe(postgres, store), "PostgreSQL is ready")
        job = made.start(made.pod("Job", "tuner-db-upgrade"))
        assert made.wait(job) == 0, engine.docker("logs", job)
        server = made.pod("Deployment", "tuner-server")
        first, second = (made.start(server, "--network-alias=tuner") for _ in range(2))
        for started in (first, second):
            wait_until(lambda started=started: made.probe(server, started), "a server is ready")
        yield Running(made, built_images.worker, (first, second))


def test_one_of_two_servers_leads_and_both_are_alive(running: Running) -> None:
    made, server = running.cluster, running.cluster.pod("Deployment", "tuner-server")
    for started in running.servers:
        assert made.probe(server, started, "livenessProbe")
        assert made.probe(server, started, "startupProbe")

    leads = [made.engine.docker("exec", s, "python3", "-c", LEADS) for s in running.servers]
    assert sorted(leads) == ["0", "1"]


def test_pods_of_keda_run_one_trial_each_as_the_image_that_they_state(running: Running) -> None:
    made, pod = running.cluster, running.cluster.pod("ScaledJob", "tuner-worker")
    study = running.submit("scaled", trials=2, seconds=0.2)
    started = [made.start(pod) for _ in range(2)]

    assert [made.wait(one) for one in started] == [0, 0]
    assert running.status(study)["state"] == "finished"
    for one in started:
        assert made.engine.call("logs", one).stderr.count('"trial ended"') == 1
    (config, *_) = made.engine.docker(
        *("exec", running.servers[0], "sh", "-c", f"cat /data/logs/{study}/trial_*/config.json")
    ).split("\n{")
    assert f'"image": "{running.image}"' in config
    assert '"image_verified": "token"' in config


def test_a_standing_worker_joins_and_gives_its_trial_back_within_its_grace(
    running: Running,
) -> None:
    made, pod = running.cluster, running.cluster.pod("Deployment", "tuner-worker")
    worker = made.start(pod)
    wait_until(lambda: made.probe(pod, worker), "the worker has joined")
    study = running.submit("standing", trials=1, seconds=300)
    wait_until(
        lambda: '"trial started"' in made.engine.call("logs", worker).stderr, "a trial has started"
    )

    assert made.end(pod, worker) == 0, "137: it was killed"
    shown = json.loads(running.tuner("show", study, "0", "--json"))
    assert shown["attempt_list"][0]["cause"] == "preempted"
