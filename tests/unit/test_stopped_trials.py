"""What the sampler `bayesian` makes of trials that a pruner stopped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from threadpoolctl import threadpool_info, threadpool_limits

from tuner.samplers.bayesian import BayesianSampler
from tuner.samplers.bayesian.stopping.curve import ProgressCurve, as_judged, in_epochs, rungs_of
from tuner.samplers.bayesian.stopping.ends import Ends, expected_ends
from tuner.samplers.bayesian.stopping.hurdles import STARVED
from tuner.surrogate.columns import Columns

COLUMNS = Columns(("real", "real"), (0, 0))
SPACE = {"x": FloatDistribution(0.0, 1.0), "y": FloatDistribution(0.0, 1.0)}
RUNGS = (1, 3, 9)


def quality(x: np.ndarray) -> float:
    return float((x[0] - 0.3) ** 2 + (x[1] - 0.6) ** 2)


def loss(x: np.ndarray, step: float) -> float:
    """Falls from 1 towards a level that the place decides."""
    return quality(x) + (1.0 - quality(x)) * math.exp(-step / 3)


def halved(x: np.ndarray, steps: Sequence[int] = range(1, 28)) -> list[ProgressCurve]:
    """Return curves as successive halving leaves them: at each rung the better half goes on."""
    alive, lengths = list(range(len(x))), np.full(len(x), max(steps))
    for rung in RUNGS:
        alive.sort(key=lambda i: loss(x[i], rung))
        for i in alive[len(alive) // 2 :]:
            lengths[i] = rung
        alive = alive[: len(alive) // 2]
    return [
        ProgressCurve(
            number=i,
            reports={float(s): loss(place, s) for s in steps if s <= lengths[i]},
            final=loss(place, max(steps)) if lengths[i] == max(steps) else None,
        )
        for i, place in enumerate(x)
    ]


def ends_of(x: np.ndarray, curves: Sequence[ProgressCurve]) -> Ends:
    found = expected_ends(COLUMNS, x, curves)
    assert found is not None
    return found


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(3).random((24, 2))


def test_stopped_trials_are_expected_to_end_in_the_order_in_which_they_would_have(
    x: np.ndarray,
) -> None:
    curves = halved(x)
    found = ends_of(x, curves)
    true = [loss(place, 27) for place in x]

    ranks = [np.argsort(np.argsort(values)) for values in (found.z, true)]
    assert np.corrcoef(*ranks)[0, 1] > 0.9
    # The fault that this mends: all stopped trials counted as one and the same value.
    stopped = [curve.final is None for curve in curves]
    assert len(set(np.round(found.z[stopped], 6))) == sum(stopped)


def test_a_trial_that_ended_is_certain_and_one_that_was_stopped_is_not(x: np.ndarray) -> None:
    curves = halved(x)
    found = ends_of(x, curves)

    assert [bool(e > 0) for e in found.extra] == [curve.final is None for curve in curves]
    known = [i for i, curve in enumerate(curves) if curve.final is not None]
    finals = np.array([curves[i].final for i in known], dtype=float)
    assert found.scale.value(found.z[known]) == pytest.approx(finals)


@pytest.mark.parametrize("unit", [lambda s: 1_000 + s - 1, lambda s: 1_000 * s, lambda s: s - 1])
def test_steps_in_another_unit_or_from_another_start_change_nothing(
    x: np.ndarray, unit: object
) -> None:
    assert callable(unit)
    curves = halved(x)
    moved = [
        ProgressCurve(c.number, {float(unit(s)): v for s, v in c.reports.items()}, c.final)
        for c in curves
    ]

    assert ends_of(x, moved).z == pytest.approx(ends_of(x, curves).z)


def test_where_no_trial_went_on_the_last_rung_stands_for_the_end(x: np.ndarray) -> None:
    curves = [ProgressCurve(i, {1.0: quality(place)}, None) for i, place in enumerate(x)]

    found = ends_of(x, curves)

    assert list(np.argsort(found.z)) == list(np.argsort([quality(place) for place in x]))


def test_trials_that_report_nothing_or_late_count_by_their_end(x: np.ndarray) -> None:
    curves = halved(x)
    curves[0] = ProgressCurve(0, {}, 0.001)
    curves[1] = ProgressCurve(1, {20.0: 0.5, 27.0: 5.0}, 5.0)

    found = ends_of(x, curves)

    assert found.scale.value(found.z[:2]) == pytest.approx([0.001, 5.0])
    assert np.argmin(found.z) == 0
    assert list(found.extra[:2]) == [0.0, 0.0]


@pytest.mark.parametrize("value", [1e300, -1e300])
@pytest.mark.parametrize("at", [1.0, 9.0])
def test_one_huge_report_breaks_nothing(x: np.ndarray, value: float, at: float) -> None:
    curves = halved(x)
    last = next(i for i, curve in enumerate(curves) if curve.length == 9.0)
    curves[last] = ProgressCurve(last, {**curves[last].reports, at: value}, None)

    found = ends_of(x, curves)

    assert np.all(np.isfinite(found.z))
    assert np.all(np.isfinite(found.extra))


@pytest.mark.parametrize("at", [1.0, 9.0])
def test_one_absurdly_bad_report_leaves_the_others_told_apart(x: np.ndarray, at: float) -> None:
    curves = halved(x)
    last = next(i for i, curve in enumerate(curves) if curve.length == 9.0)
    curves[last] = ProgressCurve(last, {**curves[last].reports, at: 1e300}, None)

    found = ends_of(x, curves)

    others = [i for i in range(len(x)) if i != last]
    true = [loss(x[i], 27) for i in others]
    ranks = [np.argsort(np.argsort(values)) for values in (found.z[others], true)]
    assert np.corrcoef(*ranks)[0, 1] > 0.6


def test_trials_of_one_epoch_stand_beside_trials_of_a_hundred(x: np.ndarray) -> None:
    curves = halved(x, range(1, 101))
    short = [
        ProgressCurve(100 + i, {1.0: quality(place)}, quality(place))
        for i, place in enumerate(x[:5])
    ]

    found = ends_of(np.concatenate([x, x[:5]]), [*curves, *short])

    assert np.all(np.isfinite(found.z))
    assert list(np.argsort(found.z[-5:])) == list(np.argsort([quality(p) for p in x[:5]]))


def test_constant_reports_give_no_order_and_no_warning(x: np.ndarray) -> None:
    curves = [ProgressCurve(i, {1.0: 0.5, 2.0: 0.5}, 0.5 if i < 3 else None) for i in range(len(x))]

    found = ends_of(x, curves)

    assert np.ptp(found.z) < 1e-3


def test_an_objective_that_is_the_best_epoch_is_foretold_by_the_best_so_far() -> None:
    noisy = [0.5, 0.2, 0.4, 0.3]
    reports = {float(s): v for s, v in enumerate(noisy, 1)}

    best = as_judged([ProgressCurve(0, reports, 0.2), ProgressCurve(1, reports, None)])
    last = as_judged([ProgressCurve(0, reports, 0.3), ProgressCurve(1, reports, None)])

    assert list(best[1].reports.values()) == [0.5, 0.2, 0.2, 0.2]
    assert list(last[1].reports.values()) == noisy


def test_rungs_are_found_where_trials_stopped() -> None:
    lengths = [1, 1, 1, 3, 3, 9, 27, 27, 27]
    curves = [
        ProgressCurve(i, {float(s): 0.0 for s in range(1, n + 1)}, 0.0 if n == 27 else None)
        for i, n in enumerate(lengths)
    ]

    assert rungs_of(in_epochs(curves)) == [1.0, 3.0, 9.0]
    # A pruner that stops anywhere gives rungs all the same, far enough apart.
    anywhere = [
        ProgressCurve(i, {float(s): 0.0 for s in range(1, i + 2)}, None) for i in range(100)
    ]
    rungs = rungs_of(anywhere)
    assert rungs[0] == 1.0
    assert len(rungs) <= 8
    assert all(b >= 1.5 * a for a, b in pairwise(rungs[1:]))


def test_memory_changes_no_expectation(x: np.ndarray) -> None:
    memory: dict[str, object] = {}
    curves = halved(x)

    first = expected_ends(COLUMNS, x, curves, memory)
    fewer = expected_ends(COLUMNS, x[:20], curves[:20], memory)

    assert first is not None
    assert fewer is not None
    assert np.array_equal(first.z, ends_of(x, curves).z)
    assert np.array_equal(fewer.z, ends_of(x[:20], curves[:20]).z)


def test_many_stopped_trials_are_all_given_an_end() -> None:
    x = np.random.default_rng(5).random((700, 2))

    found = ends_of(x, halved(x))

    ranks = [np.argsort(np.argsort(v)) for v in (found.z, [loss(place, 27) for place in x])]
    assert np.corrcoef(*ranks)[0, 1] > 0.9


def test_a_report_that_is_no_number_counts_as_none() -> None:
    def study(first: float | None) -> optuna.Study:
        study = optuna.create_study(study_name="s", sampler=BayesianSampler(SPACE, seed=2))
        for i, place in enumerate(np.random.default_rng(1).random((12, 2))):
            reports = {s: loss(place, s) for s in range(2, 10 if i < 4 else 3)}
            study.add_trial(_trial(place, reports if first is None else {1: first, **reports}))
        return study

    plain, nan, infinite = (study(first).ask(SPACE).params for first in (None, math.nan, math.inf))
    assert plain == nan == infinite


def _trial(place: np.ndarray, reports: dict[int, float]) -> FrozenTrial:
    is_complete = max(reports) == 9
    return create_trial(
        params={"x": float(place[0]), "y": float(place[1])},
        distributions=SPACE,
        state=TrialState.COMPLETE if is_complete else TrialState.PRUNED,
        value=reports[9] if is_complete else None,
        intermediate_values=reports,
    )


def test_after_fifteen_stopped_trials_in_a_row_the_next_is_to_be_good_early_as_well() -> None:
    # What ends best begins worst, so the pruner stops all that the model finds best.
    def curve(x: float) -> dict[int, float]:
        return {1: x, 2: 0.5 + 0.2 * x, 9: (x - 0.9) ** 2}

    def proposals(stopped: int) -> list[float]:
        study = optuna.create_study(study_name="s", sampler=BayesianSampler(LINE, seed=2))
        for x in (0.05, 0.2, 0.35, 0.5):
            study.add_trial(_line(x, curve(x)))
        for x in np.linspace(0.6, 0.95, stopped):
            study.add_trial(_line(float(x), {1: curve(float(x))[1]}))
        return [study.ask(LINE).params["x"] for _ in range(3)]

    assert min(proposals(8)) > 0.5
    assert max(proposals(STARVED)) < 0.6


LINE = {"x": FloatDistribution(0.0, 1.0)}


def _line(x: float, reports: dict[int, float]) -> FrozenTrial:
    return create_trial(
        params={"x": x},
        distributions=LINE,
        state=TrialState.COMPLETE if 9 in reports else TrialState.PRUNED,
        value=reports.get(9),
        intermediate_values=reports,
    )


class Watched(dict[str, object]):
    """A sampler's memory that notes the threads of BLAS when the ends of trials are looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
        if key == "ends":
            found = threadpool_info()
            self.threads += [pool["num_threads"] for pool in found if pool["user_api"] == "blas"]
        return super().get(key, default)


