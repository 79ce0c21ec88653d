"""Scores of the rows of a source: comparable, pruned trials in their place, failures worst."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.surrogate.history.ranking import score
from tuner.surrogate.history.source import Source


def source(x: list[float], y: list[float], rung: list[int] | None = None) -> Source:
    column = np.array(x, dtype=float)[:, None]
    return Source(name="s", x=column, y=np.array(y), rung=np.array(rung or [-1] * len(y)))


def order(scored_x: np.ndarray) -> list[float]:
    return [round(float(value), 6) for value in scored_x[:, 0]]


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_scores_depend_neither_on_the_unit_nor_on_the_order_of_rows(values, random) -> None:
    x = np.arange(len(values)) / len(values)
    y = np.round(np.array(values), 3)
    shuffled = list(range(len(values)))
    random.shuffle(shuffled)

    plain = score(Source(name="a", x=x[:, None], y=y))
    other = score(Source(name="b", x=x[shuffled][:, None], y=1000.0 * y[shuffled] + 5.0))

    np.testing.assert_array_equal(plain.x, other.x)
    np.testing.assert_allclose(plain.z, other.z, atol=1e-6)
    assert (np.diff(plain.z) >= 0).all()


def test_parameters_that_made_a_trial_fail_are_worst_and_equal() -> None:
    scored = score(source([0.1, 0.2, 0.3, 0.4], [3.0, np.nan, 1.0, np.inf]))

    assert order(scored.x)[:2] == [0.3, 0.1]
    assert scored.z[2] == scored.z[3] > scored.z[1]


def test_repeats_are_one_point_with_the_mean_score() -> None:
    scored = score(source([0.1, 0.2, 0.1, 0.3], [1.0, 2.0, 3.0, 4.0]))

    apart = score(source([0.1, 0.2, 0.11, 0.3], [1.0, 2.0, 3.0, 4.0]))
    scores = dict(zip(order(apart.x), apart.z, strict=True))
    assert sorted(order(scored.x)) == [0.1, 0.2, 0.3]
    repeated = order(scored.x).index(0.1)
    assert scored.z[repeated] == pytest.approx((scores[0.1] + scores[0.11]) / 2)
    assert scored.row[repeated] == 0


def test_trials_that_are_nearly_as_good_have_nearly_the_same_score() -> None:
    y = [0.9, 0.9001, 0.9002, 0.9003, 0.9004, 0.9005, 1.5, 2.5, 4.0, 9.0]
    scored = score(source([0.1 * i for i in range(10)], y))

    assert np.ptp(scored.z[:6]) < 0.01 * np.ptp(scored.z)


def test_a_pruned_trial_takes_the_place_of_finished_ones_that_stood_where_it_stood() -> None:
    finished_x = [0.1, 0.2, 0.3, 0.4]
    middle, final = [5.0, 6.0, 7.0, 8.0], [1.0, 2.0, 3.0, 4.0]
    stopped = source(
        [*finished_x, *finished_x, 0.9, 0.8],
        [*middle, *final, 6.5, 9.0],
        [3, 3, 3, 3, -1, -1, -1, -1, 3, 3],
    )

    scored = score(stopped)

    # 6.5 at step 3 lies between those that ended at 2 and 3; 9.0 is beyond all.
    assert order(scored.x) == [0.1, 0.2, 0.9, 0.3, 0.4, 0.8]


def test_pruned_trials_that_nothing_is_known_of_come_last_latest_first() -> None:
    # A small value at an early rung must not pass for a good result.
    scored = score(source([0.1, 0.2, 0.3, 0.4], [5.0, 0.1, 0.2, 0.05], [-1, 9, 9, 3]))

    assert order(scored.x) == [0.1, 0.2, 0.3, 0.4]


def test_a_source_of_pruned_trials_only_is_ranked_within_rungs() -> None:
    scored = score(source([0.1, 0.2, 0.3], [9.0, 1.0, 8.0], [20, 5, 20]))

    assert order(scored.x) == [0.3, 0.1, 0.2]


def test_rows_must_fit_together() -> None:
    with pytest.raises(ValueError, match="one row for each trial"):
        Source(name="s", x=np.zeros((2, 1)), y=np.zeros(3))
    with pytest.raises(ValueError, match="weight"):
        Source(name="s", x=np.zeros((1, 1)), y=np.zeros(1), weight=0.0)


def test_content_is_the_same_for_the_same_rows_in_any_order() -> None:
    one = source([0.1, 0.2], [1.0, np.nan])
    two = source([0.2, 0.1], [np.nan, 1.0])

    assert one.content == two.content
    assert one.content != source([0.1, 0.2], [1.0, 2.0]).content
