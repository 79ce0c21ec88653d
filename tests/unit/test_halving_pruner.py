"""`asha` and `hyperband` on a study in memory: rungs, the first one, marks, restarts."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.databases.pruned_study import Study, finals, straight
from tuner.history.learning_curves.early import EarlyRanks
from tuner.proposals.pruners.halving import HalvingPruner
from tuner.proposals.pruners.wording import halved_text


def test_of_the_trials_at_a_rung_the_best_third_goes_on() -> None:
    study = Study(min_resource=1)
    numbers = [study.add() for _ in range(9)]
    first = [study.report(number, 1, float(9 - number)) for number in numbers]
    assert not any(first), "each is the best so far"
    worst, third, fourth = study.add(), study.add(), study.add()

    assert study.report(worst, 1, 9.5)
    assert not study.report(third, 1, 2.5), "third of 11"
    assert study.report(fourth, 1, 4.5), "sixth of 12, where 4 go on"
    mark = study.mark(fourth)
    assert (mark["rank"], mark["of"], mark["kept"], mark["rung"]) == (6, 12, 4, 1)
    assert halved_text(mark) == (
        "stopped by asha at step 1, its first rung: "
        "4.5 is 6th of 12 there, the best 4 continue (4th: 3)"
    )


def test_a_rung_is_the_first_report_there_or_beyond() -> None:
    study = Study(min_resource=3)
    for number, step in enumerate((3, 5, 8)):
        assert study.add() == number
        assert not study.report(number, 2, 99.0), "before the rung nothing is judged"
        assert not study.report(number, step, 1.0 - number / 10)
    late = study.add()

    assert not study.report(late, 1, 5.0)
    assert study.report(late, 7, 5.0)
    assert study.mark(late)["of"] == 4


def test_steps_that_start_at_1000_are_rungs_like_others() -> None:
    study = Study()
    curves = [{1000 * s: v for s, v in straight(final, 20).items()} for final in finals(20)]
    states = [study.train(curve) for curve in curves]

    assert study.rung is not None
    assert study.rung.step == 1200, "6 % of 20 000"
    assert 8 <= states.count("pruned") <= 16


def test_nothing_is_stopped_at_its_last_step() -> None:
    study = Study(min_resource=3)
    assert study.train(straight(0.0, 9)) == "complete"
    number = study.add()
    for step in range(1, 9):
        study.in_memory.report(number, step, 0.5)
    other = Study(min_resource=9)
    other.train(straight(0.0, 9))
    last = other.add()

    assert not other.report(last, 9, 99.0)


def test_auto_stops_nothing_until_a_trial_has_run_to_its_end() -> None:
    study = Study()
    running = [study.add() for _ in range(4)]
    for step in range(1, 9):
        for number in running:
            assert not study.report(number, step, float(number))
    assert study.rung is None
    study.curves[0][9] = 0.0
    study.end(0, "complete", 0.0)

    assert study.rung is not None
    assert (study.rung.step, study.rung.kind, study.rung.length) == (1, "length", 9)
    bad = study.add()
    assert study.report(bad, 1, 99.0)


@pytest.mark.parametrize(
    ("length", "step"), [(1, 1), (9, 1), (15, 1), (27, 2), (52, 3), (100, 6), (52_000, 3120)]
)
def test_auto_begins_at_six_percent_of_a_training(length: int, step: int) -> None:
    study = Study()
    study.train({max(1, length // 2): 1.0, length: 0.5})

    assert study.rung is not None
    assert study.rung.step == step


def test_a_constant_that_says_the_epochs_gives_the_length_before_the_first_trial() -> None:
    study = Study()
    assert isinstance(study.pruner, HalvingPruner)
    study.pruner.constants = {"train.epochs": 52}
    study.settle()

    assert study.rung is not None
    assert study.rung.step == 3


def test_auto_takes_the_step_from_which_on_history_foretells_the_end() -> None:
    study = Study()
    assert isinstance(study.pruner, HalvingPruner)
    study.pruner.early = EarlyRanks(
        progress=0.11, correlation=0.74, studies=3, trials=90, horizon=40
    )
    study.settle()

    assert study.rung is not None
    assert (study.rung.step, study.rung.kind) == (5, "history")
    assert study.rung.text == (
        "the first rung is at step 5: in 3 earlier studies (90 trials) ranks there predict the "
        "end (rank correlation 0.74)"
    )


def test_a_first_rung_that_was_given_stays_and_is_warned_of_when_it_misleads() -> None:
    study = Study(min_resource=1)
    rng = np.random.default_rng(3)
    for _ in range(14):  # whole, as if nobody had been stopped: the first value says nothing
        final = float(rng.uniform())
        number = study.add()
        study.curves[number] = {1: float(rng.uniform()), 5: final, 9: final}
        study.end(number, "complete", final)

    assert study.rung is not None
    assert study.rung.step == 1
    assert "whole trials the ranks at step 1 tell little of the end" in study.rung.warning
    assert "tuner edit p/s pruner.min_resource=3" in study.rung.warning
    assert len(study.decided) == 1, "said once"


def test_fifteen_trials_in_a_row_that_pass_no_first_rung_are_a_warning() -> None:
    study = Study(min_resource=1)
    study.train(straight(0.0))
    for number in range(14):
        study.train(straight(2.0 + number))
        assert study.rung is not None
        assert study.rung.warning == ""
    study.train(straight(99.0))

    assert study.rung.warning.startswith("the last 15 trials were all too bad to pass the first")


def test_trials_that_passed_and_still_run_break_the_row() -> None:
    study = Study(min_resource=1)
    study.train(straight(0.5))
    for number in range(10):
        study.train(straight(2.0 + number))
    running = study.add()
    assert not study.report(running, 1, 0.0)
    for number in range(10):
        study.train(straight(30.0 + number))

    assert study.rung is not None
    assert study.rung.warning == ""


def test_a_first_rung_that_was_chosen_moves_up_when_it_misleads() -> None:
    study = Study()
    rng = np.random.default_rng(3)
    for _ in range(14):
        final = float(rng.uniform())
        number = study.add()
        study.curves[number] = {1: float(rng.uniform()), 3: final, 9: final}
        study.end(number, "complete", final)

    assert study.rung is not None
    assert [rung.step for rung in study.decided] == [1, 3]
    assert study.rung.kind == "moved"
    assert "moved from step 1, as over " in study.rung.why


def test_a_first_rung_that_foretells_the_end_stays() -> None:
    study = Study()
    for final in finals(60):
        study.train(straight(final))

    assert [rung.step for rung in study.decided] == [1]


def test_condemned_trials_that_run_on_cost_a_tenth_of_all_steps() -> None:
    study = Study()
    states = [study.train(straight(final, 27)) for final in finals(150, 1)]

    audited = [n for n in range(150) if study.mark(n) and study.mark(n)["audited"]]
    assert audited, "otherwise nobody would see whether the rung is right"
    assert all(states[number] == "complete" for number in audited)
    steps = sum(max(curve) for curve in study.curves.values())
    cost = sum(27 - study.mark(number)["step"] for number in audited)
    assert 0.05 * steps <= cost <= 0.1 * steps


@pytest.mark.parametrize("pruner", ["asha", "hyperband"])
def test_decisions_are_the_same_after_every_restart(pruner: str) -> None:
    curves = [straight(final, 27) for final in finals(40, 2)]
    rng = np.random.default_rng(0)
    curves = [{s: v + float(rng.normal(0, 0.1)) for s, v in curve.items()} for curve in curves]

    def play(every: int) -> Study:
        study, left, running, count = Study(pruner), list(curves), {}, 0
        while left or running:
            while left and len(running) < 4:
                running[study.add()] = (left.pop(0), 1)
            for number, (curve, step) in list(running.items()):
                prunes = study.report(number, step, curve[step])
                count += 1
                if every and count % every == 0:
                    study = study.restarted()
                if prunes or step == 27:
                    study.end(number, "pruned" if prunes else "complete", curve[step])
                    del running[number]
                else:
                    running[number] = (curve, step + 1)
        return study

    through, anew = play(0), play(7)
    assert anew.orders == through.orders
    assert [anew.mark(n) for n in range(40)] == [through.mark(n) for n in range(40)]
    assert [rung.step for rung in anew.decided] == [rung.step for rung in through.decided]
    assert sum(prunes for *_, prunes in through.orders) >= 10


def test_hyperband_judges_a_bracket_by_itself() -> None:
    study = Study("hyperband", min_resource=1, max_resource=9)
    for final in finals(40):
        study.train(straight(final))

    brackets = study.in_memory.snapshot().brackets
    assert brackets == {"min_resource": 1, "max_resource": 9, "reduction_factor": 3}
    first = {study.mark(n)["rung"] for n in range(40) if study.mark(n) and study.mark(n)["first"]}
    assert first == {1, 3}, "the third bracket begins at the last step"


def test_hyperband_with_a_largest_step_need_not_wait_for_the_first_trial() -> None:
    study = Study("hyperband", max_resource=52)
    study.settle()

    assert study.in_memory.snapshot().brackets == {
        "min_resource": 3,
        "max_resource": 52,
        "reduction_factor": 3,
    }


def test_hyperband_has_no_brackets_before_the_length_is_known() -> None:
    study = Study("hyperband")
    assert study.in_memory.snapshot().brackets is None
    study.train(straight(0.0, 27))

    assert study.in_memory.snapshot().brackets == {
        "min_resource": 2,
        "max_resource": 27,
        "reduction_factor": 3,
    }
