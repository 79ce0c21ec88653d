"""An earlier study in another study's columns: every difference there can be, one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.support.history.historic import ALL, historic_study, historic_trial, make_space, mapped
from tuner.history.matching.mapping import MAX_TRIALS, MapOptions

NAN = math.nan
LOG = {"type": "float", "low": 1e-4, "high": 1e-2, "log": True}
LINEAR = {"type": "float", "low": 0.0, "high": 10.0}
WHOLE = {"type": "int", "low": 0, "high": 4}
ORDINAL = {"type": "ordinal", "values": [16, 32, 64]}
CHOICE = {"type": "categorical", "values": ["adam", "sgd"]}
NUMBERS = {"type": "categorical", "values": [0.001, 0.01]}
BOOL = {"type": "bool"}
MANY_WHOLE = {"type": "int", "low": 0, "high": 10**9}


@pytest.mark.parametrize(
    ("here", "values", "positions", "note"),
    [
        (LOG, [1e-4, 1e-3, 1e-2], [0, 0.5, 1], ""),
        (LOG, [1e-5, 1e-1], [-0.5, 1.5], "2 of 2 values lie outside the range here"),
        (LOG, [1e-3, 0.0, -1.0], [0.5, NAN, NAN], "2 of 3 values are not above 0"),
        (LOG, ["0.001", "1e-2"], [0.5, 1], "2 of 2 values were text"),
        (LOG, [1e-3, "auto"], [0.5, NAN], '1 of 2 values are not numbers: "auto"'),
        (LOG, [float(np.float32(1e-4)), float(np.float32(1e-2))], [0, 1], ""),
        (LINEAR, [0, 5, 2.5], [0, 0.5, 0.25], ""),
        (
            LINEAR,
            [True, "nan", "inf", "1_0"],
            [0.1, NAN, NAN, NAN],
            "1 of 4 values were true or false",
        ),
        (LINEAR, [10**400, 1], [NAN, 0.1], "1 of 2 values are not numbers"),
        (WHOLE, [0, 2.0, "4"], [0, 0.5, 1], "1 of 3 values were text"),
        (WHOLE, [1.5, 2], [0.375, 0.5], "1 of 2 values lie between those of the grid here"),
        (WHOLE, [-2, 6], [-0.5, 1.5], "outside the range"),
        (MANY_WHOLE, [1, 2, 10**9], [1e-9, 2e-9, 1], ""),
        (ORDINAL, [16, 32.0, "64"], [0, 0.5, 1], "1 of 3 values were written in another"),
        (ORDINAL, [48, 128], [0.75, 2.0], "1 of 2 values lie between those listed here"),
        (ORDINAL, [16, "big"], [0, NAN], '1 of 2 values are other choices: "big"'),
        (CHOICE, ["adam", "sgd"], [0, 1], ""),
        (CHOICE, ["Adam", "SGD"], [0, 1], '"Adam", taken for "adam" (a guess)'),
        (
            CHOICE,
            ["sgd", "rmsprop", "lion"],
            [1, NAN, NAN],
            '2 of 3 values are other choices: "lion"',
        ),
        (NUMBERS, ["0.001", 0.01], [0, 1], "1 of 2 values were written in another type"),
        (NUMBERS, [float(np.float32(0.001)), float(np.float32(0.01))], [0, 1], "another type"),
        (NUMBERS, [0.0010001, 0.01], [NAN, 1], "1 of 2 values are other choices"),
        (BOOL, [True, False], [1, 0], ""),
        (
            BOOL,
            [1, 0.0, "True", "false", "2"],
            [1, 0, 1, 0, NAN],
            "4 of 5 values were written in another",
        ),
        ({"type": "ordinal", "values": ["s", "m", "l"]}, ["l", "M"], [1, 0.5], "(a guess)"),
        ({"type": "categorical", "values": [0, 1]}, [True, 0.0], [1, 0], "written in another type"),
        ({"type": "categorical", "values": ["224", "299"]}, [224.0, 299], [0, 1], "another type"),
        ({"type": "categorical", "values": ["a", "A"]}, ["a", "A", " a"], [0, 1, NAN], "other"),
    ],
)
def test_a_value_gets_its_place(
    here: dict[str, Any], values: list[Any], positions: list[float], note: str
) -> None:
    trials = [{"p.x": value, "p.y": 0.5} for value in values]
    space = {"p.x": here, "p.y": {"type": "float", "low": 0, "high": 1}}

    found = mapped(space, historic_study(trials))

    assert found.used == len(values), found
    np.testing.assert_allclose(found.source.x[:, 0], positions, atol=1e-7)  # type: ignore[union-attr]
    assert note in found.notes.get("p.x", ""), found.notes
    if not note:
        assert "p.x" not in found.notes


def columns(space: dict[str, Any], trials: Sequence[Any], **facts: Any) -> dict[str, list[float]]:
    found = mapped(space, historic_study(trials, **facts))
    assert found.source is not None, found
    names = [name for name in make_space(space).names if space[name]["type"] != "fixed"]
    return {name: found.source.x[:, i].tolist() for i, name in enumerate(names)}


def test_a_parameter_that_is_new_here_stays_open() -> None:
    found = mapped({"p.x": LINEAR, "p.new": LINEAR}, historic_study([{"p.x": 1}, {"p.x": 2}]))

    assert np.isnan(found.source.x[:, 1]).all()  # type: ignore[union-attr]
    assert found.notes == {"p.new": "not known there"}


def test_a_constant_of_old_runs_is_their_value() -> None:
    trials = [{"p.x": 1}, {"p.x": 2, "p.y": 5}]

    found = columns({"p.x": LINEAR, "p.y": LINEAR}, trials, constants={"p.y": 10})

    assert found["p.y"] == [1.0, 0.5]


def test_a_parameter_that_is_gone_is_ignored_and_named() -> None:
    trials = [{"p.x": 1, "p.old": 3, "p.same": 1}, {"p.x": 2, "p.old": 4, "p.same": 1}]

    found = mapped({"p.x": LINEAR}, historic_study(trials))

    assert found.used == 2
    assert found.notes == {"p.old": "varies there, is nothing here: ignored"}


def test_trials_that_differ_in_what_is_fixed_here_count_and_are_noted() -> None:
    space = {"p.x": LINEAR, "p.f": {"type": "fixed", "value": "relu"}}
    trials = [{"p.x": 1, "p.f": "relu"}, {"p.x": 2, "p.f": "tanh"}, {"p.x": 3}]

    found = mapped(space, historic_study(trials))

    assert found.used == 3
    assert found.notes["p.f"] == 'fixed at "relu" here; 1 of 2 trials had another value'


def test_declared_scales_that_differ_are_noted() -> None:
    there = make_space(
        {
            "a": {"type": "float", "low": 0.0001, "high": 0.1},
            "b": {"type": "int", "low": 0, "high": 4},
            "c": {"type": "categorical", "values": ["adam"]},
            "d": {"type": "bool"},
        }
    )
    here = {"a": LOG, "b": LINEAR, "c": CHOICE, "d": {**BOOL, "when": {"c": ["adam"]}}}
    trials = [{"a": 1e-3 * n, "b": n, "c": "adam", "d": bool(n % 2)} for n in (1, 2, 3)]

    found = mapped(here, historic_study(trials, space=there))

    assert found.notes == {
        "a": "linear there; from 0.0001 to 0.1 there",
        "b": "int there; from 0 to 4 there",
        "c": 'always "adam" there; new here: "sgd"',
        "d": "always active there",
    }


CONDITIONAL = {"opt": CHOICE, "momentum": {**LINEAR, "when": {"opt": ["sgd"]}}}


def test_a_flat_study_loses_what_is_not_active_here() -> None:
    trials = [{"opt": "adam", "momentum": 1}, {"opt": "sgd", "momentum": 2}]
    other = [*trials, {"opt": "rmsprop", "momentum": 3}]

    found = mapped(CONDITIONAL, historic_study(other))

    np.testing.assert_allclose(found.source.x[:, 1], [NAN, 0.2, NAN])  # type: ignore[union-attr]
    assert "2 values dropped where it is not active here" in found.notes["momentum"]


def test_a_conditional_study_has_gaps_in_a_flat_one() -> None:
    trials = [{"opt": "adam"}, {"opt": "sgd", "momentum": 2}]

    assert columns({"opt": CHOICE, "momentum": LINEAR}, trials)["momentum"] == pytest.approx(
        [NAN, 0.2], nan_ok=True
    )


def test_a_trial_lacks_nothing_where_its_own_space_had_nothing() -> None:
    there = {"opt": CHOICE, **{n: {**LINEAR, "when": {"opt": ["sgd"]}} for n in "abcd"}}
    trials = [{"opt": "adam"}, {"opt": "adam"}, {"opt": "sgd", **dict.fromkeys("abcd", 1)}]
    flat = {"opt": CHOICE, **dict.fromkeys("abcd", LINEAR)}

    assert mapped(flat, historic_study(trials, space=make_space(there))).used == 3
    assert mapped(flat, historic_study(trials)).dropped == {"few-parameters": 2}


def test_a_parent_that_was_never_recorded_is_told_by_its_child() -> None:
    nested = {**CONDITIONAL, "nesterov": {**BOOL, "when": {"momentum_kind": ["b"]}}}
    nested["momentum_kind"] = {
        "type": "categorical",
        "values": ["a", "b"],
        "when": {"opt": ["sgd"]},
    }
    trials = [{"lr": 1, "nesterov": True}, {"lr": 2}]

    found = mapped({**nested, "lr": LINEAR}, historic_study(trials))
    rows = columns({**nested, "lr": LINEAR}, trials)

    np.testing.assert_equal(rows["momentum_kind"], [1, NAN])
    np.testing.assert_equal(rows["opt"], [1, NAN])
    assert found.notes["opt"] == (
        'not recorded there; taken as "sgd" where momentum_kind is (a guess)'
    )


def test_children_that_contradict_each_other_tell_nothing() -> None:
    space = {
        "lr": LINEAR,
        "opt": CHOICE,
        "momentum": {**LINEAR, "when": {"opt": ["sgd"]}},
        "beta": {**LINEAR, "when": {"opt": ["adam"]}},
    }
    trials = [{"lr": 1, "momentum": 1, "beta": 1}, {"lr": 2, "momentum": 1}]

    found = columns(space, trials)

    np.testing.assert_equal(found["opt"], [NAN, 1])
    np.testing.assert_equal(found["beta"], [0.1, NAN])


def test_a_guessed_name_whose_values_do_not_fit_is_given_up() -> None:
    trials = [{"p.x": n, "opt": "adam", "learning_rate": "cosine"} for n in range(4)]
    space = {"p.x": LINEAR, "train.learning_rate": LOG, "opt": CHOICE}

    found = mapped(space, historic_study(trials))

    assert found.notes["train.learning_rate"] == ("learning_rate there has other values: not taken")


def test_a_parameter_that_lies_elsewhere_stays_open_and_the_rest_counts() -> None:
    trials = [{"p.x": n, "epochs": 100 + n, "p.y": n} for n in range(4)]
    space = {"p.x": LINEAR, "p.y": LINEAR, "epochs": {"type": "int", "low": 5, "high": 20}}

    found = mapped(space, historic_study(trials), MapOptions(min_trials=4, min_share=0.6))

    assert found.used == 4
    assert np.isnan(found.source.x[:, 2]).all()  # type: ignore[union-attr]
    assert found.notes == {"epochs": "4 of 4 values lie far outside the range here: left open"}


def test_a_guess_stands_in_the_notes() -> None:
    found = mapped({"train.learning_rate": LOG}, historic_study([{"lr": 1e-3}, {"lr": 1e-4}]))

    assert found.notes == {"train.learning_rate": "lr there (a guess by its abbreviation)"}


@pytest.mark.parametrize(
    ("values", "is_taken"),
    [([8, 64, 128, 200], True), ([8, 32, 64, 128], True), ([200, 300, 64, 190], False)],
)
def test_a_guess_by_words_is_made_where_the_values_support_it(
    values: list[int], *, is_taken: bool
) -> None:
    space = {"units": {"type": "int", "low": 8, "high": 128}, "p.x": LINEAR}
    study = historic_study([{"max_units": v, "p.x": n} for n, v in enumerate(values)])

    found = mapped(space, study, MapOptions(min_trials=4))

    assert found.source is not None
    assert bool(np.isnan(found.source.x[:, 0]).all()) != is_taken
    told = "max_units there (a guess by its words)" if is_taken else "max_units there has other"
    assert found.notes["units"].startswith(told)


def outcome(state: str, cause: str | None = None, **facts: Any) -> Any:
    return historic_trial(99, {"p.x": 5}, state=state, cause=cause, **facts)


@pytest.mark.parametrize(
    ("trial", "reason"),
    [
        *((outcome("fail", cause), "machine") for cause in ("lost", "preempted", "rejected")),
        (outcome("fail", "storage"), "machine"),
        (outcome("fail", "error"), "error"),
        (outcome("fail", "cancelled"), "cancelled"),
        (outcome("fail"), "failed"),
        (outcome("fail", "a cause of next year"), "failed"),
        (outcome("running"), "running"),
        (outcome("complete", metrics={"loss": 1.0}), "no-metric"),
        (outcome("complete", metrics={"score": NAN}), "no-metric"),
        (outcome("complete", metrics={"score": math.inf}), "no-metric"),
        (outcome("pruned"), "no-report"),
        (outcome("pruned", metrics={"score": 1.0}), "no-step"),
        (historic_trial(0, {"p.x": 1}), "repeat"),
        (historic_trial(9, {"p.z": 1}), "few-parameters"),
        (historic_trial(9, {"p.x": 21}), "far"),
        (historic_trial(9, {"p.x": -11}), "far"),
    ],
)
def test_a_trial_that_tells_nothing_is_dropped_for_one_reason(trial: Any, reason: str) -> None:
    study = historic_study([historic_trial(0, {"p.x": 1}), historic_trial(1, {"p.x": 2}), trial])

    found = mapped({"p.x": LINEAR}, study)

    assert (found.used, found.dropped) == (2, {reason: 1})


@pytest.mark.parametrize("cause", ["oom", "timeout", "diverged"])
def test_what_the_parameters_did_is_infeasible(cause: str) -> None:
    study = historic_study([{"p.x": 1}, outcome("fail", cause)])

    found = mapped({"p.x": LINEAR}, study)

    assert found.used == 2
    np.testing.assert_equal(found.source.y, [0, NAN])  # type: ignore[union-attr]


def test_a_measurement_that_was_repeated_counts_twice() -> None:
    again = [historic_trial(7, {"p.x": 1}, started=float(start)) for start in (1, 2)]

    assert mapped({"p.x": LINEAR}, historic_study(again)).used == 2


def test_values_are_oriented_so_that_smaller_is_better() -> None:
    study = historic_study([{"p.x": 1}, {"p.x": 2}])

    assert mapped({"p.x": LINEAR}, study).source.y.tolist() == [0, -1]  # type: ignore[union-attr]


def test_pruned_trials_stand_at_their_rung_beside_those_that_went_on() -> None:
    def curve(*values: float) -> dict[str, Any]:
        return {"curves": {"score": tuple(enumerate(values, start=1))}}

    trials = [
        historic_trial(0, {"p.x": 1}, metrics={"score": 0.9}, **curve(0.5, 0.6, 0.9)),
        historic_trial(1, {"p.x": 2}, state="pruned", **curve(0.4, 0.45)),
        historic_trial(2, {"p.x": 3}, metrics={"score": 0.8}, **curve(0.3, 0.7, 0.8)),
        historic_trial(3, {"p.x": 4}, metrics={"score": 0.7}),
    ]

    source = mapped({"p.x": LINEAR}, historic_study(trials)).source

    rows = [(round(x * 10), -y, r) for (x,), y, r in zip(source.x, source.y, source.rung)]  # type: ignore[union-attr]  # noqa: B905
    assert rows == [
        *((1, 0.9, -1), (2, 0.45, 2), (3, 0.8, -1), (4, 0.7, -1)),
        *((1, 0.6, 2), (3, 0.7, 2)),
    ]


def test_many_rungs_become_a_few_and_no_trial_is_lost() -> None:
    trials = [
        historic_trial(
            n,
            {"p.x": n / 10},
            state="pruned",
            curves={"score": tuple((step, step / 100) for step in range(1, n + 2))},
        )
        for n in range(50)
    ]

    source = mapped({"p.x": LINEAR}, historic_study(trials)).source

    assert len(source) == 50  # type: ignore[arg-type]
    rungs = source.rung.tolist()  # type: ignore[union-attr]
    assert len(set(rungs)) <= 4
    assert all(rung <= n + 1 for n, rung in enumerate(rungs))
    assert (-source.y * 100).tolist() == pytest.approx(rungs)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("options", "trials", "space", "why"),
    [
        (MapOptions(), 9, {"p.x": LINEAR}, "9 usable trials, at least 10 needed"),
        (MapOptions(), 10, {"p.x": LINEAR}, ""),
        (MapOptions(), 10, {"p.x": LINEAR, "p.y": LINEAR}, ""),
        (MapOptions(), 10, {"p.x": LINEAR, "a": LINEAR, "b": BOOL}, "1 of the 3 tuned parameters"),
        (ALL, 10, {"p.x": LINEAR, "a": LINEAR, "b": BOOL}, ""),
        (ALL, 10, {"a": LINEAR}, "0 of the 1 tuned parameters known"),
        (ALL, 0, {"p.x": LINEAR}, "no usable trials"),
        (ALL, 3, {"p.x": {"type": "fixed", "value": 1}}, "nothing is tuned here"),
        (MapOptions(), 40, {"p.x": {"type": "float", "low": 500, "high": 501}}, "0 of the 1"),
    ],
)
def test_a_study_that_says_too_little_is_left_out(
    options: MapOptions, trials: int, space: dict[str, Any], why: str
) -> None:
    found = mapped(space, historic_study([{"p.x": n / 5} for n in range(trials)]), options)

    assert found.left_out.startswith(why)
    assert bool(found.left_out) == bool(why) == (found.source is None)
    assert found.used == (0 if why else trials)


def test_infeasible_trials_alone_make_no_source() -> None:
    study = historic_study([outcome("fail", "oom", started=float(n)) for n in range(30)])

    assert mapped({"p.x": LINEAR}, study, MapOptions()).left_out.startswith("0 usable trials")


def test_of_too_many_trials_the_best_and_a_fair_choice_are_taken() -> None:
    count = 20_000
    study = historic_study([{"p.x": n % 1000 / 100, "p.n": n} for n in range(count)])

    found = mapped({"p.x": LINEAR}, study)

    assert (found.used, found.dropped) == (MAX_TRIALS, {"limit": count - MAX_TRIALS})
    values = -found.source.y  # type: ignore[union-attr]
    assert set(range(count - 256, count)) <= set(values)
    assert np.median(values) == pytest.approx(count / 2, rel=0.1)
    assert values.min() == 0
