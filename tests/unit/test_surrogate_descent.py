"""Halves of symmetric matrices, and the descent to the mode of a posterior."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy.optimize import rosen, rosen_der, rosen_hess

from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.gaussian.descent import descend
from tuner.surrogate.gaussian.packed_symmetric import packed_layout

SIZES = st.integers(1, 30)
SEEDS = st.integers(0, 2**32 - 1)


def covariance_of(n: int, random: np.random.Generator) -> Floats:
    root = random.normal(size=(n, n + 2))
    return np.asarray(root @ root.T / n + 0.1 * np.eye(n))


@given(n=SIZES, seed=SEEDS)
def test_a_half_gives_back_the_matrix_that_it_was_taken_from(n: int, seed: int) -> None:
    matrix = covariance_of(n, np.random.default_rng(seed))

    assert np.array_equal(matrix, packed_layout(n).full(packed_layout(n).half(matrix)))


@given(n=SIZES, seed=SEEDS)
def test_evidence_and_its_derivative_are_those_of_the_whole_matrix(n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    matrix, z = covariance_of(n, random), random.normal(size=n)
    change = covariance_of(n, random)
    inverse = np.linalg.inv(matrix)

    found = packed_layout(n).evidence(packed_layout(n).half(matrix), z)

    assert found is not None
    value, weights, pull = found
    assert value == pytest.approx(0.5 * z @ inverse @ z + 0.5 * np.linalg.slogdet(matrix)[1])
    assert weights == pytest.approx(inverse @ z)
    by_change = 0.5 * np.trace((inverse - np.outer(weights, weights)) @ change)
    assert pull @ packed_layout(n).half(change) == pytest.approx(by_change)


@given(n=SIZES, seed=SEEDS)
def test_information_is_that_of_fisher(n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    matrix, changes = covariance_of(n, random), [covariance_of(n, random) for _ in range(3)]
    parts = [np.linalg.inv(matrix) @ change for change in changes]

    found = packed_layout(n).information(
        packed_layout(n).half(matrix),
        np.array([packed_layout(n).half(change) for change in changes]),
    )

    assert found == pytest.approx(np.array([[0.5 * np.trace(a @ b) for b in parts] for a in parts]))


def test_what_cannot_be_factored_has_no_evidence() -> None:
    assert packed_layout(3).evidence(packed_layout(3).half(-np.eye(3)), np.ones(3)) is None


def test_squares_are_taken_column_by_column_and_choices_differ_or_not() -> None:
    columns = Columns(kinds=("real", "choice"), sizes=(0, 3))
    x = np.array([[0.0, 0.0], [0.5, 2.0], [np.nan, 2.0]])

    squares = packed_layout(3).full(packed_layout(3).squares(columns, x))

    assert squares[0] == pytest.approx(np.array([[0, 0.25, 0.25], [0.25, 0, 0], [0.25, 0, 0]]))
    assert squares[1] == pytest.approx(np.array([[0, 1, 1], [1, 0, 0], [1, 0, 0]]))


class Valley:
    """A bent valley whose least value, 0, lies at 1 in every entry."""

    spread = np.full(4, 1.0)

    def __call__(self, place: Floats) -> tuple[float, Floats]:
        return float(rosen(place)), np.asarray(rosen_der(place))

    def curvature(self, place: Floats) -> Floats:
        values, vectors = np.linalg.eigh(rosen_hess(place))
        return np.asarray(vectors * np.maximum(np.abs(values), 1.0) @ vectors.T)


@pytest.mark.parametrize("start", [-1.0, 0.0, 3.0])
def test_a_descent_ends_at_the_least_value(start: float) -> None:
    value, place = descend(Valley(), np.full(4, start), steps=200, tolerance=1e-9)

    assert value < 1e-6
    assert place == pytest.approx(np.ones(4), abs=1e-2)


def test_a_descent_turns_from_places_without_a_value() -> None:
    class Walled(Valley):
        def __call__(self, place: Floats) -> tuple[float, Floats]:
            return super().__call__(place) if place.max() < 0.5 else (np.nan, np.zeros(4))

    value, place = descend(Walled(), np.zeros(4), steps=50, tolerance=1e-6)

    assert place.max() < 0.5
    assert value <= rosen(np.zeros(4))
