"""What the log of a simulated fleet says, as figures beside their goals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmarks.figure import Figure, median, quantile
from tests.benchmarks.fleet_log import CallKind, FleetLog, Sample
from tests.benchmarks.histogram import histogram_quantile_s
from workers.agent.worker import CLAIM_WAIT_S

CLAIM_LIMIT_MS = 250.0
MEMORY_LIMIT_MB = 50.0
CPU_LIMIT = 1.5
FAIR_LIMIT_PERCENT = 5.0
#: The studies that are to share alike.
EVEN = ("scale/even-a", "scale/even-b")
#: Trials after which the server is looked at, besides the end.
MARKS = (100, 1_000, 5_000)
#: Memory and processor time at the end are compared with those at this number.
REFERENCE = 1_000
#: In the last trials the budgets end and workers stand idle; before, the fleet is still starting.
TAIL = 0.95


@dataclass(frozen=True, kw_only=True)
class Finding:
    """All that is known of a run."""

    log: FleetLog
    #: When each attempt could be claimed, seconds since the epoch, by id.
    ready_at: dict[str, float]
    #: Number of trials by the sampler that proposed them.
    samplers: Counter[str]
    #: The server's own, as Prometheus scrapes them.
    metrics: str
    trial_s: float

    @property
    def last(self) -> int:
        """Return the number of finished trials up to which the fleet was busy."""
        return int(TAIL * self.log.finished)


def figures(finding: Finding) -> list[Figure]:
    """Return all figures of a run."""
    return [
        *_claims(finding),
        *_calls(finding),
        *_proposals(finding),
        *_memory(finding),
        *_cpu(finding),
        *_fleet(finding),
    ]


def _claims(finding: Finding) -> Iterator[Figure]:
    """Yield how long the server took over claims, without the time it had nothing to give."""
    log = finding.log
    timed = [
        (call.finished, 1000 * (call.at + call.took_s - max(call.at, ready)))
        for call in log.calls
        if call.kind == "claim"
        for ready in [finding.ready_at.get(call.attempt, call.at)]
    ]
    note = f"{len(timed)} claims that got an attempt, from when there was one"
    yield from _latency("claim", timed, finding, note, limit_ms=CLAIM_LIMIT_MS)
    # The server holds back the answer for as long as the worker allowed, in case something comes.
    empty = [
        (call.finished, 1000 * (call.took_s - CLAIM_WAIT_S))
        for call in log.calls
        if call.kind == "empty"
    ]
    note = f"{len(empty)} claims that got nothing, without the {CLAIM_WAIT_S:g} s they may wait"
    yield from _latency("empty claim", empty, finding, note, limit_ms=CLAIM_LIMIT_MS)


def _calls(finding: Finding) -> Iterator[Figure]:
    """Yield how long the other calls took, from request to answer."""
    kinds: tuple[CallKind, ...] = ("beat", "report", "finish")
    for kind in kinds:
        calls = [c for c in finding.log.calls if c.kind == kind]
        timed = [(call.finished, 1000 * call.took_s) for call in calls]
        yield from _latency(kind, timed, finding, f"{len(timed)} calls")
    waits = [1000 * (run.claimed - run.asked) for run in finding.log.runs]
    note = "from the answer to a finish to the next attempt, proposing and waking included"
    yield Figure(name="wait for a trial, p50", value=median(waits), unit="ms", note=note)
    yield Figure(name="wait for a trial, p99", value=quantile(waits, 0.99), unit="ms")


def _proposals(finding: Finding) -> Iterator[Figure]:
    """Yield how long the coordinator took over a proposal, as it says itself."""
    note = "to choose the parameters and to store the trial, from the server's histogram"
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        value = 1000 * histogram_quantile_s(finding.metrics, "tuner_propose_seconds", share)
        yield Figure(name=f"propose, {name}", value=value, unit="ms", note=note)
    tpe = 100 * finding.samplers["tpe"] / finding.samplers.total()
    others = ", ".join(f"{name} {n}" for name, n in finding.samplers.most_common())
    yield Figure(name="proposed by TPE", value=tpe, unit="%", better="high", note=others)


def _latency(
    name: str,
    timed: list[tuple[int, float]],
    finding: Finding,
    note: str,
    *,
    limit_ms: float | None = None,
) -> Iterator[Figure]:
    """Yield median and 99th percentile of (finished trials, milliseconds)."""
    all_ms = [ms for _, ms in timed]
    if not all_ms:
        return
    parts = []
    for mark in _marks(finding):
        window = _window(finding, mark)
        ms = [value for finished, value in timed if finished in window]
        if ms:
            parts.append(f"{mark}: {median(ms):.0f}/{quantile(ms, 0.99):.0f}")
    growth = f"p50/p99 around trial {', '.join(parts)}" if parts else ""
    yield Figure(name=f"{name}, p50", value=median(all_ms), unit="ms", note=note)
    yield Figure(
        name=f"{name}, p99", value=quantile(all_ms, 0.99), unit="ms", limit=limit_ms, note=growth
    )


def _memory(finding: Finding) -> Iterator[Figure]:
    """Yield the resident memory of the server as trials finish."""
    base = _at(finding.log, REFERENCE)
    for mark in _marks(finding):
        sample = _at(finding.log, mark)
        grows = mark > REFERENCE and mark == _marks(finding)[-1]
        yield Figure(
            name=f"memory at {mark} trials",
            value=sample.resident_mb,
            unit="MB",
            limit=round(base.resident_mb + MEMORY_LIMIT_MB, 1) if grows else None,
        )


def _cpu(finding: Finding) -> Iterator[Figure]:
    """Yield what a trial costs the server, and how that grows."""
    costs = {mark: _cpu_ms(finding.log, _window(finding, mark)) for mark in _marks(finding)}
    for mark, cost in costs.items():
        window = _window(finding, mark)
        note = f"server process alone, trials {window.start} to {window.stop}, beats included"
        yield Figure(name=f"CPU a trial at {mark}", value=cost, unit="ms", note=note)
    last = max(costs)
    if last > REFERENCE:
        yield Figure(
            name=f"CPU a trial, {last} / {REFERENCE}",
            value=costs[last] / costs[REFERENCE],
            unit="times",
            limit=CPU_LIMIT,
        )


def _fleet(finding: Finding) -> Iterator[Figure]:
    """Yield what the fleet got done, and how fairly."""
    log = finding.log
    first, last = _at(log, min(log.workers, finding.last // 2)), _at(log, finding.last)
    busy = [s for s in log.samples if first.at <= s.at <= last.at]
    rate = (last.finished - first.finished) / (last.at - first.at)
    could = log.workers / finding.trial_s
    yield Figure(
        name="trials finished",
        value=rate,
        unit="trials/s",
        better="high",
        note=f"{log.workers} workers without a wait would do {could:.3g} or, with pruning, more",
    )
    idle = 100 * sum(s.idle for s in busy) / (len(busy) * log.workers)
    yield Figure(name="workers idle", value=idle, unit="%", note="share of the fleet's time")
    server = (last.cpu_s - first.cpu_s) / (last.at - first.at)
    yield Figure(name="server busy", value=100 * server, unit="% of a core")
    yield from fairness(log)
    fleet = 1000 * (log.samples[-1].fleet_cpu_s / len(log.calls))
    lag = quantile([1000 * s.lag_s for s in busy], 0.99)
    errors = ", ".join(f"{what}: {n}" for what, n in sorted(log.errors.items())) or "none"
    note = f"a call; its loop was late by {lag:.0f} ms at most in 99 % of seconds; errors: {errors}"
    yield Figure(name="CPU of the simulated fleet", value=fleet, unit="ms", note=note)


def fairness(log: FleetLog) -> Iterator[Figure]:
    """Yield by how much the time differs that two equal studies got, while both wanted some."""
    runs = defaultdict(list)
    for run in log.runs:
        runs[run.study].append(run)
    if any(name not in runs for name in EVEN):
        return
    start = max(min(run.claimed for run in runs[name]) for name in EVEN)
    stop = min(max(run.claimed for run in runs[name]) for name in EVEN)
    got = {
        name: sum(max(0.0, min(run.ended, stop) - max(run.claimed, start)) for run in of_study)
        for name, of_study in runs.items()
    }
    a, b = (got[name] for name in EVEN)
    note = ", ".join(f"{name.partition('/')[2]} {time_s:.0f} s" for name, time_s in got.items())
    yield Figure(
        name="share of two equal studies",
        value=200 * abs(a - b) / (a + b),
        unit="% apart",
        limit=FAIR_LIMIT_PERCENT,
        note=f"worker time within {stop - start:.0f} s: {note}",
    )


def _marks(finding: Finding) -> list[int]:
    """Return the numbers of trials at which to look; the last is where the fleet was still busy."""
    return [mark for mark in MARKS if mark < finding.last] + [finding.last]


def _window(finding: Finding, mark: int) -> range:
    """Return the numbers of finished trials that stand for `mark`."""
    if mark == finding.last:
        return range(int(0.9 * mark), mark)
    if mark == MARKS[0]:
        return range(mark, min(3 * mark, finding.last))
    return range(int(0.9 * mark), min(int(1.1 * mark), finding.last))


def _cpu_ms(log: FleetLog, window: range) -> float:
    """Return the processor time of the server for each trial that finished in the window."""
    first, last = _at(log, window.start), _at(log, window.stop)
    return 1000 * (last.cpu_s - first.cpu_s) / max(1, last.finished - first.finished)


def _at(log: FleetLog, finished: int) -> Sample:
    """Return the first look at the server after so many trials."""
    return next((s for s in log.samples if s.finished >= finished), log.samples[-1])
