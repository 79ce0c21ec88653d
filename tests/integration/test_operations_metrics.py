"""What `/metrics` says is what happened: compared with the trials, the events and the calls."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.conftest import MakeService
from tests.support.patience import clock
from tests.support.protocol_worker import Held, ProtocolWorker
from tests.support.service_process import TOKEN, ServiceProcess
from tests.support.study_lab import Lab
from tuner.coordinator.leadership import LEAD_S
from tuner.protocol import queue_name

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
TRIALS = 8


def scrape(service: ServiceProcess) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample of a server by name and labels."""
    answer = httpx.get(f"{service.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


class Scraped:
    """The metrics of a server at one moment."""

    def __init__(self, service: ServiceProcess) -> None:
        self._samples = scrape(service)

    def get(self, name: str, **labels: str) -> float | None:
        """Return one sample."""
        return self._samples.get((name, frozenset(labels.items())))

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """Return the samples above 0 of a name with these labels, by another label."""
        return {
            dict(given)[label]: value
            for (found, given), value in self._samples.items()
            if found == name and labels.items() <= dict(given).items() and value
        }

    def names(self) -> set[str]:
        """Return the names of the metrics of ours, a histogram's without its suffix."""
        ours = {name for name, _ in self._samples if name.startswith("tuner_")}
        return {re.sub(r"_(bucket|sum|count)$", "", name) for name in ours}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_metrics_are_what_really_happened(make_service: MakeService, kind: str) -> None:
    # One lease ends, and neither another one nor the lead, however busy the machine is.
    with make_service(kind, lease_s=3.0, leader_lease_s=LEAD_S) as service:
        lab = Lab(service)
        # So few configurations that the sampler repeats itself and others have to choose.
        space = {"x": {"type": "int", "low": 1, "high": TRIALS + 1}}
        lab.submit(
            search_space=space, sampler={"name": "tpe", "seed": 1}, budget={"trials": TRIALS}
        )
        calls = make_history(lab)
        status = lab.wait_closed()
        metrics = wait_until(
            service, lambda m: m.by("state", "tuner_trials", study=lab.study).get("complete") == 6
        )

        counts = {state: count for state, count in status["counts"].items() if count}
        assert counts == {"complete": 6, "pruned": 1, "fail": 1}
        assert metrics.by("state", "tuner_trials", study=lab.study) == counts
        assert metrics.by("state", "tuner_studies") == {"finished": 1}
        assert metrics.by("state", "tuner_attempts") == {}
        shown = [lab.show(number) for number in range(TRIALS)]
        used = Counter(trial["proposal"]["sampler"] for trial in shown)
        assert metrics.by("used", "tuner_proposals_total", sampler="tpe") == used
        assert sum(metrics.by("result", "tuner_preparations_total").values()) == TRIALS
        assert metrics.get("tuner_propose_seconds_count") == TRIALS
        assert metrics.get("tuner_lost_leases_total") == len(lab.events("attempt-lost")) == 1
        assert metrics.by("cause", "tuner_retries_total") == {"lost": 1, "preempted": 1}
        assert metrics.get("tuner_claim_seconds_count", result="given") == calls["given"]
        assert metrics.by("call", "tuner_worker_call_seconds_count") == {
            "beat": calls["beat"],
            "report": calls["report"],
            "finish": calls["finish"] + calls["refused"],
        }
        finish = "/v1/attempts/{attempt}/finish"
        assert metrics.by("status", "tuner_http_requests_total", route=finish) == {
            "200": calls["finish"],
            "409": calls["refused"],
        }
        assert metrics.get("tuner_leader") == 1
        assert metrics.get("tuner_leader_epoch") == 1
        assert metrics.by("part", "tuner_problem") == {}
        rounds = metrics.get("tuner_coordinator_round_seconds_count")
        assert rounds is not None
        assert rounds >= TRIALS
        memory = metrics.get("process_resident_memory_bytes")
        assert memory is not None
        assert memory > 10 << 20
        lab.close()


def make_history(lab: Lab) -> Counter[str]:
    """Have a trial lost, one preempted, one pruned, one failed; return how many calls that took."""
    calls: Counter[str] = Counter()
    worker = lab.worker()

    def claim(by: ProtocolWorker = worker) -> Held:
        calls["given"] += 1
        return by.claim()

    def end(answer: httpx.Response, status: int = 200) -> None:
        assert answer.status_code == status, answer.text
        calls["finish" if status == 200 else "refused"] += 1

    silent = claim(lab.worker())
    lab.wait_lost(silent)
    end(claim().fail("preempted"))
    pruned = claim()
    assert pruned.report(1, 0.5).status_code == 200
    assert pruned.beat().status_code == 200
    calls += Counter(report=1, beat=1)
    end(pruned.pruned())
    end(pruned.complete(1.0), 409)
    end(claim().fail("error", "ValueError: no"))
    for _ in range(TRIALS - 2):
        held = claim()
        end(held.complete(float(held.params["x"])))
    return calls


def wait_until(service: ServiceProcess, holds: Callable[[Scraped], Any]) -> Scraped:
    """Return the first metrics for which `holds` does: some are up to three seconds old."""
    deadline = clock() + 20
    while not holds(metrics := Scraped(service)):
        assert clock() < deadline, metrics._samples
        time.sleep(0.2)
    return metrics


def test_workers_and_queue_are_shown_while_a_study_runs(lab: Lab) -> None:
    lab.submit(parallel=1)
    held = lab.claim()
    # One that may not claim, so that its wake-ups stay in the queue.
    idle = lab.worker()
    client = redis.Redis.from_url(lab.service.redis_url)
    key = f"rq:queue:{queue_name('cpu')}"
    client.rpush(key, "nobody-fetches-this")
    metrics = None
    deadline = clock() + 20
    while metrics is None or metrics.by("state", "tuner_attempts").get("leased") != 1:
        assert clock() < deadline, metrics and metrics._samples
        assert held.beat().status_code == idle.beat().status_code == 200
        metrics = Scraped(lab.service)
        time.sleep(0.2)
    workers = metrics.by("state", "tuner_workers", device="cpu")
    # Other tests' workers of the same service may live still, on GPUs too.
    live = Counter(workers)
    live.update(metrics.by("state", "tuner_workers", device="gpu"))
    length = metrics.get("tuner_queue_length", device="cpu")
    client.lrem(key, 0, "nobody-fetches-this")
    client.close()

    assert metrics.by("state", "tuner_trials", study=lab.study) == {"running": 1}
    assert workers["busy"] >= 1
    assert workers["idle"] >= 1
    ratio = metrics.get("tuner_worker_idle_ratio")
    assert ratio == pytest.approx(live["idle"] / live.total())
    assert length is not None
    assert length >= 1


def test_every_metric_is_explained_and_every_explained_one_exists(lab: Lab) -> None:
    lab.submit()
    lab.claim()
    named = set(re.findall(r"^\| `(tuner_\w+)`", PAGE.read_text(), flags=re.M))
    metrics = wait_until(lab.service, lambda m: m.by("state", "tuner_trials", study=lab.study))

    assert metrics.names() == named


def test_nobody_sees_the_metrics_without_the_token(service: ServiceProcess) -> None:
    for headers in ({}, {"Authorization": f"Bearer {TOKEN}x"}):
        answer = httpx.get(f"{service.url}/metrics", headers=headers)
        assert answer.status_code == 401
        assert "tuner_" not in answer.text


def test_unknown_paths_and_methods_make_no_new_series(service: ServiceProcess) -> None:
    before = Scraped(service).by("route", "tuner_http_requests_total")
    for number in range(5):
        assert service.call("GET", f"/none/{number}").status_code == 404
        # To whoever has no token, every path but the open ones is the same.
        assert httpx.get(f"{service.url}/v1/none/{number}").status_code == 401
        assert httpx.request(f"ODD{number}", f"{service.url}/v1/none").status_code in (400, 401)
    after = Scraped(service).by("route", "tuner_http_requests_total")

    assert set(after) <= set(before) | {"unknown", "/metrics"}
