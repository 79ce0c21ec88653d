"""A study of a hypermodel: its search space is what its trials find."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
import sqlalchemy as sa

from tests.support.databases.growing_lab import (
    KIND,
    RATE,
    SPEC,
    STUDY,
    UNITS,
    claim,
    found,
    params,
    report,
    spec,
    submit,
    take,
    verdicts,
)
from tests.support.hostile.study_faults import House
from tuner.cli.reading.feed import Feed
from tuner.coordinator.committing import BehindDatabaseError, commit_proposal
from tuner.integrity.diagnosis import diagnose
from tuner.spec import grow, parse_spec, space_of
from tuner.storage import tables
from tuner.storage.database import open_optuna
from tuner.trials.states import StudyState


def test_the_first_trial_has_the_models_defaults_and_no_other_before_it_found_something(
    house: House,
) -> None:
    submit(house)
    first = take(house)

    assert (first.given.trial, first.given.params, first.given.known) == (0, {}, [])
    assert first.given.objective == "hypermodel:zoo:Net"
    assert claim(house, "w-2") is None
    report(first, found("units", UNITS, 32))
    second = take(house, "w-2")
    assert second.given.params.keys() == {"units"}
    assert [(item.name, item.source) for item in second.given.known] == [("units", "units")]
    assert params(house, 0) == {"units": 32}
    notes = Feed(house.service, STUDY, from_start=True).look().notes  # type: ignore[arg-type]
    assert notes == ("search space: trial 0 found 1 parameter of the hypermodel: units",)
    assert spec(house)["search_space"] == {"units": UNITS}
    assert spec(house)["found"] == [{"name": "units", "source": "units", "since": 1}]


def test_the_status_says_what_a_study_waits_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuner.coordinator.lifecycle.waits.HOLD_S", 0.0)
    submit(house)
    first = take(house)
    house.idle(1)
    house.rounds(2)

    assert house.service.status(STUDY)["reason"] == "waits for trial 0 to find the search space"
    report(first, found("units", UNITS, 32))
    house.rounds(3)
    assert house.service.status(STUDY)["reason"] == ""


def test_what_was_found_is_taken_in_once_however_often_it_is_said(house: House) -> None:
    submit(house)
    first = take(house)
    for _ in range(3):
        report(first, found("units", UNITS, 32), found("rate", RATE, 0.01))
    before = spec(house)
    first.finish(values=[0.5], found=[found("units", UNITS, 32)])
    house.rounds()

    assert spec(house) == before
    assert list(before["search_space"]) == ["units", "rate"]
    events = [e for e in house.service.events(STUDY) if e["kind"] == "space-found"]
    assert [e["text"] for e in events] == [
        "trial 0 found 2 parameters of the hypermodel: units, rate"
    ]


def test_parameters_met_late_join_from_the_next_proposal_on_and_their_values_count(
    house: House,
) -> None:
    submit(house)
    first = take(house)
    report(first, found("units", UNITS, 32))
    second = take(house, "w-2")
    first.finish(values=[0.5], found=[found("rate", RATE, 0.01)])
    third = take(house, "w-3")

    assert params(house, 0) == {"units": 32, "rate": 0.01}
    assert second.given.params.keys() == {"units"}
    assert third.given.params.keys() == {"units", "rate"}
    # A trial that began before meets it as well.
    report(second, found("rate", RATE, 0.02))
    assert params(house, 1)["rate"] == 0.02
    assert spec(house)["found"][-1] == {"name": "rate", "source": "rate", "since": 2}


def test_optunas_table_holds_what_the_trials_used(house: House) -> None:
    submit(house)
    first = take(house)
    kind = {"type": "ordinal", "values": [16, 32]}
    report(first, found("units", kind, 32), found("rate", RATE, 0.01))
    first.finish(values=[0.5])
    house.rounds()

    storage = open_optuna(house.url)
    (trial, *_) = optuna.load_study(study_name=STUDY, storage=storage).trials
    assert trial.params == {"units": 1, "rate": 0.01}
    assert trial.value == 0.5
    with house.storage.read() as connection:
        study = connection.execute(sa.select(tables.studies)).one()
    assert not diagnose(house.storage, study.id)


@pytest.mark.parametrize("sampler", ["bayesian", "tpe", "random", "qmc", "nsga2"])
def test_every_sampler_goes_on_over_trials_that_lack_what_came_later(
    house: House, sampler: str
) -> None:
    submit(house, sampler={"name": sampler, "seed": 3})
    later = {3: found("rate", RATE, 0.01), 7: found("kind", KIND, "cnn")}
    child = {"type": "int", "low": 1, "high": 3, "when": {"kind": ["cnn"]}}
    for number in range(16):
        held = take(house)
        if number == 0:
            report(held, found("units", UNITS, 32))
        if number in later:
            report(held, later[number])
        if number == 9:
            report(held, found("depth", child, 2 if held.given.params["kind"] == "cnn" else None))
        held.finish(values=[1.0 / (1 + number)])
    house.rounds()

    assert params(house, 2).keys() == {"units"}
    assert params(house, 3).keys() == {"units", "rate"}
    assert params(house, 7).keys() == {"units", "rate", "kind"}
    last = params(house, 15)
    assert last.keys() >= {"units", "rate", "kind"}
    assert ("depth" in last) == (last["kind"] == "cnn")
    assert verdicts(house) == {"same"}


def test_grid_lists_a_space_that_has_grown(house: House) -> None:
    submit(house, sampler={"name": "grid", "seed": 3})
    first = take(house)
    report(first, found("kind", KIND, "mlp"))
    first.finish(values=[0.1])
    second = take(house)
    report(second, found("deep", {"type": "bool"}, False))
    second.finish(values=[0.2])
    while (held := claim(house)) is not None:
        held.finish(values=[0.3])
    house.rounds()

    tried = [params(house, number) for number in range(4)]
    assert tried[0] == {"kind": "mlp"}
    assert house.states()[STUDY][0] == "finished"
    assert verdicts(house) == {"same"}


def test_one_name_may_have_several_definitions_under_different_conditions(house: House) -> None:
    submit(house)
    first = take(house)
    small = {**UNITS, "when": {"kind": ["mlp"]}}
    large = {**UNITS, "high": 256, "when": {"kind": ["cnn"]}}
    child = {"type": "bool", "when": {"units": [256]}}
    report(
        first,
        found("kind", KIND, "cnn"),
        found("units", small, None),
        found("units", large, 256),
        found("wide", child, True),
    )

    space = spec(house)["search_space"]
    assert list(space) == ["kind", "units", "units.cnn", "wide"]
    assert space["wide"]["when"] == {"units.cnn": [256]}
    assert params(house, 0) == {"kind": "cnn", "units.cnn": 256, "wide": True}
    # In the same attempt's own names, and known again from another trial.
    report(first, found("deep", {"type": "bool", "when": {"units": [128]}}, None))
    assert spec(house)["search_space"]["deep"]["when"] == {"units.cnn": [128]}
    second = take(house, "w-2")
    before = spec(house)
    report(second, found("u", large, None, source="units"))
    assert spec(house) == before


def test_a_first_trial_that_fails_before_it_found_something_is_followed_by_one_other(
    house: House,
) -> None:
    submit(house)
    take(house).finish("failed", cause="error", error="no data")
    second = take(house, "w-2")

    assert (second.given.trial, second.given.params) == (1, {})
    assert claim(house, "w-3") is None
    report(second, found("units", UNITS, 32))
    assert take(house, "w-3").given.params.keys() == {"units"}


def test_a_restart_in_the_middle_loses_and_doubles_nothing(house: House) -> None:
    submit(house)
    first = take(house)
    house.restart()
    assert claim(house, "w-2") is None
    report(first, found("units", UNITS, 32))
    house.restart()
    second = take(house, "w-2")
    report(second, found("rate", RATE, 0.01))
    house.restart()
    third = take(house, "w-3")
    for held in (first, second, third):
        held.finish(values=[0.5])
    house.rounds()

    assert [params(house, n).keys() for n in range(3)] == [
        {"units"},
        {"units", "rate"},
        {"units", "rate"},
    ]
    assert verdicts(house) == {"same"}


def test_a_lost_first_trial_runs_again_with_the_values_that_it_found(house: House) -> None:
    submit(house)
    first = house.take(STUDY, of_dead=True)
    report(first, found("units", UNITS, 32))
    house.restart()
    house.rounds(3, void_dead_local=True)
    again = take(house, "w-2")

    assert (again.given.trial, again.given.attempt_no) == (0, 2)
    assert again.given.params == {"units": 32}
    assert [item.source for item in again.given.known] == ["units"]


def test_the_study_may_be_edited_and_submitted_again_while_it_grows(house: House) -> None:
    submit(house)
    report(take(house), found("units", UNITS, 32))
    submit(house, budget={"trials": 60})
    house.service.edit(STUDY, {"parallel": 2})

    assert spec(house)["search_space"] == {"units": UNITS}
    assert (spec(house)["budget"], spec(house)["parallel"]) == ({"trials": 60}, 2)
    assert take(house, "w-2").given.params.keys() == {"units"}


def test_a_space_is_told_as_it_was_when_it_had_fewer_parameters() -> None:
    child = {**UNITS, "when": {"kind": ["cnn"]}}
    given = parse_spec({**SPEC, "search_space": {"rate": RATE}})
    first = grow(given, [found("kind", KIND, "cnn"), found("rate", RATE, 0.1)], since=1, renamed={})
    second = grow(first.spec, [found("units", child, 32)], since=4, renamed={})

    names = [space_of(second.spec, known).names for known in (1, 2, 3)]
    assert names == [("rate",), ("rate", "kind"), ("rate", "kind", "units")]
    assert second.spec.given_space == given.space


def test_no_trial_is_stored_that_rests_on_a_space_which_has_grown_meanwhile(house: House) -> None:
    submit(house)
    first = take(house)
    report(first, found("units", UNITS, 32))
    house.rounds()
    coordinator = house.coordinator
    (run,) = coordinator._memory
    proposal = run.proposer.propose(run.in_memory)
    report(first, found("rate", RATE, 0.01))

    with pytest.raises(BehindDatabaseError):
        commit_proposal(house.storage, coordinator.leadership, run, proposal)
    assert take(house, "w-2").given.params.keys() == {"units", "rate"}


def test_a_study_does_not_end_for_what_was_true_before_something_was_found(house: House) -> None:
    submit(house)
    first = take(house)
    (run,) = house.coordinator._memory
    # A round of the coordinator has read the study; now the first trial finds something and ends.
    first.finish(values=[0.5], found=[found("units", UNITS, 32)])
    house.coordinator._lifecycle.set_state(run.study, StudyState.STOPPING, "nothing to search")

    assert house.states()[STUDY] == ("running", "")
    assert take(house, "w-2").given.params.keys() == {"units"}


def test_a_pruner_goes_on_judging_while_the_space_grows(house: House) -> None:
    submit(house, pruner={"name": "asha", "min_resource": 1, "reduction_factor": 2})
    orders = []
    for number in range(8):
        held = take(house)
        report(held, found("units", UNITS, 32))
        held.report(0.1 * (8 - number))
        # What it says next is judged by a coordinator that has loaded the study anew.
        report(held, found(f"late_{number // 3}", RATE, 0.01))
        house.rounds()
        orders.append(held.report(0.1 * (8 - number), 0.1 * (8 - number)).order)
        held.finish("pruned" if orders[-1] == "prune" else "complete", **_values(orders[-1]))
    house.rounds()

    assert orders[0] == "continue"
    assert orders[-1] == "prune"
    assert params(house, 7).keys() == {"units", "late_0", "late_1", "late_2"}
    assert verdicts(house) == {"same"}


def _values(order: str) -> dict[str, Any]:
    return {} if order == "prune" else {"values": [0.5]}
