"""The server dies at each of its fault points, is started again, and the study ends as it must.

A point that is not reached fails its test: so none can be added without a way to get there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from tests.chaos.crash_bench import REACHED_S, Bench, value
from tests.chaos.stack import Kind
from tests.support.servers import PostgresServer
from tests.support.service_process import Nursery, ServiceProcess
from tuner.queue.redis_process import RedisServer
from tuner.runtime.faultpoints import POINTS
from tuner.storage import tables

#: Short, so that losing an attempt takes no time.
LEASE_S = 0.6


def by_tuning(bench: Bench) -> None:
    """Run the study; every server comes by."""
    bench.submit()
    bench.tune_until(bench.is_dead)


def by_learning(bench: Bench) -> None:
    """Run a study that looks at the history, and finds none."""
    bench.submit(sampler={"name": "bayesian", "seed": 7}, history="auto")
    bench.tune_until(bench.is_dead)


def by_losing_an_attempt(bench: Bench) -> None:
    bench.submit()
    bench.worker.worker.claim()
    assert bench.is_dead(REACHED_S)


def by_leaving_work_to_an_idle_worker(bench: Bench) -> None:
    """The worker says that it is idle and does not claim: it has to be woken."""
    bench.submit()
    for _ in range(int(REACHED_S / 0.1)):
        with contextlib.suppress(httpx.TransportError):
            bench.worker.worker.beat()
        if bench.is_dead(0.1):
            return


def by_blocking_the_log_root(bench: Bench) -> None:
    bench.submit()
    assert bench.is_dead(REACHED_S)


def by_a_report_that_no_coordinator_sees(bench: Bench) -> None:
    bench.submit(pruner={"name": "median"})
    assert bench.worker.held is not None
    with contextlib.suppress(httpx.TransportError):
        assert bench.worker.held.report(1, value(bench.worker.held.params)).status_code == 200
    lend_lead(bench, for_s=0.0)
    assert bench.is_dead(REACHED_S)


def by_stopping_the_server(bench: Bench) -> None:
    bench.submit()
    bench.tune_until(lambda: bench.worker.held is not None)
    os.kill(bench.service.pid, signal.SIGTERM)
    assert bench.is_dead(REACHED_S)
    # It was killed on its way out.
    assert b"server ended" not in bench.service.log.read_bytes()[bench.log_size :]


WAYS: dict[str, Callable[[Bench], None]] = {
    "store-lesson": by_learning,
    "expire": by_losing_an_attempt,
    "send": by_leaving_work_to_an_idle_worker,
    "wait-reason": by_blocking_the_log_root,
    "judge": by_a_report_that_no_coordinator_sees,
    "release-lead": by_stopping_the_server,
}
#: Steps that are repeated: the server dies in the middle of the study.
LATER = {"collect": 3, "propose": 3}
#: Points of these steps are tried in the fast part: trials are made, given out, judged and told.
FIRST = ("propose", "expire", "judge", "collect")


def before_judging(bench: Bench) -> None:
    """Give the worker an attempt, and the lead to somebody else."""
    bench.service.start()
    bench.submit(pruner={"name": "median"})
    bench.tune_until(lambda: bench.worker.held is not None)
    bench.service.kill()
    lend_lead(bench, for_s=60.0)


def lend_lead(bench: Bench, *, for_s: float) -> None:
    """Have somebody on another host lead for a while."""
    engine = sa.create_engine(bench.service.database_url)
    with engine.begin() as connection:
        # The databases' clocks are this host's.
        lead = {"holder": "elsewhere-1-0", "lease_until": time.time() + for_s}
        connection.execute(tables.leader.update().values(lead))
    engine.dispose()


@contextlib.contextmanager
def blocked(log_root: Path) -> Iterator[None]:
    """Put a file where the log root was."""
    aside = log_root.with_name("logs.aside")
    log_root.mkdir(parents=True, exist_ok=True)
    log_root.rename(aside)
    log_root.touch()
    yield
    log_root.unlink()
    aside.rename(log_root)


@pytest.fixture(scope="module")
def services(
    nursery: Nursery,
    shared_redis: RedisServer,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, ServiceProcess]]:
    """A server on each kind of database, not started."""
    homes = {kind: tmp_path_factory.mktemp(kind) for kind in ("sqlite", "postgresql")}
    with postgres_server.fresh_database() as postgres_url:
        urls = {"sqlite": f"sqlite:///{homes['sqlite'] / 'tuner.db'}", "postgresql": postgres_url}
        yield {
            kind: ServiceProcess(nursery, home, urls[kind], shared_redis.url, lease_s=LEASE_S)
            for kind, home in homes.items()
        }


@pytest.fixture
def bench(services: dict[str, ServiceProcess], kind: Kind) -> Iterator[Bench]:
    bench = Bench(services[kind])
    yield bench
    if bench.service.is_running:
        bench.service.kill()
    bench.lab.close()


@pytest.mark.parametrize(
    "point",
    [p if p.startswith(FIRST) else pytest.param(p, marks=pytest.mark.slow) for p in POINTS],
)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_server_that_dies_at_a_fault_point_loses_nothing(bench: Bench, point: str) -> None:
    step = point.partition(".")[0]
    if step == "judge":
        before_judging(bench)
    with blocked(bench.service.log_root) if step == "wait-reason" else contextlib.nullcontext():
        bench.doom(point, LATER.get(step, 1))
        WAYS.get(step, by_tuning)(bench)

    assert bench.is_dead(), "the server has not come to the point"
    bench.service.start()
    bench.submit(**bench.spec)
    bench.tune_until(bench.is_closed)
    bench.service.stop()
    assert bench.violations() == []
    assert not bench.service.faults(), bench.service.faults()
