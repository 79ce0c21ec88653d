"""The simulated fleet is only worth its figures while it does what workers do."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.benchmarks.fleet_log import FleetLog, Run
from tests.benchmarks.histogram import histogram_quantile_s
from tests.benchmarks.scale import ScaleSize, measure
from tests.benchmarks.scale_figures import EVEN, fairness
from tests.support.servers import PostgresServer

SIZE = ScaleSize(workers=6, trials=60, studies=4, trial_s=0.3)


# slow: two servers are started, and sixty trials take their time
@pytest.mark.slow
@pytest.mark.usefixtures("redis_binary")
def test_a_simulated_fleet_ends_every_trial_as_workers_do(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    figures = {figure.name: figure for figure in measure(SIZE, tmp_path / "log.json")}
    log = FleetLog.load(tmp_path / "log.json")

    assert log.errors == {}
    assert len(log.runs) == SIZE.trials
    assert {call.status for call in log.calls} <= {200, 204}
    assert {"claim", "report", "finish"} <= {call.kind for call in log.calls}
    assert math.isfinite(figures["claim, p99"].value)
    assert math.isfinite(figures["propose, p99"].value)


def test_fairness_counts_only_the_time_in_which_both_studies_wanted_workers() -> None:
    def run(study: str, claimed: float, ended: float) -> Run:
        return Run(attempt="", study=study, worker=0, asked=claimed, claimed=claimed, ended=ended)

    first, second = EVEN
    runs = [
        *(run(first, start, start + 10.0) for start in (0.0, 10.0, 20.0, 30.0)),
        *(run(second, start, start + 10.0) for start in (0.0, 10.0)),
    ]
    (figure,) = fairness(FleetLog(runs=runs))
    (uneven,) = fairness(FleetLog(runs=[*runs, run(first, 0.0, 10.0)]))

    assert figure.value == 0.0
    assert uneven.value == pytest.approx(200 * 10 / 30)


def test_a_quantile_lies_within_its_bucket_as_prometheus_has_it() -> None:
    text = "\n".join(
        [
            "# TYPE took_seconds histogram",
            'took_seconds_bucket{call="beat",le="0.1"} 50',
            'took_seconds_bucket{call="beat",le="0.3"} 100',
            'took_seconds_bucket{call="beat",le="+Inf"} 100',
            'took_seconds_bucket{call="claim",le="0.1"} 0',
            'took_seconds_bucket{call="claim",le="+Inf"} 4',
            "",
        ]
    )

    assert histogram_quantile_s(text, "took_seconds", 0.25, call="beat") == pytest.approx(0.05)
    assert histogram_quantile_s(text, "took_seconds", 0.75, call="beat") == pytest.approx(0.2)
    assert histogram_quantile_s(text, "took_seconds", 0.5, call="claim") == 0.1
    assert math.isnan(histogram_quantile_s(text, "took_seconds", 0.5, call="none"))
