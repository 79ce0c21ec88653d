"""Values on the models' scale: the ordinary keep their shape, absurd ones squeeze nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.surrogate.warp import warp, warp_with_scale

ORDINARY = np.array([0.91, 0.42, 0.30, 0.77, 0.25, 0.55, 0.63, 0.38, 0.50, 0.84])


def test_ordinary_values_keep_their_shape() -> None:
    assert warp(ORDINARY) == pytest.approx((ORDINARY - ORDINARY.mean()) / ORDINARY.std())


@pytest.mark.parametrize("absurd", [1e300, -1e300, 1.7e308, -1.7e308, np.inf, np.nan])
@pytest.mark.parametrize("count", [4, 10])
def test_one_absurd_value_leaves_the_others_told_apart(absurd: float, count: int) -> None:
    values = ORDINARY[:count]

    z = warp(np.append(values, absurd))

    assert np.all(np.isfinite(z))
    assert np.ptp(z[:-1]) > 0.25
    order = np.argsort(z)
    assert order[0 if absurd < 0 else -1] == count
    assert list(order[order < count]) == list(np.argsort(values))


def test_a_single_great_success_is_no_absurd_value() -> None:
    z = warp(np.array([0.90, 0.91, 0.92, 0.93, 0.90, 0.10]))

    assert z[-1] == pytest.approx(-np.sqrt(5), abs=0.05), "the others are nearly the same beside it"


@pytest.mark.parametrize("values", [[7.0] * 5, [0.1 + 0.2, 0.3, 0.3], [1e6, 1e6 + 1e-9], [0.0]])
def test_a_constant_has_no_scale(values: list[float]) -> None:
    z, scale = warp_with_scale(np.array(values))

    assert np.all(z == 0)
    assert scale.is_flat
    assert scale.value(np.array([1.0]))[0] == pytest.approx(values[0])


def test_tiny_values_differ_as_large_ones_do() -> None:
    assert warp(1e-20 * ORDINARY) == pytest.approx(warp(ORDINARY))


def test_a_plateau_with_few_values_beside_it_keeps_them_apart() -> None:
    z = warp(np.array([1.0] * 9 + [1.5, 2.0, 1e300]))

    assert z[0] < z[9] < z[10] < z[11]
    assert z[10] - z[9] > 0.1


@given(
    st.lists(st.floats(-1e300, 1e300) | st.sampled_from([np.inf, np.nan, 0.0]), max_size=12),
)
def test_scores_are_finite_and_keep_the_order(values: list[float]) -> None:
    y = np.array(values, dtype=float)

    z = warp(y)

    assert np.all(np.isfinite(z))
    known = np.isfinite(y)
    order = np.argsort(y[known], kind="stable")
    assert np.all(np.diff(z[known][order]) >= 0)
    if known.any():
        assert np.all(z[~known] >= z[known].max())


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12))
def test_the_way_back_is_the_way_there(values: list[float]) -> None:
    y = np.array(values, dtype=float)
    z, scale = warp_with_scale(y)
    if scale.is_flat:
        return

    assert scale.z(y) == pytest.approx(z, abs=1e-9)
    assert scale.value(z) == pytest.approx(y, rel=1e-6, abs=1e-6 * float(np.abs(y).max()))
