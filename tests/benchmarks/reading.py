"""`best` and `status` of a study of 10 000 trials, and whether claims wait for them."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Callable

from tests.benchmarks.figure import Figure, median, quantile
from tests.benchmarks.past import fill_database
from tests.benchmarks.stack import ROOT, Stack, fresh_settings, running, wait_until
from tests.benchmarks.studies import make_spec
from tuner.client import ApiClient
from tuner.errors import UnavailableError
from tuner.protocol import Claim, Finish, WorkerInfo, dumps
from workers.agent.api import WorkerApi

FINISHED = 10_000
CALLS = 20
COMMANDS = 5
CLAIMS = 150
#: Processes that ask without a pause while claims are timed.
READERS = 2
LIMIT_S = 0.5
#: What a claim may take at the worst beside the readers.
CLAIM_LIMIT_MS = 250.0


def measure() -> list[Figure]:
    """Time the two questions, as commands and over HTTP, then claims beside a stream of them."""
    # Random: how long a proposal takes is another benchmark's question.
    spec = make_spec("reading", "timed", trials=FINISHED + 10_000, sampler="random")
    with fresh_settings() as settings:
        study = fill_database(settings, spec, FINISHED)
        with running(settings) as stack:
            return [*_questions(stack, study), *_claims(stack, study)]


def _questions(stack: Stack, study: str) -> list[Figure]:
    api = stack.api
    calls: dict[str, Callable[[], object]] = {
        "status": lambda: api.status(study),
        "best": lambda: api.best(study),
        "best of all 10 000": lambda: api.best(study, FINISHED, all=True),
    }
    figures = []
    for name, call in calls.items():
        times = [_seconds(call) for _ in range(CALLS)]
        is_goal = name in ("status", "best")
        figures.append(
            Figure(
                name=f"{name}, HTTP",
                value=median(times),
                unit="s",
                limit=LIMIT_S if is_goal else None,
                note=f"median of {CALLS} calls, longest {max(times):.3g} s, {FINISHED} trials",
            )
        )
    for name in ("status", "best"):
        times = [stack.cli(name, study, "--json")[0] for _ in range(COMMANDS)]
        figures.append(
            Figure(
                name=f"tuner {name}",
                value=median(times),
                unit="s",
                limit=LIMIT_S,
                note=f"whole command, median of {COMMANDS}, longest {max(times):.3g} s",
            )
        )
    return figures


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _claims(stack: Stack, study: str) -> list[Figure]:
    idle = _claim_ms(stack, CLAIMS)
    readers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.reading", stack.url, stack.token, study],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(READERS)
    ]
    try:
        for reader in readers:
            if reader.stdout is None or reader.stdout.readline() != "reading\n":
                raise RuntimeError("a reader did not start")
        busy = _claim_ms(stack, CLAIMS)
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()
    note = f"{CLAIMS} claims of one worker, each of them answered with a trial"
    return [
        Figure(name="claim, median", value=median(idle), unit="ms", note=note),
        Figure(name="claim, p99", value=quantile(idle, 0.99), unit="ms"),
        Figure(
            name="claim beside readers, median",
            value=median(busy),
            unit="ms",
            note=f"{READERS} processes ask `best` and `status` without a pause",
        ),
        Figure(
            name="claim beside readers, p99",
            value=quantile(busy, 0.99),
            unit="ms",
            limit=CLAIM_LIMIT_MS,
        ),
    ]


def _claim_ms(stack: Stack, count: int) -> list[float]:
    """Claim and finish so many trials like a worker; return how long the claims took.

    Only claims that are answered with a trial count: those write.
    """
    api = WorkerApi(stack.url, stack.token)
    info = WorkerInfo(name=f"claims-{secrets.token_hex(4)}", host="bench", pid=1)
    times: list[float] = []

    def claim_and_finish() -> bool:
        token = secrets.token_hex(16)
        start = time.perf_counter()
        assignment = api.claim(Claim(token=token, worker=info))
        took = time.perf_counter() - start
        if assignment is not None:
            times.append(1000 * took)
            finish = Finish(token=token, outcome="complete", values=[1.0], duration_s=0.01)
            api.finish(assignment.attempt, dumps(finish))
        return len(times) >= count

    try:
        wait_until(claim_and_finish, "claims are answered", timeout_s=120.0, every_s=0.01)
    finally:
        api.close()
    return times


def _read(url: str, token: str, study: str) -> None:
    """Ask without a pause, until killed."""
    print("reading", flush=True)
    with ApiClient(url, token) as api:
        while True:
            try:
                api.best(study)
                api.status(study)
            except UnavailableError:
                return


if __name__ == "__main__":
    _read(*sys.argv[1:])
