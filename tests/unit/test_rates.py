"""How often somebody may ask, and how long they wait otherwise."""

from __future__ import annotations

import pytest

from tuner.server.http.rates import Rates
from tuner.server.limits import MAX_REMEMBERED, Rate

RATE = Rate(per_s=10, burst=5)


def test_a_burst_passes_and_then_the_rate() -> None:
    rates = Rates(RATE)

    assert [rates.take("a", 0.0) for _ in range(5)] == [0.0] * 5
    assert rates.take("a", 0.0) == pytest.approx(0.1)
    assert rates.take("a", 0.1) == 0.0
    assert rates.take("a", 0.1) == pytest.approx(0.1)


def test_whoever_is_refused_is_not_refused_for_longer_because_of_it() -> None:
    rates = Rates(RATE)
    for _ in range(100):
        rates.take("a", 0.0)

    assert rates.take("a", 0.1) == 0.0


def test_those_who_wait_are_due_one_after_the_other_up_to_a_bound() -> None:
    rates = Rates(RATE, wait_s=0.4)
    waits = [rates.take("a", 0.0) for _ in range(12)]

    assert waits == pytest.approx([0.0] * 5 + [0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5])


def test_one_does_not_take_from_another() -> None:
    rates = Rates(RATE)
    for _ in range(50):
        rates.take("a", 0.0)

    assert rates.take("b", 0.0) == 0.0


def test_the_longest_quiet_are_forgotten_and_the_others_are_not() -> None:
    rates = Rates(RATE)
    for _ in range(6):
        rates.take("busy", 0.0)
    for number in range(MAX_REMEMBERED):
        rates.take(str(number), 0.0)
        rates.take("busy", 0.0)

    assert rates.take("busy", 0.0) > 0
    assert len(rates) == MAX_REMEMBERED
