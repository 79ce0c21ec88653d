"""Every pruner on reports that are not numbers, and on curves of odd kinds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.support.databases.pruned_study import NAN, Study, finals, straight

PRUNERS: list[dict[str, Any]] = [
    {"pruner": "asha"},
    {"pruner": "asha", "min_resource": 1},
    {"pruner": "hyperband"},
    {"pruner": "median", "startup_trials": 2},
    {"pruner": "patient", "patience": 2},
]


@pytest.mark.parametrize("options", PRUNERS, ids=lambda o: "-".join(map(str, o.values())))
@pytest.mark.parametrize("hole", [NAN, math.inf, -math.inf])
def test_a_report_without_a_number_is_as_if_it_had_not_been_made(
    options: dict[str, Any], hole: float
) -> None:
    rng = np.random.default_rng(1)
    curves = [
        {s: v + float(rng.normal(0, 0.3)) for s, v in straight(final).items()}
        for final in finals(20)
    ]
    holes = [{1: hole, **{s + 1: v for s, v in curve.items()}, 6: hole} for curve in curves]
    missing = [{s: v for s, v in c.items() if math.isfinite(v)} for c in holes]
    with_holes, without = Study(**options), Study(**options)
    states = [
        [study.train(c) for c in cs] for study, cs in ((with_holes, holes), (without, missing))
    ]

    assert states[0] == states[1]
    assert states[0].count("complete") >= 1
    assert states[0].count("pruned") >= 2
    judged = [order for order in with_holes.orders if order[1] not in (1, 6)]
    assert judged == without.orders


HARD: dict[str, list[dict[int, float]]] = {
    "constant": [dict.fromkeys(range(1, 10), 0.5)] * 12,
    "huge": [
        {s: v * (1e300 if n == 3 else 1.0) for s, v in straight(f).items()}
        for n, f in enumerate(finals(12))
    ],
    "minus huge": [straight(-1e300 if n == 5 else f) for n, f in enumerate(finals(12))],
    "one epoch beside a hundred": [
        straight(f, 100 if n % 2 else 1) for n, f in enumerate(finals(20))
    ],
    "own steps": [
        {3 * s + n % 7: v for s, v in straight(f).items()} for n, f in enumerate(finals(20))
    ],
    "good early, bad late": [{s: f * s for s in range(1, 10)} for f in finals(20)],
    "one report": [{9: f} for f in finals(12)],
}


@pytest.mark.parametrize("options", PRUNERS, ids=lambda o: "-".join(map(str, o.values())))
@pytest.mark.parametrize("kind", list(HARD))
def test_odd_curves_neither_crash_a_pruner_nor_end_everything(
    options: dict[str, Any], kind: str
) -> None:
    study = Study(**options)
    states = [study.train(curve) for curve in HARD[kind]]

    # Who asks for patience with a metric that only becomes worse has all trials ended by it.
    is_asked_for = options["pruner"] == "patient" and kind == "good early, bad late"
    assert states.count("complete") >= 2 or is_asked_for
    assert kind != "constant" or options["pruner"] == "patient" or "pruned" not in states
