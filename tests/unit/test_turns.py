"""Studies share the workers by their priorities, also where workers are few."""

from __future__ import annotations

from collections import Counter

from tuner.trials.fair_share import Contender, Turns


def _serve(priorities: list[int], workers: int, trials: int) -> Counter[int]:
    """Return how many trials each study got: each time the oldest trial ends, one is proposed."""
    studies = [Contender(number, priority) for number, priority in enumerate(priorities)]
    turns, running, got = Turns(), list[int](), Counter[int]()
    for _ in range(trials):
        turns.keep(study.study_id for study in studies)
        chosen = turns.next(studies, Counter(running))
        assert chosen is not None
        turns.take(studies[chosen])
        got[chosen] += 1
        running.append(chosen)
        if len(running) == workers:
            del running[0]
    return got


def test_a_study_more_than_there_are_workers_gets_its_turn() -> None:
    got = _serve([0] * 5, workers=4, trials=500)
    assert set(got.values()) == {100}


def test_one_worker_goes_round_by_priority() -> None:
    got = _serve([0, 1, 2], workers=1, trials=700)
    assert [got[study] for study in range(3)] == [100, 200, 400]


def test_with_workers_enough_every_study_holds_some_and_the_urgent_one_more() -> None:
    got = _serve([0, 2], workers=5, trials=500)
    assert got[1] / got[0] > 3
    assert got[0] > 50


def test_a_study_that_comes_later_has_nothing_to_make_up_for() -> None:
    turns, first, late = Turns(), Contender(1, 0), Contender(2, 0)
    turns.keep([1])
    for _ in range(100):
        turns.take(first)
    turns.keep([1, 2])
    served = []
    for _ in range(4):
        chosen = turns.next([first, late], {})
        assert chosen is not None
        served.append(chosen)
        turns.take(first if chosen == 1 else late)
    assert served == [1, 2, 1, 2]


def test_nobody_contends() -> None:
    assert Turns().next([], {}) is None
