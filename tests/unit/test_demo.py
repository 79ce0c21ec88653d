"""What `make demo` says of results: a gain, none, and how sure it is."""

from __future__ import annotations

import io

from rich.console import Console

from tests.benchmarks.demo.pairs import Pair, best_so_far, medians, verdict
from tests.benchmarks.demo.showing import table

AHEAD = Pair(cold=[0.5, 0.4, 0.8, 0.7], warm=[0.7, 0.85, 0.6, 0.9])
BEHIND = Pair(cold=AHEAD.warm, warm=AHEAD.cold)
EQUAL = Pair(cold=[0.5, 0.6], warm=[0.5, 0.6])


def test_the_best_so_far_never_falls() -> None:
    assert best_so_far([0.5, 0.4, 0.8, 0.7]) == [0.5, 0.5, 0.8, 0.8]
    assert medians([AHEAD.cold, AHEAD.warm, AHEAD.warm]) == [0.7, 0.85, 0.85, 0.9]


def test_a_gain_is_said_with_the_trials_it_saved_and_how_few_pairs_it_rests_on() -> None:
    assert AHEAD.caught_up_after == 2
    assert verdict([AHEAD]) == (
        "Gain in the only pair: with history the study began at 0.700 instead of 0.500, and had "
        "the cold study's best of 4 trials after 2; few pairs, so take it as an example."
    )
    assert "few pairs" not in verdict([AHEAD] * 5)
    assert verdict([AHEAD, AHEAD, BEHIND]).startswith("Gain in 2 of 3 pairs")


def test_a_lead_without_the_cold_studys_best_says_so() -> None:
    late = Pair(cold=[0.1, 0.2, 0.95], warm=[0.9, 0.9, 0.9])

    assert late.caught_up_after is None
    assert "did not reach the cold study's best within 3 trials" in verdict([late])


def test_no_gain_is_called_no_gain() -> None:
    for pairs in ([BEHIND], [EQUAL], [AHEAD, BEHIND]):
        assert verdict(pairs).startswith("No gain: ")


def test_the_table_shows_the_two_side_by_side_with_bars_as_long_as_they_are_good() -> None:
    out = io.StringIO()
    Console(file=out, width=100).print(table([AHEAD], "val_accuracy"))
    rows = [line for line in out.getvalue().splitlines() if "cold" in line or "warm" in line]

    assert [row.split()[-1] for row in rows[:4]] == ["0.500", "0.700", "0.500", "0.850"]
    assert rows[0].count("█") < rows[1].count("█") < rows[-1].count("█") == 40


def test_results_that_are_all_equal_can_be_shown() -> None:
    out = io.StringIO()
    Console(file=out, width=100).print(table([Pair(cold=[0.5], warm=[0.5])], "val_accuracy"))

    assert out.getvalue().count("0.500") == 2
