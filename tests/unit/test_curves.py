"""What the curves of history say: claims about the arithmetic, without a service."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.benchmarks.keras_table.table import load_table
from tests.benchmarks.pruning_play import Task, believe, by_history, make_task, play
from tuner.curves import gate
from tuner.curves.belief import CurveBelief, CurveRank, bins_of, chances
from tuner.curves.population import same_chance
from tuner.curves.referee import Entry, Referee
from tuner.curves.runs import CELLS, LAST, make_run, ranks, stack, standings
from tuner.curves.table import BINS, EDGES, StudyTable, falling, make_table, merge

TASKS = [make_task(task.name, task.curves()) for task in load_table().tasks[:8]]
TARGET, HISTORY = TASKS[0], TASKS[1:]
SIZE = 48
BAD = CurveRank(cell=50, better=60.0, of=60)


def drawn(task: Task, seed: int = 0, size: int = SIZE) -> list[int]:
    """Return configurations of a task, at random."""
    return [int(row) for row in np.random.default_rng(seed).permutation(len(task.final))[:size]]


# --- standing


def test_pairs_are_compared_at_the_last_progress_that_both_have() -> None:
    stopped = make_run({1: 0.5, 2: 0.4}, 10)
    longer = make_run({1: 0.6, 2: 0.3, 3: 0.9}, 10)

    better, of = standings(longer, stack([stopped]), longer.cells)

    assert better.tolist() == [1.0, 0.0, 0.0]
    assert of.tolist() == [1, 1, 1]


def test_trials_of_different_horizons_are_compared_by_the_share_that_they_have_done() -> None:
    short = make_run({step: 1.0 / step for step in range(1, 11)}, 10)
    long = make_run({step: 1.0 / step for step in range(1, 101)}, 100)

    better, of = standings(short, stack([long]), short.cells[:1])

    assert (better.tolist(), of.tolist()) == ([1.0], [1]), "a tenth: 1/1 here, 1/10 there"


def test_a_trial_that_failed_by_its_parameters_is_behind_all_from_then_on() -> None:
    failed = make_run({1: 0.1, 2: 0.1}, 10, "worst")
    late = make_run(dict.fromkeys(range(1, 6), 9.0), 10)

    better, _ = standings(late, stack([failed]), late.cells)

    assert better.tolist() == [1.0, 1.0, 0.0, 0.0, 0.0]


def test_who_has_reported_nothing_is_nobodys_peer() -> None:
    run = make_run({1: 0.5}, 10)

    assert standings(run, stack([make_run({}, 10)]), run.cells)[1].tolist() == [0]
    assert standings(run, stack([make_run({}, 10, "worst")]), run.cells)[1].tolist() == [1]


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30))
def test_ranks_are_quantiles_whose_ties_share_theirs(values: list[float]) -> None:
    found = ranks(np.array(values))

    assert ((found > 0) & (found < 1)).all()
    assert np.allclose(found, (stats.rankdata(values) - 0.5) / len(values))


# --- tables


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=25),
    st.integers(0, 2**31),
)
def test_the_falling_sequence_is_the_nearest_one(values: list[float], seed: int) -> None:
    given_ = np.array(values)
    weights = np.random.default_rng(seed).uniform(0.1, 2.0, len(values))

    found = falling(given_, weights)

    assert (np.diff(found) <= 1e-12).all()
    assert np.isclose((found * weights).sum(), (given_ * weights).sum())
    assert np.allclose(falling(found, weights), found), "what falls already stays"


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([1, 3, 7]))
def test_noise_and_inverted_history_stop_nothing(seed: int, studies: int) -> None:
    rng = np.random.default_rng(seed)
    noisy = [Task(t.name, t.curves, rng.permutation(t.final)) for t in HISTORY[:studies]]
    inverted = [Task(t.name, t.curves, -t.final) for t in HISTORY[:studies]]
    for history in (noisy, inverted):
        belief = believe([task.sub(drawn(task, seed)) for task in history], 0.5)
        # Whatever is condemned stands behind all others.
        for cell in range(0, CELLS, 9):
            chance, _ = chances(belief, CurveRank(cell=cell, better=60.0, of=60))
            assert chance > 0.1


def test_a_related_history_knows_who_ends_well() -> None:
    belief = believe(HISTORY, 0.5)

    assert chances(belief, BAD)[0] < 0.08
    assert chances(belief, CurveRank(cell=50, better=0.0, of=60))[0] > 0.92
    assert chances(belief, CurveRank(cell=30, better=0.0, of=0))[0] == pytest.approx(0.5, abs=0.05)


def test_one_study_more_changes_little_however_huge_it_is() -> None:
    good = StudyTable(np.full((CELLS, BINS), 0.9), np.full((CELLS, BINS), 5.0))
    huge = StudyTable(np.full((CELLS, BINS), 0.1), np.full((CELLS, BINS), 1e9))

    without = merge([good] * 9, [1.0] * 9, 0.5)[0, 0]
    with_it = merge([*[good] * 9, huge], [1.0] * 10, 0.5)[0, 0]

    assert without - with_it < 0.15
    assert merge([good], [0.0], 0.5)[0, 0] == pytest.approx(0.5), "weight 0 counts nothing"
    assert np.allclose(merge([], [], 0.25), 0.25)


def test_a_table_does_not_depend_on_the_unit_or_the_scale_of_the_metric() -> None:
    task = TARGET.sub(drawn(TARGET))
    plain = believe([task], 0.5)
    scaled = make_task("scaled", 3.0 * np.log1p(task.curves) + 7.0)

    assert np.allclose(plain.chance, believe([scaled], 0.5).chance)


def test_trials_that_history_stopped_count_as_far_as_they_got() -> None:
    task = TARGET.sub(drawn(TARGET, size=60))
    runs = [make_run({s: float(v) for s, v in enumerate(c, 1)}, 15, "whole") for c in task.curves]
    cut = [
        make_run({1: float(c[0])}, 15) if f > np.median(task.final) else run
        for c, f, run in zip(task.curves, task.final, runs, strict=True)
    ]
    final = np.where(task.final > np.median(task.final), np.inf, task.final)

    table = make_table(cut, final, 0.5)

    assert table.share[7, -1] < 0.1, "at the first epoch they are there"
    assert table.mass[LAST].sum() < table.mass[7].sum()


# --- standing to chance


@given(st.integers(0, 200), st.floats(0, 1))
def test_the_quantile_is_known_the_better_the_more_peers_there_are(of: int, share: float) -> None:
    better = round(share * of)

    bins = bins_of(np.array([float(better)]), np.array([float(of)]))[0]

    assert bins.sum() == pytest.approx(1.0)
    assert bins == pytest.approx(np.diff(stats.beta.cdf(EDGES, better + 1, of - better + 1)))


def test_same_data_stops_being_believed_when_trials_lie_at_its_bad_end() -> None:
    assert same_chance([]) == pytest.approx(0.95)
    assert same_chance([0.5] * 10) == pytest.approx(0.95), "what fits adds nothing to the start"
    assert same_chance([0.99] * 5) < 0.05


def test_what_is_believed_comes_back_from_its_bytes() -> None:
    belief = believe(HISTORY[:2], 0.25, same=TARGET.sub(range(30)))

    again = CurveBelief.from_bytes(belief.to_bytes())

    assert again.key == belief.key
    assert (again.top, again.studies, again.trials) == (0.25, 3, belief.trials)
    assert np.array_equal(again.chance, belief.chance)
    assert again.population is not None
    for damaged in (b"", b"PK", belief.to_bytes()[:200]):
        with pytest.raises(ValueError, match="packed"):
            CurveBelief.from_bytes(damaged)


# --- the gate


def test_the_first_stops_are_earned_and_later_ones_looked_after() -> None:
    audited = [n for n in range(1, 33) if gate.is_audited(n, same_data=False)]

    assert audited == [1, 2, 4, 8, 16, 24, 32]
    assert [n for n in range(1, 33) if gate.is_audited(n, same_data=True)] == [8, 16, 24, 32]


def test_trust_falls_when_the_condemned_end_well_and_rises_when_history_is_right() -> None:
    final = np.arange(10.0)
    right, wrong = np.where(final < 5, 0.9, 0.1), np.where(final < 5, 0.1, 0.9)
    ones = np.ones(10)

    assert gate.trust(right, final, ones, same_data=False) == gate.MOST
    assert gate.trust(wrong, final, ones, same_data=False) < 0.01
    assert gate.trust(right[:2], final[:2], ones[:2], same_data=False) == gate.START


def test_the_gate_closes_under_a_misleading_history() -> None:
    # What is good in the end begins badly: the order is reversed until half of the training.
    curves = TARGET.curves.copy()
    place = np.argsort(np.argsort(TARGET.final, kind="stable"))
    early = np.sort(curves[:, :7], axis=0)[::-1][place]
    curves[:, :7] = early + np.ptp(curves)
    crossing = make_task("crossing", curves)
    order = drawn(crossing, size=64)
    belief = believe(HISTORY, 0.5)
    trusting = Referee(belief, 0.9)
    trusting.trust = lambda _entries: gate.MOST  # type: ignore[method-assign]

    def blind(entries: list[Entry], number: int) -> tuple[bool, float | None]:
        verdict = trusting.judge(entries, number)
        return verdict.condemned, verdict.half if verdict.condemned else None

    without = play(crossing, order, blind)
    guarded = play(crossing, order, by_history(belief, 0.9))

    assert without.share(without.stopped, 0.5) >= 6, "there is something to be guarded against"
    assert guarded.share(guarded.stopped, 0.5) <= 0.4 * without.share(without.stopped, 0.5)
    assert min(guarded.ended) <= np.quantile(guarded.final, 0.1)


def test_a_related_history_stops_bad_trials_and_keeps_good_ones() -> None:
    order = drawn(TARGET, seed=3, size=64)
    played = play(TARGET, order, by_history(believe(HISTORY, 0.5), 0.9))

    assert sum(played.stopped) >= 8
    assert played.share(played.stopped, 0.5) <= 0.1 * sum(played.stopped)
    assert min(played.ended) == min(played.final)


def test_with_the_same_data_the_first_trials_can_be_stopped() -> None:
    bad_first = sorted(range(len(TARGET.final)), key=lambda row: -TARGET.final[row])[20:30]
    order = [*bad_first, *drawn(TARGET)]
    belief = believe(HISTORY, 0.5, same=TARGET.sub(drawn(TARGET, seed=9, size=100)))

    played = play(TARGET, order, by_history(belief, 0.9))

    assert played.first is not None
    assert played.first <= 2
    assert play(TARGET, order, by_history(believe(HISTORY, 0.5), 0.9)).first != 1


def test_trials_that_run_at_once_are_judged_as_well() -> None:
    order = drawn(TARGET, seed=3, size=64)
    played = play(TARGET, order, by_history(believe(HISTORY, 0.5), 0.9), workers=8)

    assert sum(played.stopped) >= 6
    assert played.share(played.stopped, 0.5) <= 2


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 6))
def test_a_judge_that_has_just_begun_says_what_one_says_that_saw_all(
    seed: int, workers: int
) -> None:
    belief = believe(HISTORY[:3], 0.25)
    old = Referee(belief, 0.9)

    def stops(entries: list[Entry], number: int) -> tuple[bool, float | None]:
        verdict = old.judge(entries, number)
        assert Referee(belief, 0.9).judge(entries, number) == verdict
        return verdict.stops, verdict.half if verdict.condemned else None

    play(TARGET, drawn(TARGET, seed, 12), stops, workers)
