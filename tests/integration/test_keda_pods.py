"""A study done by the command of KEDA's pods, started as KEDA starts them: from none to none."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cause_fleet import ServerAddress
from tests.integration.conftest import MakeService
from tests.integration.workers_process import Started
from tests.kubernetes.keda import keda_of, query_for, scaled_job
from tests.support.patience import clock
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import CLOSED, Lab

#: Pods at most; fewer than there are trials.
MOST = 3
TRIALS = 7


@pytest.fixture
def server(make_service: MakeService) -> Iterator[ServiceProcess]:
    with make_service("postgresql") as service:
        yield service


def pod_args(home: Path) -> list[str]:
    """Return the command of a pod, with its files elsewhere and a shorter patience."""
    (container,) = scaled_job("try-scaled")["jobTargetRef"]["template"]["spec"]["containers"]
    args: list[str] = container["args"]
    own = {"/tmp/fleet.json": str(home / "fleet.json"), "120": "3"}  # noqa: S108
    assert own.keys() <= set(args)
    return [*(own.get(arg, arg) for arg in args), "--preimport=none"]


@pytest.mark.slow
def test_pods_come_for_trials_do_one_each_and_all_end_well(
    server: ServiceProcess, tmp_path: Path
) -> None:
    lab = Lab(server)
    query = query_for("try-scaled", image=lab.image, gpus=0)
    pods: list[Started] = []
    seen: list[int] = []
    with keda_of(server.database_url) as keda, contextlib.ExitStack() as held:
        assert keda.ask(query) == 0
        lab.submit(objective="workers_trials:noop", budget={"trials": TRIALS}, parallel=MOST)
        deadline = clock() + 180
        while (wanted := keda.ask(query)) or lab.status()["state"] not in CLOSED:
            # KEDA's strategy `default`: what is wanted, at most so many, less those that run.
            running = sum(pod.process.poll() is None for pod in pods)
            for _ in range(min(wanted, MOST) - running):
                home = tmp_path / f"pod{len(pods)}"
                roots = {"TUNER_LOG_ROOT": str(server.log_root), "TUNER_IMAGE": lab.image}
                pods.append(
                    Started(["fleet", *pod_args(home)[1:]], home, ServerAddress(server), **roots)
                )
                held.callback(pods[-1].close)
            seen.append(wanted)
            assert clock() < deadline, lab.status()
            time.sleep(0.3)
        status = lab.status()
        ends = [pod.wait(60) for pod in pods]

        assert keda.ask(query) == 0
    assert (status["state"], status["counts"]["complete"]) == ("finished", TRIALS)
    assert set(ends) == {0}, "a pod that has found nothing ends well too"
    assert max(seen) == MOST
    assert [lab.attempts(number) for number in range(TRIALS)] == [[("done", None)]] * TRIALS
    done = [sum(line["message"] == "trial ended" for line in pod.logs()) for pod in pods]
    assert max(done) == 1, "one attempt a pod"
    assert sum(done) == TRIALS
