"""A cache never holds more than it may, and forgets what was not used for the longest."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tuner.learning.byte_cache import ByteCache, size_of
from tuner.learning.learning import forget_others

MOST = 100_000


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 15_000), st.booleans())))
def test_a_cache_is_bounded_whatever_is_put_in_and_taken_out(
    steps: list[tuple[int, int, bool]],
) -> None:
    cache = ByteCache(MOST)
    for key, numbers, is_removed in steps:
        cache[key] = np.zeros(numbers)
        if is_removed:
            cache.pop(key, None)

        held = sum(size_of(cache[k]) + size_of(k) for k in cache)
        assert cache.size == held <= MOST


def test_what_was_used_last_is_kept() -> None:
    cache = ByteCache(MOST)
    for key in range(3):
        cache[key] = np.zeros(4_000)
    assert cache[0] is not None
    cache[3] = np.zeros(4_000)

    assert sorted(cache) == [0, 2, 3]


def test_a_view_counts_what_it_keeps_in_memory() -> None:
    whole = np.zeros((100, 100))

    assert size_of({"a": whole[:1]}) > 80_000
    assert size_of([whole, "text"]) > 80_000


def test_what_history_meant_to_a_study_is_forgotten_when_it_learns_no_more() -> None:
    cache = ByteCache(10_000)
    cache["mapped", 1, "a"] = cache["mapped", 2, "a"] = cache["fitted", 1] = 7

    forget_others(cache, {2})

    assert set(cache) == {("mapped", 2, "a"), ("fitted", 1)}
