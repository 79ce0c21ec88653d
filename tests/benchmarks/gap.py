"""From the end of a trial to the start of the next on the same worker.

Twice: after trials that last no time, where a proposal may be a result behind rather than have the
worker wait, and after trials of a minute, where the sampler gets its time to use every result.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from tests.benchmarks.figure import Figure, median, quantile
from tests.benchmarks.past import fill_database
from tests.benchmarks.stack import fresh_settings, running
from tests.benchmarks.studies import make_spec

FINISHED = 1_000
TRIALS = 60
#: The first trials meet a server that has just loaded the study.
WARM_UP = 5


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """The holes between the trials of one worker, and who proposed the trials."""

    ms: list[float]
    tpe_share: float


def measure() -> list[Figure]:
    """Run no-op trials on one worker behind 1 000 finished ones, and look at the holes."""
    short, long = _run(trial_s=0.02), _run(trial_s=60.0)
    note = f"{len(short.ms)} gaps, SQLite, TPE, behind {FINISHED} "
    share = f"; {100 * short.tpe_share:.0f} % proposed by TPE, the others at random"
    return [
        Figure(
            name="gap, median",
            value=median(short.ms),
            unit="ms",
            limit=60.0,
            note=f"{note}no-op trials{share}",
        ),
        Figure(name="gap, p95", value=quantile(short.ms, 0.95), unit="ms"),
        Figure(
            name="gap behind long trials, median",
            value=median(long.ms),
            unit="ms",
            note=f"{note}trials of a minute: TPE is waited for",
        ),
        Figure(name="gap behind long trials, p95", value=quantile(long.ms, 0.95), unit="ms"),
    ]


def _run(*, trial_s: float) -> Gaps:
    spec = make_spec("gap", "timed", trials=FINISHED + TRIALS)
    with fresh_settings() as settings:
        study = fill_database(settings, spec, FINISHED, trial_s=trial_s)
        with running(settings, workers=1) as stack:
            stack.wait_finished(study)
            trials = stack.api.trials(study, limit=TRIALS, offset=FINISHED)
            samplers = stack.proposed_by(study, range(FINISHED, FINISHED + TRIALS))
    moments = sorted((t["metrics"]["began"], t["metrics"]["ended"]) for t in trials)
    gaps = [1000 * (began - ended) for (_, ended), (began, _) in itertools.pairwise(moments)]
    return Gaps(ms=gaps[WARM_UP:], tpe_share=samplers["tpe"] / len(trials))
