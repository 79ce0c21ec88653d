"""Twice as much of anything that is sent makes twice as much work, and no more.

Work is counted in calls of functions, Python's and C's: no clock is asked.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from tuner.errors import TunerError
from tuner.protocol import Finish, ProtocolError, Report, check_finish, check_points
from tuner.server import bodies
from tuner.server.routes import history as history_routes
from tuner.server.routes import users as user_routes
from tuner.space.problem import MAX_LISTED
from tuner.spec import edit_spec, parse_spec

SPEC: dict[str, Any] = {
    "project": "p",
    "study": "s",
    "objective": "m:f",
    "metric": {"name": "loss", "goal": "minimize"},
    "search_space": {
        "a.x": {"type": "float", "low": 0.0, "high": 1.0},
        "a.c": {"type": "categorical", "values": ["u", "v"]},
    },
    "budget": {"trials": 5},
}
FLOAT = {"type": "float", "low": 0.0, "high": 1.0}
PAIR = {"type": "categorical", "values": ["u", "v"]}
Make = Callable[[int], Any]
#: The smaller of the two sizes; most lists may have 500 to 1000 entries.
FEW = 200
#: What is the same for both sizes lowers it, what grows with a logarithm raises it a little.
MOST_TIMES = 2.3


def spec(**changes: Any) -> dict[str, Any]:
    return {**SPEC, **changes}


def unknown(n: int) -> dict[str, int]:
    return {f"key{i}": 1 for i in range(n)}


def space(n: int, definition: Callable[[int], Any], **more: Any) -> dict[str, Any]:
    return spec(search_space={**more, **{f"a.p{i}": definition(i) for i in range(n)}})


def when(parent: str, *values: Any) -> dict[str, Any]:
    return {**PAIR, "when": {parent: list(values)}}


def one(definition: dict[str, Any]) -> dict[str, Any]:
    return spec(search_space={"x.a": definition})


def words(n: int) -> list[str]:
    return [f"v{i}" for i in range(n)]


SPECS: dict[str, Make] = {
    "unknown keys": lambda n: spec(**unknown(n)),
    "unknown keys of trial": lambda n: spec(trial=unknown(n)),
    "unknown keys of budget": lambda n: spec(budget={"trials": 1, **unknown(n)}),
    "unknown keys of sampler": lambda n: spec(sampler={"name": "tpe", **unknown(n)}),
    "unknown keys of pruner": lambda n: spec(pruner={"name": "asha", **unknown(n)}),
    "unknown keys of metric": lambda n: spec(metric={**SPEC["metric"], **unknown(n)}),
    "unknown keys of data": lambda n: spec(data={"name": "d", **unknown(n)}),
    "unknown keys of a parameter": lambda n: one({**FLOAT, **unknown(n)}),
    "parameters": lambda n: space(n, lambda _: FLOAT),
    "parameters of no type": lambda n: space(n, lambda _: {"type": "flaot"}),
    "parameters that are numbers": lambda n: space(n, lambda i: i),
    "parameters with bad names": lambda n: spec(search_space={f"1{i}": FLOAT for i in range(n)}),
    "choices": lambda n: one({"type": "categorical", "values": words(n)}),
    "choices, all the same": lambda n: one({"type": "categorical", "values": ["v"] * n}),
    "choices that are lists": lambda n: one({"type": "categorical", "values": [[]] * n}),
    "ordinal": lambda n: one({"type": "ordinal", "values": list(range(n))}),
    "forbid": lambda n: spec(forbid=[{"a.x": i / n, "a.c": "u"} for i in range(n)]),
    "forbid of what is not there": lambda n: spec(forbid=[{"a.y": i} for i in range(n)]),
    "forbid of no value": lambda n: spec(forbid=[{"a.c": "w"}] * n),
    "forbid, one of many": lambda n: spec(forbid=[unknown(n)]),
    "forbid of the first half": lambda n: spec(
        search_space={"x.a": {"type": "int", "low": 1, "high": 2 * n}},
        forbid=[{"x.a": i + 1} for i in range(n)],
    ),
    "start_with": lambda n: spec(start_with=[{"a.x": i / n, "a.c": "u"} for i in range(n)]),
    "start_with of what is not there": lambda n: spec(start_with=[{"a.y": 1}] * n),
    "start_with, one of many": lambda n: spec(start_with=[unknown(n)]),
    "start_with, all the same": lambda n: spec(start_with=[{"a.c": "u"}] * n),
    "conditions": lambda n: space(n, lambda _: when("b.c", "u"), **{"b.c": PAIR}),
    "conditions on nothing": lambda n: space(n, lambda _: when("a.q", "u")),
    "a chain of conditions": lambda n: space(n, lambda i: when(f"a.p{i - 1}", "u") if i else PAIR),
    "a chain, the last first": lambda n: space(
        n, lambda i: when(f"a.p{i + 1}", "u") if i < n - 1 else PAIR
    ),
    "a circle of conditions": lambda n: space(n, lambda i: when(f"a.p{(i + 1) % n}", "u")),
    "circles of two": lambda n: space(n, lambda i: when(f"a.p{i ^ 1}", "u")),
    "many parents": lambda n: space(
        n, lambda _: PAIR, **{"b.z": {**FLOAT, "when": {f"a.p{i}": ["u"] for i in range(n)}}}
    ),
    "values of a condition": lambda n: spec(
        search_space={
            "a.c": {"type": "categorical", "values": words(n)},
            "a.z": {**FLOAT, "when": {"a.c": words(n)}},
        }
    ),
    "wrong values of a condition": lambda n: one({**FLOAT, "when": {"x.a": [*map(str, range(n))]}}),
    "metrics": lambda n: spec(metric=[{"name": f"m{i}", "goal": "minimize"} for i in range(n)]),
    "constraints": lambda n: spec(constraints=[{"metric": f"c{i}"} for i in range(n)]),
    "history": lambda n: spec(history=[f"p/s{i}" for i in range(n)]),
    "history of numbers": lambda n: spec(history=list(range(n))),
    "history, renamed": lambda n: spec(
        history=[{"study": "p/q", "rename": {f"r{i}": f"s{i}" for i in range(n)}}]
    ),
    "paths of data": lambda n: spec(data={"name": "d", "paths": [f"/p{i}" for i in range(n)]}),
    "a long name": lambda n: spec(project="a" * 100 * n),
    "a long objective": lambda n: spec(objective="a." * 100 * n + ":f"),
    "long keys": lambda n: spec(**{f"{i}" + "k" * n: 1 for i in range(10)}),
}


def run(n: int, **changes: Any) -> dict[str, Any]:
    good = {"stamp": "s", "state": "complete", "params": {}, "metrics": {}, "curves": {}}
    return {"runs": [{**good, "key": f"k{i}", **changes} for i in range(n)]}


BODIES: dict[str, tuple[Callable[[Any], Any], Make]] = {
    "an edit": (lambda data: edit_spec(parse_spec(SPEC), data), unknown),
    "an edit of words": (
        lambda data: edit_spec(parse_spec(SPEC), data),
        lambda n: {f"budget.{i}": 1 for i in range(n)},
    ),
    "a submission": (
        lambda data: bodies.validate(user_routes._Submission, data),
        lambda n: {"spec": {}, **unknown(n)},
    ),
    "a batch of runs": (lambda data: bodies.validate(history_routes._Runs, data), run),
    "a batch of bad runs": (
        lambda data: bodies.validate(history_routes._Runs, data),
        lambda n: run(n, state="odd"),
    ),
    "a report": (
        lambda data: check_points(Report.from_json(data).points),
        lambda n: {"token": "t", "points": [{"step": i + 1, "value": 0.5} for i in range(n)]},
    ),
    "metrics of a report": (
        lambda data: check_points(Report.from_json(data).points),
        lambda n: {
            "token": "t",
            "points": [{"step": 1, "value": 0.5, "metrics": {f"m{i}": 1.0 for i in range(n)}}],
        },
    ),
    "a finish": (
        lambda data: check_finish(Finish.from_json(data)),
        lambda n: {"token": "t", "outcome": "complete", "modules": words(n), "values": [1.0] * n},
    ),
    "strings that no database holds": (
        bodies._storable,
        lambda n: {f"k{i}\0": ["\0" * i] for i in range(n)},
    ),
}


def work(do: Callable[[], object]) -> int:
    """Return how many calls something makes, whether it is refused or not."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event.endswith("call")

    before = sys.getprofile()
    # What is called when garbage is collected, and when that happens, is not of this work.
    gc.collect()
    gc.disable()
    sys.setprofile(note)
    try:
        do()
    except (TunerError, ProtocolError, HTTPException):
        """What is wrong has to be found as cheaply."""
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def times(do: Callable[[Any], object], make: Make) -> float:
    small, large = make(FEW), make(2 * FEW)
    do(small)  # what is made once and kept
    return work(lambda: do(large)) / work(lambda: do(small))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    # A third in the fast part: each is read until its time can be told.
    [n if at % 3 == 0 else pytest.param(n, marks=pytest.mark.slow) for at, n in enumerate(SPECS)],
)
def test_of_a_spec_twice_as_much_is_twice_the_work(name: str) -> None:
    def read(data: Any) -> None:
        try:
            parse_spec(data)
        except TunerError:
            """Most are refused."""

    assert times(read, SPECS[name]) < MOST_TIMES