def test_the_ends_are_computed_in_one_thread_so_that_a_replay_gives_the_same_digits() -> None:
    memory = Watched()
    sampler = BayesianSampler(SPACE, seed=2, memory=memory)
    study = optuna.create_study(study_name="s", sampler=sampler)
    for place in np.random.default_rng(1).random((6, 2)):
        study.add_trial(_trial(place, {1: loss(place, 1)}))

    with threadpool_limits(limits=2, user_api="blas"):
        study.ask(SPACE)

    assert set(memory.threads) == {1}


def test_the_trials_of_all_brackets_of_hyperband_teach() -> None:
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9)
    sampler = BayesianSampler(SPACE, seed=2)
    study = optuna.create_study(study_name="s", sampler=sampler, pruner=pruner)

    def objective(trial: optuna.Trial) -> float:
        place = np.array([trial.suggest_float(name, 0.0, 1.0) for name in "xy"])
        for step in range(1, 10):
            trial.report(loss(place, step), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return loss(place, 9)

    told = []
    for _ in range(12):
        study.optimize(objective, n_trials=1)
        told.append(sampler.insight["told"])

    assert told == list(range(12))


def test_beside_stopped_trials_nothing_is_foretold_that_the_metric_cannot_be() -> None:
    sampler = BayesianSampler(SPACE, seed=2, metric="accuracy")
    study = optuna.create_study(study_name="s", sampler=sampler, direction="maximize")
    for i, place in enumerate(np.random.default_rng(1).random((12, 2))):
        steps = range(1, 10 if i < 4 else 3)
        study.add_trial(_trial(place, {s: 1.0 - 0.3 * loss(place, s) for s in steps}))

    study.ask(SPACE)

    insight = sampler.insight
    assert 0.0 <= insight["objective_low"] <= insight["objective_mean"]
    assert insight["objective_mean"] <= insight["objective_high"] == 1.0
