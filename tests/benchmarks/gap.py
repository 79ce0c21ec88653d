"""From the end of a trial to the start of the next on the same worker."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.benchmarks.figure import Figure, median, quantile
from tests.benchmarks.stack import fresh_settings, running
from tests.benchmarks.studies import fill_database, make_spec

FINISHED = 1_000
TRIALS = 60
#: The first trials meet a server that has just loaded the study.
WARM_UP = 5


def measure() -> list[Figure]:
    """Run no-op trials on one worker behind 1 000 finished ones, and look at the holes."""
    spec = make_spec("gap", "timed", trials=FINISHED + TRIALS)
    with fresh_settings() as settings:
        study = fill_database(settings, spec, FINISHED)
        with running(settings, workers=1) as stack:
            stack.wait_finished(study)
            trials = stack.api.trials(study, limit=TRIALS, offset=FINISHED)
            samplers = Counter(
                stack.api.show(study, trial["trial"])["proposal"]["sampler"] for trial in trials
            )
    gaps = gaps_ms([trial["metrics"] for trial in trials])[WARM_UP:]
    note = f"{len(gaps)} gaps, SQLite, TPE, {FINISHED} finished trials"
    return [
        Figure(name="gap, median", value=median(gaps), unit="ms", limit=60.0, note=note),
        Figure(name="gap, p95", value=quantile(gaps, 0.95), unit="ms", note=note),
        Figure(
            name="gap: proposed by TPE",
            value=100 * samplers["tpe"] / len(trials),
            unit="%",
            note="the others were chosen at random, because TPE was not ready",
        ),
    ]


def gaps_ms(metrics: list[dict[str, Any]]) -> list[float]:
    """Return the times between one objective's return and the next one's call, milliseconds."""
    moments = sorted((m["began"], m["ended"]) for m in metrics)
    return [
        1000 * (began - ended)
        for (_, ended), (began, _) in zip(moments, moments[1:], strict=False)
    ]
