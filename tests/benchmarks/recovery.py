"""From the death of a part to the next trial, with the leases of production.

Real servers, workers, Redis and databases. A recovery ends when the objective of a trial begins
that had to be started, or proposed, because of the fault or after it.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator

import redis

from tests.benchmarks.figure import Figure, median
from tests.benchmarks.recovery_parts import (
    TOKEN,
    kill_redis,
    on_postgres,
    own_redis,
    send_signal,
    wait_leads,
    wait_listening,
    wait_sent,
)
from tests.benchmarks.sleeping_trials import (
    GIVE_UP_S,
    Began,
    submit_sleeping_trials,
    wait_began,
    wait_new,
)
from tests.benchmarks.stack import Stack, fresh_settings, running
from tuner.queue.redis_process import RedisServer

#: Each fault is measured so often.
ROUNDS = 3
#: The faults of a round come at different moments of beats and rounds of the coordinator.
STAGGER_S = 1.7
NAP_S = 0.3
#: A server that was killed is started again after this time, as Docker does.
DOWN_S = 1.0
#: Longer than a lease.
OUTAGE_S = 25.0
PLENTY = 10_000


def measure() -> list[Figure]:
    """Do every fault some times, and time what follows."""
    figures = []
    for fault in FAULTS:
        print(f"  {fault.__name__.replace('_', ' ')}", flush=True)
        figures += fault()
    return figures


def _figures(name: str, seconds: list[float], limit_s: float, note: str) -> list[Figure]:
    rounds = ", ".join(f"{one:.2f}" for one in seconds)
    return [
        Figure(name=f"{name}, median", value=median(seconds), unit="s", note=note),
        Figure(name=f"{name}, worst", value=max(seconds), unit="s", limit=limit_s, note=rounds),
    ]


def dead_hosts() -> list[Figure]:
    """Kill workers together with their supervisors: only the lease tells."""
    with fresh_settings() as settings, running(settings) as stack:
        fleets = [f"victim-{number}" for number in range(ROUNDS)]
        for fleet in fleets:
            stack.start_workers(1, fleet)
        studies = _busy_studies(stack, "host")
        owner = {worker["pid"]: fleet for fleet in fleets for worker in stack.workers(fleet)}
        stack.start_workers(ROUNDS, "spare")
        seconds = _kill_staggered(
            stack, studies, lambda first: stack.kill_fleet(owner[first.worker_pid])
        )
    note = "worker, trial and supervisor killed; lease 20 s, renewed every 5 s"
    return _figures("dead host to its trial elsewhere", seconds, 30.0, note)


def dead_workers() -> list[Figure]:
    """Kill workers; their supervisor starts others in their place."""
    with fresh_settings() as settings, running(settings) as stack:
        stack.start_workers(2 * ROUNDS)
        studies = _busy_studies(stack, "worker")
        seconds = _kill_staggered(
            stack, studies, lambda first: os.kill(first.worker_pid, signal.SIGKILL)
        )
    note = "the supervisor sees it and starts a new worker"
    return _figures("dead worker to its trial elsewhere", seconds, 30.0, note)


def dead_trials() -> list[Figure]:
    """Kill the process of a trial, again and again; its worker sees it die."""
    seconds = []
    with fresh_settings() as settings, running(settings) as stack:
        stack.start_workers(ROUNDS + 1)
        study = submit_sleeping_trials(stack, "trial")
        current = _need(wait_began(stack, study))
        for number in range(ROUNDS):
            time.sleep(STAGGER_S)
            killed = time.time()
            os.kill(current.pid, signal.SIGKILL)
            following = wait_began(stack, study, attempt_no=number + 2)
            if following is None:
                return _figures("dead trial process to its trial elsewhere", [math.inf], 1.0, "")
            seconds.append(following.at - killed)
            current = following
    note = "the worker sees its work-horse die"
    return _figures("dead trial process to its trial elsewhere", seconds, 1.0, note)


@contextlib.contextmanager
def _idle_workers() -> Iterator[tuple[RedisServer, Stack]]:
    """Run a server with two workers that wait for messages, on a Redis that may be harmed."""
    with (
        own_redis() as server,
        fresh_settings(TUNER_REDIS_URL=server.url) as settings,
        running(settings, workers=2) as stack,
    ):
        yield server, stack


def emptied_redis() -> list[Figure]:
    """Empty Redis after the wake-up was sent and before an idle worker has got it."""
    seconds = []
    with _idle_workers() as (server, stack):
        for number in range(ROUNDS):
            pids = [worker["pid"] for worker in stack.workers()]
            wait_listening(server.url, len(pids))
            send_signal(pids, signal.SIGSTOP)
            study = submit_sleeping_trials(stack, f"flush-{number}", nap_s=NAP_S)
            wait_sent(server.url)
            with redis.Redis.from_url(server.url) as client:
                client.flushall()
            flushed = time.time()
            send_signal(pids, signal.SIGCONT)
            seconds.append(_since(flushed, wait_began(stack, study)))
    note = "FLUSHALL while a wake-up is under way to two idle workers"
    return _figures("Redis emptied to the next trial", seconds, 10.0, note)


def restarted_redis() -> list[Figure]:
    """Kill Redis, submit a study, and start Redis again without its data."""
    seconds = []
    with _idle_workers() as (server, stack):
        for number in range(ROUNDS):
            wait_listening(server.url, len(stack.workers()))
            kill_redis(server.pid)
            killed = time.time()
            study = submit_sleeping_trials(stack, f"redis-{number}", nap_s=NAP_S)
            time.sleep(DOWN_S)
            shutil.rmtree(server.data)
            server.start()
            seconds.append(_since(killed, wait_began(stack, study)))
    note = f"killed, {DOWN_S:g} s away, back without data; two idle workers"
    return _figures("Redis killed to the next trial", seconds, 10.0, note)


def dead_server_on_sqlite() -> list[Figure]:
    """Kill the server with its private Redis, and start it again."""
    with fresh_settings() as settings, running(settings, workers=2) as stack:
        seconds = _kill_servers(stack)
    note = "server and private Redis killed; from the start of the new process"
    return _figures("server restarted to a new trial, SQLite", seconds, 5.0, note)


def dead_server_on_postgres() -> list[Figure]:
    """Kill the server, and start it again."""
    with on_postgres() as (_, settings), running(settings, workers=2) as stack:
        seconds = _kill_servers(stack)
    note = "server killed; from the start of the new process"
    return _figures("server restarted to a new trial, PostgreSQL", seconds, 5.0, note)


def lost_postgres() -> list[Figure]:
    """Stop PostgreSQL at once for longer than a lease."""
    seconds = []
    with on_postgres() as (server, settings), running(settings, workers=2) as stack:
        study = submit_sleeping_trials(stack, "outage", nap_s=NAP_S, trials=PLENTY)
        for number in range(ROUNDS):
            _need(wait_began(stack, study, count=5 * (number + 1)))
            server.crash()
            time.sleep(OUTAGE_S)
            server.start()
            seconds.append(wait_new(stack, study, time.time()))
    note = f"stopped immediately for {OUTAGE_S:g} s; from its first answer"
    return _figures("PostgreSQL back to a new trial", seconds, 10.0, note)


def standby() -> list[Figure]:
    """Kill the leader of two servers, again and again; each time the other one takes over."""
    seconds = []
    with (
        on_postgres() as (_, settings),
        fresh_settings(
            settings.database_url,
            TUNER_REDIS_URL=settings.redis_url or "",
            TUNER_LOG_ROOT=str(settings.log_root),
            TUNER_TOKEN=TOKEN,
        ) as other,
        running(settings) as leader,
    ):
        wait_leads(leader)
        with running(other) as waiting:
            # They begin with the one that waits, so that every second leader is also theirs.
            waiting.start_workers(2, also=leader.url)
            study = submit_sleeping_trials(waiting, "standby", nap_s=NAP_S, trials=PLENTY)
            for number in range(2 * ((ROUNDS + 1) // 2)):
                _need(wait_began(leader, study, count=5 * (number + 1)))
                time.sleep(STAGGER_S)
                killed = time.time()
                leader.kill_server()
                seconds.append(wait_new(waiting, study, killed))
                leader.start_server()
                leader, waiting = waiting, leader
                wait_leads(leader)
    note = "two servers on one database; every second time the workers' own is killed"
    return _figures("leader killed to a new trial by the standby", seconds, 15.0, note)


#: In the order of the table.
FAULTS: tuple[Callable[[], list[Figure]], ...] = (
    dead_hosts,
    dead_workers,
    dead_trials,
    emptied_redis,
    restarted_redis,
    dead_server_on_sqlite,
    dead_server_on_postgres,
    lost_postgres,
    standby,
)


def _busy_studies(stack: Stack, name: str) -> dict[str, Began]:
    """Have as many studies as rounds run one long trial each; return how each began."""
    studies = [submit_sleeping_trials(stack, f"{name}-{number}") for number in range(ROUNDS)]
    return {study: _need(wait_began(stack, study)) for study in studies}


def _kill_staggered(
    stack: Stack, studies: dict[str, Began], kill: Callable[[Began], None]
) -> list[float]:
    """Kill what runs each study's trial, one after the other; return seconds to its next start."""
    killed = {}
    for study, first in studies.items():
        killed[study] = time.time()
        kill(first)
        time.sleep(STAGGER_S)
    return [_since(at, wait_began(stack, study, attempt_no=2)) for study, at in killed.items()]


def _kill_servers(stack: Stack) -> list[float]:
    seconds = []
    study = submit_sleeping_trials(stack, "server", nap_s=NAP_S, trials=PLENTY)
    for number in range(ROUNDS):
        _need(wait_began(stack, study, count=5 * (number + 1)))
        time.sleep(STAGGER_S)
        stack.kill_server()
        time.sleep(DOWN_S)
        started = time.time()
        stack.start_server()
        seconds.append(wait_new(stack, study, started))
    return seconds


def _since(moment: float, following: Began | None) -> float:
    return math.inf if following is None else following.at - moment


def _need(one: Began | None) -> Began:
    if one is None:
        raise TimeoutError(f"no trial began within {GIVE_UP_S:g} s")
    return one
