"""What holds for the mapping of any study onto any space."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.history.historic import ALL, historic_study, historic_trial, mapped
from tests.unit.space_strategies import choose, spaces
from tuner.history.matching.mapping import MapOptions
from tuner.history.matching.outcomes import REASONS
from tuner.history.matching.values import is_near
from tuner.history.store.records import HistoricStudy
from tuner.space import Params, SearchSpace
from tuner.space.encoding import Encoding


def walks(space: SearchSpace, seed: int, n: int = 12) -> list[Params]:
    return [space.walk(choose(seed + index)) for index in range(n)]


def points(space: SearchSpace, params: list[Params]) -> Any:
    return np.array([Encoding(space).encode(item) for item in params])


@settings(max_examples=50)
@given(space=spaces(), seed=st.integers(0, 1000))
def test_a_study_on_its_own_space_is_as_it_was(space: SearchSpace, seed: int) -> None:
    assume(Encoding(space).names)
    params = walks(space, seed)

    found = mapped(space, historic_study(params, space=space))

    assert found.dropped == {}
    np.testing.assert_allclose(found.source.x, points(space, params), atol=1e-9)  # type: ignore[union-attr]
    assert found.source.y.tolist() == [-float(n) for n in range(len(params))]  # type: ignore[union-attr]
    assert all(note.startswith(("always", "not known")) for note in found.notes.values())


@settings(max_examples=50)
@given(space=spaces(), seed=st.integers(0, 1000), data=st.data())
def test_declared_renames_undo_other_names(
    space: SearchSpace, seed: int, data: st.DataObject
) -> None:
    assume(Encoding(space).names)
    params = walks(space, seed)
    others = data.draw(st.permutations([f"q.z{i}" for i in range(len(space.names))]))
    other = dict(zip(space.names, others, strict=True))
    renamed = [{other[name]: value for name, value in item.items()} for item in params]
    back = {new: old for old, new in other.items()}

    found = mapped(space, historic_study(renamed), MapOptions(**{**vars(ALL), "renames": back}))

    np.testing.assert_allclose(found.source.x, points(space, params), atol=1e-9)  # type: ignore[union-attr]
    assert found.dropped == {}


@settings(max_examples=50)
@given(space=spaces(), seed=st.integers(0, 1000))
def test_what_tensorboard_makes_of_values_is_undone(space: SearchSpace, seed: int) -> None:
    tuned = [space[name] for name in Encoding(space).names]
    assume(tuned)
    # Texts that spell a number cannot be told from it, nor numbers that 32 bits make one.
    for values in (p.values for p in tuned if p.values):
        assume(not any(isinstance(value, str) for value in values))
        numbers = sorted(float(value) for value in values)
        assume(all(number == 0 or abs(number) > 1e-30 for number in numbers))
        assume(not any(is_near(left, right) for left, right in pairwise(numbers)))
    blurs = [_blur(p.bounds, log=p.log) for p in tuned if not p.values]
    assume(max(blurs, default=0.0) < 1e4)
    params = walks(space, seed)

    def stored(value: Any) -> Any:
        return float(np.float32(value)) if not isinstance(value, bool | str) else value

    for form in (stored, lambda value: str(stored(value))):
        old = [{name: form(value) for name, value in item.items()} for item in params]
        found = mapped(space, historic_study(old))
        assert found.used == len(params)
        for index, parameter in enumerate(tuned):
            width = 1.0 if parameter.values else _blur(parameter.bounds, log=parameter.log)
            np.testing.assert_allclose(
                found.source.x[:, index],  # type: ignore[union-attr]
                points(space, params)[:, index],
                atol=max(1e-6, 1e-6 * width),
            )


def _blur(bounds: tuple[float, float], *, log: bool) -> float:
    """Return how far 32 bits blur a position, as a multiple of their own precision."""
    low, high = bounds
    if log:
        return 1.0 / math.log(high / low)
    return max(abs(low), abs(high)) / (high - low)


VALUES = st.one_of(
    st.text(max_size=4),
    st.booleans(),
    st.integers(-(10**320), 10**320),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["0.001", "1e400", "-5", "true", "None", " 3 "]),
)
NUMBERS = st.floats() | st.sampled_from([0.0, -0.0, 1e308])
TRIALS = st.builds(
    historic_trial,
    st.integers(0, 5),
    st.dictionaries(st.sampled_from([f"p.x{i}" for i in range(7)] + ["seed"]), VALUES, max_size=8),
    state=st.sampled_from(["complete", "pruned", "fail", "running"]),
    cause=st.none() | st.sampled_from(["oom", "lost", "error", "timeout", "diverged", "?", ""]),
    metrics=st.dictionaries(st.sampled_from(["score", "loss"]), NUMBERS),
    curves=st.dictionaries(
        st.just("score"),
        st.lists(st.tuples(st.integers(0, 2**53), NUMBERS), unique_by=lambda p: p[0]).map(
            lambda points: tuple(sorted(points))
        ),
    ),
    started=st.none() | st.floats(0, 1e12),
    finished=st.none() | st.floats(0, 1e12),
)


@settings(max_examples=50)
@given(space=spaces(), trials=st.lists(TRIALS, max_size=30))
def test_whatever_is_recorded_nothing_crashes_and_the_counts_add_up(
    space: SearchSpace, trials: list[Any]
) -> None:
    study: HistoricStudy = historic_study(trials)

    found = mapped(space, study)

    assert found.dropped.keys() <= {*REASONS, "left-out"}
    assert all(count > 0 for count in found.dropped.values())
    if found.source is not None:
        assert found.source.x.shape[1] == len(Encoding(space))
        assert len(found.source) >= found.used > 0
    else:
        assert found.left_out
        assert found.used == 0