@pytest.mark.parametrize("name", BODIES)
def test_of_another_body_twice_as_much_is_twice_the_work(name: str) -> None:
    do, make = BODIES[name]

    def read(data: Any) -> None:
        try:
            do(data)
        except (TunerError, ProtocolError, HTTPException):
            """Some are refused."""

    assert times(read, make) < MOST_TIMES


def test_sixty_thousand_unknown_keys_cost_a_few_calls_each() -> None:
    data = spec(**unknown(60_000))

    assert work(lambda: parse_spec(data)) < 10 * 60_000


@pytest.mark.parametrize("count", [MAX_LISTED, MAX_LISTED + 1, 300])
def test_twenty_problems_are_told_and_the_rest_counted(count: int) -> None:
    with pytest.raises(TunerError) as refused:
        parse_spec(spec(**unknown(count)))
    lines = str(refused.value).splitlines()
    untold = count - MAX_LISTED

    assert len(lines) == MAX_LISTED + (untold > 0)
    assert not untold or lines[-1] == f"… and {untold} more problems"


def test_conditions_too_entangled_to_count_are_given_up_soon() -> None:
    """Twelve parents in all their states, and one whose values say something of each."""
    parents = {f"a.p{i:02}": PAIR for i in range(12)}
    wide = {"b.wide": {"type": "ordinal", "values": list(range(1000))}}
    children = {
        f"c.z{i:02}": {
            **FLOAT,
            "when": {f"a.p{i:02}": ["u"], "b.wide": [v for v in range(1000) if v >> i % 10 & 1]},
        }
        for i in range(12)
    }
    data = spec(search_space={**parents, **wide, **children})

    tracemalloc.start()
    try:
        assert parse_spec(data).space.cardinality() is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 20e6
