"""A soak says what grows, and nothing else."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from tests.soak.report import SAMPLES, report
from tests.soak.trend import Trend, trend

MINUTES = range(120)
HOURS = [minute / 60 for minute in MINUTES]


def wave(minute: int) -> float:
    """Return what a study's life of 12 minutes adds."""
    return 4 * math.sin(2 * math.pi * minute / 12)


def found(values: list[float]) -> Trend:
    result = trend(HOURS, values)
    assert result is not None
    return result


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_below_the_waves_of_the_studies_is_found(seed: int) -> None:
    chance = random.Random(seed)
    leak = [200 + 5 * hour + wave(n) + chance.gauss(0, 2) for n, hour in enumerate(HOURS)]

    result = found(leak)

    assert result.verdict == "grows"
    assert abs(result.slope - 5) < 2.5


@pytest.mark.parametrize("seed", range(5))
def test_waves_and_a_warm_up_are_no_growth(seed: int) -> None:
    chance = random.Random(seed)
    values = [
        200 - 80 * math.exp(-8 * hour) + wave(n) + chance.gauss(0, 0.5)
        for n, hour in enumerate(HOURS)
    ]

    assert found(values).verdict == "flat"


def test_a_sure_growth_of_a_thousandth_an_hour_is_flat() -> None:
    assert found([200 + 0.2 * hour for hour in HOURS]).verdict == "flat"


def test_what_nobody_can_tell_is_not_called_flat() -> None:
    chance = random.Random(0)
    assert found([10 + chance.gauss(0, 8) + 3 * hour for hour in HOURS]).verdict == "unclear"


def test_what_is_given_back_falls() -> None:
    assert found([300 - 30 * hour for hour in HOURS]).verdict == "falls"


def test_a_constant_is_flat_and_zero_too() -> None:
    assert found([31.0] * len(HOURS)).verdict == "flat"
    assert found([0.0] * len(HOURS)).verdict == "flat"


def test_a_short_series_has_no_trend() -> None:
    assert trend(HOURS[:15], [1.0] * 15) is None


def test_the_report_names_what_grows_and_takes_a_half_written_line(tmp_path: Path) -> None:
    lines = [
        f'{{"hours": {hour}, "work.ended": 9, "work.studies": 1,'
        f' "server.rss_mb": {100 + 20 * hour}, "server.threads": 12,'
        f' "disk.fleet_mb": {hour}}}\n'
        for hour in HOURS
    ]
    (tmp_path / SAMPLES).write_text("".join(lines) + '{"hours": 2.0, "wo')

    text, grows = report(tmp_path)

    assert grows == ["server.rss_mb"]
    assert "grows: a log, which whoever keeps it rotates |" in text
    assert "| server.threads | 12 | 12 | 12 | 12 | +0 ± 0 | +0.0 % | flat |" in text
    assert text.count("\n| server.") == 2
