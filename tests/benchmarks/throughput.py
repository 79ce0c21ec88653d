"""The full life of a trial, many times over: trials per second with four workers."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass

from tests.benchmarks.figure import Figure, median
from tests.benchmarks.machine import cpu_s, own_cpu_s
from tests.benchmarks.optuna_peer import run_optuna
from tests.benchmarks.stack import Stack, fresh_settings, running
from tests.benchmarks.studies import make_spec, submit
from tests.support.processes import insights as insights_of
from tests.support.servers import open_postgres

WORKERS = 4
TRIALS = 240
#: Of ours and of Optuna's on PostgreSQL, in turn.
ROUNDS = 3
#: Loads the code, the sampler and the database's plans; not counted.
WARM_UP = 20


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast a study went, and what a trial cost in processor time."""

    per_s: float
    server_ms: float
    #: Of processes of low priority that the server has started: they compute insights.
    insights_ms: float
    worker_ms: float
    #: Part of the trials that TPE proposed; for the others it was not ready in time.
    tpe_share: float


def measure() -> list[Figure]:
    """Run a study on SQLite, then some on PostgreSQL, each beside Optuna's own loop."""
    return [*_on_sqlite(), *_on_postgres()]


def _on_sqlite() -> list[Figure]:
    with fresh_settings() as settings, running(settings, workers=WORKERS) as stack:
        _run_study(stack, "warm-up", WARM_UP)
        speeds = [_run_study(stack, f"round-{n}", TRIALS) for n in range(ROUNDS)]
        random = [_run_study(stack, f"random-{n}", TRIALS, "random") for n in range(ROUNDS)]
    rate = median([speed.per_s for speed in speeds])
    return [
        Figure(
            name="throughput, SQLite",
            value=rate,
            unit="trials/s",
            better="high",
            limit=15.0,
            note=f"median of {ROUNDS} studies of {TRIALS} trials, TPE, 3 reports, "
            f"{WORKERS} workers; {_costs(speeds)}",
        ),
        _beyond_the_sampler(random, "SQLite"),
    ]


def _on_postgres() -> list[Figure]:
    server = open_postgres()
    ours: list[Speed] = []
    random: list[Speed] = []
    theirs: list[float] = []
    try:
        with (
            server.fresh_database() as url,
            server.fresh_database() as peer_url,
            fresh_settings(url) as settings,
            running(settings, workers=WORKERS) as stack,
        ):
            _run_study(stack, "warm-up", WARM_UP)
            for number in range(ROUNDS):
                ours.append(_run_study(stack, f"round-{number}", TRIALS))
                spec = make_spec(f"round-{number}", "reporting", trials=TRIALS)
                theirs.append(run_optuna(peer_url, spec, TRIALS, processes=WORKERS))
                random.append(_run_study(stack, f"random-{number}", TRIALS, "random"))
    finally:
        server.stop()
    rate, peer_rate = median([speed.per_s for speed in ours]), median(theirs)
    ratios = [mine.per_s / their for mine, their in zip(ours, theirs, strict=True)]
    note = f"median of {ROUNDS} studies of {TRIALS} trials in turn, TPE, 3 reports, {WORKERS} "
    return [
        Figure(
            name="throughput, PostgreSQL",
            value=rate,
            unit="trials/s",
            better="high",
            note=note + "workers; " + _costs(ours),
        ),
        Figure(
            name="study.optimize, PostgreSQL",
            value=peer_rate,
            unit="trials/s",
            better="high",
            note=note + "processes; no files, no forks",
        ),
        Figure(
            name="share of study.optimize",
            value=median(ratios),
            unit="times",
            better="high",
            limit=1.5,
            note=", ".join(f"{ratio:.2f}" for ratio in ratios),
        ),
        _beyond_the_sampler(random, "PostgreSQL"),
    ]


def _beyond_the_sampler(speeds: list[Speed], database: str) -> Figure:
    return Figure(
        name=f"server beyond the sampler, {database}",
        value=median([speed.server_ms for speed in speeds]),
        unit="ms",
        better="low",
        limit=15.0,
        note="processor time a trial, random configurations; "
        + ", ".join(f"{speed.per_s:.1f}" for speed in speeds)
        + " trials/s",
    )


def _run_study(stack: Stack, name: str, trials: int, sampler: str = "tpe") -> Speed:
    """Run a study and check that every trial left all that it should."""
    before = _processor_s(stack)
    study = submit(stack.api, make_spec(name, "reporting", trials=trials, sampler=sampler))
    status = stack.wait_finished(study)
    server, insights, workers = (
        1000 * (now - then) / trials for then, now in zip(before, _processor_s(stack), strict=True)
    )
    if status["counts"]["complete"] != trials:
        raise RuntimeError(f"{study}: not all of {trials} trials completed: {status['counts']}")
    _check_files(stack, name, trials)
    began, ended = (datetime.datetime.fromisoformat(status[k]) for k in ("started", "finished"))
    return Speed(
        per_s=trials / (ended - began).total_seconds(),
        server_ms=server,
        insights_ms=insights,
        worker_ms=workers,
        tpe_share=stack.proposed_by(study, range(trials))["tpe"] / trials,
    )


def _processor_s(stack: Stack) -> tuple[float, float, float]:
    """Return the processor time so far of the server, of insights, and of the workers."""
    server = own_cpu_s(stack.server_pid)
    ended = stack.server_cpu_s() - server
    insights = ended + sum(map(cpu_s, insights_of(stack.server_pid)))
    return server, insights, stack.workers_cpu_s()


def _check_files(stack: Stack, name: str, trials: int) -> None:
    folder = stack.settings.log_root / "bench" / name
    records = [json.loads(path.read_bytes()) for path in folder.glob("trial_*/trial.json")]
    if len(records) < trials or any(len(record["curve"]) != 3 for record in records):
        raise RuntimeError(f"{name}: {len(records)} of {trials} trials left their files")


def _costs(speeds: list[Speed]) -> str:
    server = median([speed.server_ms for speed in speeds])
    worker = median([speed.worker_ms for speed in speeds])
    insights = median([speed.insights_ms for speed in speeds])
    share = 100 * median([speed.tpe_share for speed in speeds])
    return (
        f"{share:.0f} % proposed by TPE, the others at random because it was not ready; "
        f"processor time a trial: server {server:.0f} ms, worker {worker:.0f} ms, "
        f"insights at low priority {insights:.0f} ms"
    )
