"""The resident memory of the server process (API, coordinator, sampler) as a study grows."""

from __future__ import annotations

from tests.benchmarks.figure import Figure
from tests.benchmarks.machine import resident_mb
from tests.benchmarks.past import fill_database
from tests.benchmarks.stack import fresh_settings, running
from tests.benchmarks.studies import make_spec

SIZES = (0, 1_000, 10_000)
#: Trials that are run before the memory is read, so that samplers and plans are loaded.
RUN = 20
LIMIT_MB = 400.0


def measure() -> list[Figure]:
    """Run a few trials behind so many finished ones, and look at the process."""
    sizes = {count: _resident_mb(count) for count in SIZES}
    figures = [
        Figure(
            name=f"memory, {count} finished trials",
            value=size,
            unit="MB",
            limit=LIMIT_MB if count == max(SIZES) else None,
            note=f"resident, after {RUN} more trials; TPE, median pruner, 3 reports a trial",
        )
        for count, size in sizes.items()
    ]
    growth = 1000 * (sizes[10_000] - sizes[1_000]) / 9_000
    note = "between 1 000 and 10 000 trials"
    return [*figures, Figure(name="growth a trial", value=growth, unit="kB", note=note)]


def _resident_mb(count: int) -> float:
    # A pruner: with one, the in-memory study holds every curve.
    spec = make_spec("memory", "reporting", trials=count + RUN, pruner="median")
    with fresh_settings() as settings:
        study = fill_database(settings, spec, count)
        with running(settings, workers=1) as stack:
            stack.wait_finished(study)
            return resident_mb(stack.server_pid)
