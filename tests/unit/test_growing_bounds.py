"""What a hypermodel's trials may find, beside what the user gives, and what is refused."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

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
    row,
    spec,
    submit,
    take,
)
from tests.support.hostile.study_faults import House
from tuner.errors import FencedError, SpecError
from tuner.protocol import Found, ProtocolError
from tuner.spec import grow, parse_spec


def test_a_float_that_grid_cannot_list_is_an_error_that_says_so(house: House) -> None:
    submit(house, sampler="grid")
    first = take(house)
    reply = report(first, found("rate", RATE, 0.01))

    assert reply.order == "cancel"
    assert "only with a finite space; infinite here: rate" in row(house, 0).error
    assert (row(house, 0).state, row(house, 0).cause) == ("fail", "error")
    assert spec(house)["search_space"] == {}


def test_a_given_definition_narrows_or_fixes_what_is_found(house: House) -> None:
    given = {
        "units": {"type": "int", "low": 16, "high": 32, "step": 8},
        "kind": {"type": "fixed", "value": "mlp"},
    }
    submit(house, search_space=given)
    first = take(house)
    assert first.given.params["units"] in (16, 24, 32)
    assert {item.name: item.source for item in first.given.known} == {"units": "", "kind": ""}
    assert claim(house, "w-2") is None
    child = {"type": "bool", "when": {"kind": ["cnn"]}}
    report(
        first,
        found("units", UNITS, first.given.params["units"]),
        found("kind", KIND, "mlp"),
        found("pool", child, None),
    )
    second = take(house, "w-2")

    assert second.given.params["kind"] == "mlp"
    assert {item.name: item.definition for item in second.given.known}["kind"] == KIND
    assert spec(house)["search_space"] == given
    assert [item["since"] for item in spec(house)["found"]] == [0, 0]


def test_a_given_definition_that_does_not_fit_is_an_error_of_the_trial(house: House) -> None:
    submit(house, search_space={"units": {"type": "int", "low": 16, "high": 128}})
    first = take(house)
    report(first, found("rate", RATE, 0.01), found("units", UNITS, 16))

    assert row(house, 0).error.startswith(
        'search_space.units: {type: "int", low: 16, high: 128} does not fit in what the '
        'hypermodel has, {type: "int", low: 8, high: 64, step: 8}'
    )
    assert "found" not in spec(house)
    with pytest.raises(FencedError):
        first.finish(values=[0.5])


def test_a_definition_that_changes_is_an_error_and_nothing_of_it_is_stored(house: House) -> None:
    submit(house)
    first = take(house)
    report(first, found("units", UNITS, 32))
    second = take(house, "w-2")
    before = spec(house)
    report(second, found("rate", RATE, 0.01), found("units", {**UNITS, "high": 128}, 32))

    assert 'was {type: "int", low: 8, high: 64, step: 8} when it was found, and is {type: ' in (
        row(house, 1).error
    )
    assert spec(house) == before
    assert "rate" not in params(house, 1)
    third = take(house, "w-3")
    third.finish(values=[0.5], found=[found("units", {**UNITS, "high": 128}, 32)])
    assert row(house, 2).cause == "error"
    assert "has to be defined in the same way each time" in row(house, 2).error
    first.finish(values=[0.5])
    assert row(house, 0).state == "complete"


def test_a_hypermodel_without_parameters_ends_its_study_with_a_sentence(house: House) -> None:
    submit(house)
    first = take(house)
    first.finish(values=[0.5])
    house.rounds(5)

    state, reason = house.states()[STUDY]
    assert state == "finished"
    assert reason == (
        "nothing to search: trial 0 met no parameter in the hypermodel zoo:Net: every trial would "
        "be the same"
    )
    assert claim(house) is None


def test_parameters_that_only_the_user_gives_end_the_study_too(house: House) -> None:
    submit(house, search_space={"unts": UNITS})
    take(house).finish(values=[0.5])
    house.rounds(5)

    assert (
        "trial 0 met none of the parameters that search_space gives (unts)"
        in (house.states()[STUDY][1])
    )


def test_a_value_that_its_own_definition_does_not_allow_is_left_out_and_told(
    house: House,
) -> None:
    submit(house)
    report(take(house), found("units", UNITS, 100), found("rate", RATE, 0.01))

    assert params(house, 0) == {"rate": 0.01}
    (event,) = [e for e in house.service.events(STUDY) if e["kind"] == "space-found"]
    assert "units: 100: a whole number from 8 to 64 in steps of 8" in event["text"]


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([found("units", {"type": "int", "low": 8}, 8)], "units.high: missing"),
        ([found("units", {"type": "tensor"}, 8)], "units.type"),
        ([found("a", {**UNITS, "when": {"b": [1]}}, 8)], "a.when.b: unknown parameter"),
        ([found("a", {**UNITS, "when": [1]}, 8)], "a.when: [1]"),
        ([found(f"p{n}", UNITS, 8) for n in range(500)], ""),
        ([found("a", {"type": "categorical", "values": [[1]]}, 8)], "a.values[0]"),
    ],
)
def test_what_makes_no_space_is_an_error_of_the_trial(
    house: House, items: list[Found], said: str
) -> None:
    submit(house)
    reply = report(take(house), *items)

    assert (reply.order == "cancel") == bool(said)
    assert said in row(house, 0).error
    assert bool(spec(house)["search_space"]) == (not said)


def test_a_study_with_an_objective_takes_no_findings(house: House) -> None:
    submit(house, hypermodel=None, objective="zoo:train", search_space={"units": UNITS})
    with pytest.raises(ProtocolError, match="it has no hypermodel"):
        report(take(house), found("rate", RATE, 0.1))


def test_what_trials_may_find_has_a_bound_in_all() -> None:
    large = {"type": "categorical", "values": [f"{n:0400d}" for n in range(700)]}
    grown = parse_spec(SPEC)
    for number in range(3):
        item = found(f"p{number}", large, None)
        grown = grow(grown, [item], since=1, renamed={}).spec
    with pytest.raises(SpecError, match="at most 1048576: choices of fewer or shorter values"):
        grow(grown, [found("p3", large, None)], since=1, renamed={})


def test_a_trials_other_names_for_one_parameter_are_kept_up_to_a_bound() -> None:
    start = grow(parse_spec(SPEC), [found("units", UNITS, 32)], since=1, renamed={})
    others = [found(f"u{n}", UNITS, None, source="units") for n in range(700)]

    grown = grow(start.spec, [*others, found("rate", RATE, 0.1)], since=1, renamed={})
    assert (grown.fresh, len(grown.renamed)) == (("rate",), 500)


@pytest.mark.parametrize(
    ("given", "model", "fits"),
    [
        ({"type": "int", "low": 16, "high": 32, "step": 16}, UNITS, True),
        ({"type": "int", "low": 16, "high": 32}, UNITS, False),
        ({"type": "ordinal", "values": [8, 64]}, UNITS, True),
        ({"type": "float", "low": 8, "high": 64}, UNITS, False),
        ({"type": "float", "low": 1e-3, "high": 1e-1}, RATE, True),
        ({"type": "float", "low": 1e-5, "high": 1e-1}, RATE, False),
        ({"type": "int", "low": 1, "high": 50_000}, {"type": "int", "low": 1, "high": 10**6}, True),
        ({"type": "int", "low": 1, "high": 50_000}, {"type": "float", "low": 1, "high": 9e4}, True),
        ({"type": "fixed", "value": "cnn"}, KIND, True),
        ({"type": "fixed", "value": "rnn"}, KIND, False),
        ({"type": "bool"}, KIND, False),
        ({"type": "fixed", "value": True}, {"type": "bool"}, True),
    ],
)
def test_what_is_given_fits_where_the_hypermodel_has_every_value_of_it(
    given: dict[str, Any], model: dict[str, Any], fits: bool
) -> None:
    narrow = parse_spec({**SPEC, "search_space": {"p": given}})
    with contextlib.nullcontext() if fits else pytest.raises(SpecError, match="does not fit in"):
        grow(narrow, [found("p", model, None)], since=1, renamed={})
