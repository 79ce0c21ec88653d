"""Whose turn it is."""

import numpy as np
import pytest

from tuner.samplers.bayesian.turns import (
    has_history_a_say,
    has_stalled,
    looks_elsewhere,
    looks_over,
)


def test_history_that_guides_chooses_all_early_trials_and_every_second_late_one() -> None:
    says = [has_history_a_say(number, is_misled=False) for number in range(40)]

    assert all(says[:20])
    assert says[20:] == [True, False] * 10
    assert not any(looks_over(number, is_misled=False) for number in range(40))


def test_where_history_is_no_guide_every_second_trial_goes_without_it() -> None:
    says = [has_history_a_say(number, is_misled=True) for number in range(40)]
    over = [number for number in range(40) if looks_over(number, is_misled=True)]

    assert says == [True, False] * 20
    assert over == [1, 3, 5, 7, 9]


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e9])
def test_a_search_that_gains_nothing_has_stalled_whatever_the_unit(unit: float) -> None:
    y = unit * np.array([5.0, 3.0, 4.0, 2.0, *[3.0, 1.0] * 10])

    assert has_stalled(25, y)
    assert not has_stalled(25, np.append(y, 0.5 * unit))
    assert has_stalled(25, np.append(y, 0.999 * unit))


def test_a_young_search_has_not_stalled() -> None:
    assert not has_stalled(19, np.ones(30))
    assert not has_stalled(25, np.ones(16))
    assert has_stalled(25, np.ones(25))
    assert not has_stalled(25, np.zeros(0))


def test_every_third_trial_of_a_stalled_search_looks_elsewhere() -> None:
    stalled, gaining = np.ones(40), np.linspace(2.0, 1.0, 40)

    assert [n for n in range(15, 31) if looks_elsewhere(n, stalled[:n])] == [21, 24, 27, 30]
    assert not any(looks_elsewhere(n, gaining[:n]) for n in range(40))
