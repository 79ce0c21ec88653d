"""The Pareto front keeps what nothing dominates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tuner.service.answers.ranking import pareto_front


def test_the_front_of_two_metrics_leaves_out_dominated_points() -> None:
    points = [(1.0, 5.0), (2.0, 4.0), (2.0, 6.0), (3.0, 1.0), (3.0, 1.0)]

    assert pareto_front(points, ["minimize", "minimize"]) == [0, 1, 3, 4]


def test_goals_turn_the_comparison_round() -> None:
    points = [(0.9, 10.0), (0.8, 5.0), (0.7, 20.0)]

    assert pareto_front(points, ["maximize", "minimize"]) == [0, 1]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)), max_size=30))
def test_the_front_is_what_a_comparison_of_all_pairs_finds(points: list[tuple[int, ...]]) -> None:
    def dominated(i: int) -> bool:
        return any(
            all(x <= y for x, y in zip(p, points[i], strict=True)) and p != points[i]
            for p in points
        )

    found = pareto_front(points, ["minimize"] * 3)

    assert found == [i for i in range(len(points)) if not dominated(i)]
