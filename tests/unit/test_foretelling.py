"""How far a value on the way foretells the end, by the curves of earlier studies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tuner.samplers.bayesian.stopping.curve import ProgressCurve
from tuner.samplers.bayesian.stopping.ends import expected_ends
from tuner.surrogate.columns import Columns
from tuner.surrogate.history.building import build_prior
from tuner.surrogate.history.foretelling import Foretelling, correlations, foretelling
from tuner.surrogate.history.prior import Prior
from tuner.surrogate.history.source import Source

COLUMNS = Columns(("real", "real"), (0, 0))


def crossing(n: int, seed: int) -> tuple[list[dict[float, float]], list[float]]:
    """Return curves of 32 steps: noise until step 8, the final value from step 16 on."""
    random = np.random.default_rng(seed)
    curves, finals = [], []
    for _ in range(n):
        final, noise = random.random(), random.random()
        known = [min(max((s - 8) / 8, 0.0), 1.0) for s in range(1, 33)]
        curves.append(
            {
                float(s): k * final + (1 - k) * noise
                for s, k in zip(range(1, 33), known, strict=True)
            }
        )
        finals.append(final)
    return curves, finals


def told(*seeds: int) -> Foretelling:
    studies = [correlations(*crossing(40, seed)) for seed in seeds]
    found = foretelling([study for study in studies if study is not None])
    assert found is not None
    return found


def test_noise_foretells_nothing_and_what_has_settled_all() -> None:
    found = told(1, 2, 3)

    assert found.at(0.1) < 0.3
    assert found.at(0.6) > 0.95
    assert found.at(1.0) == 1.0
    assert np.all(np.diff(found.correlation) >= 0)


def test_other_units_of_steps_change_nothing() -> None:
    curves, finals = crossing(40, 1)
    batches = [{1_000 * step: value for step, value in curve.items()} for curve in curves]

    assert correlations(batches, finals) == pytest.approx(correlations(curves, finals), nan_ok=True)


def test_too_few_whole_trials_or_equal_ends_tell_nothing() -> None:
    curves, finals = crossing(7, 1)

    assert correlations(curves, finals) is None
    assert correlations([{1.0: 0.5, 2.0: 0.5}] * 20, [0.5] * 20) is None
    assert correlations([{}] * 20, list(np.arange(20.0))) is None
    assert foretelling([]) is None


def test_early_ranks_that_are_turned_over_foretell_nothing() -> None:
    random = np.random.default_rng(0)
    finals = random.random(40)
    curves = [{1.0: -v, 2.0: -v, 40.0: v} for v in finals]

    found = correlations(curves, list(finals))
    assert found is not None
    together = foretelling([found])

    assert together is not None
    assert together.at(0.05) == 0.0


def prior(foretold: np.ndarray | None) -> Prior:
    random = np.random.default_rng(4)
    x = random.random((30, 2))
    source = Source(name="a", x=x, y=((x - 0.4) ** 2).sum(axis=1), foretold=foretold)
    found = build_prior(COLUMNS, random.random((512, 2)), [source])
    assert found is not None
    return found


def test_a_prior_keeps_what_the_curves_of_its_sources_foretell() -> None:
    made = prior(correlations(*crossing(40, 1)))
    again = Prior.from_bytes(made.to_bytes())

    assert made.foretelling is not None
    assert again.foretelling is not None
    assert np.array_equal(again.foretelling.correlation, made.foretelling.correlation)
    assert again.foretelling.trials == made.foretelling.trials
    assert again.key == made.key


def test_sources_without_curves_make_the_prior_that_they_made_before_curves_were_read() -> None:
    made, with_curves = prior(None), prior(correlations(*crossing(40, 1)))

    assert made.foretelling is None
    assert Prior.from_bytes(made.to_bytes()).foretelling is None
    assert replace(with_curves, foretelling=None).key == made.key


def test_where_history_says_that_a_rung_tells_nothing_the_stopped_trials_are_less_certain() -> None:
    # The place tells nothing here, and two whole trials tell little of the line to the end.
    random = np.random.default_rng(2)
    x, early, ends = random.random((20, 2)), random.random(20), random.random(20)
    curves = [
        ProgressCurve(
            number=i,
            reports={1.0: float(early[i]), 2.0: float(early[i])}
            | ({32.0: float(ends[i])} if i < 2 else {}),
            final=float(ends[i]) if i < 2 else None,
        )
        for i in range(20)
    ]
    settled = Foretelling(np.full(29, 0.98), 40.0)

    doubted = expected_ends(COLUMNS, x, curves, foretelling=told(1, 2, 3))
    trusted = expected_ends(COLUMNS, x, curves, foretelling=settled)

    assert doubted is not None
    assert trusted is not None
    assert doubted.extra[2:].mean() > 1.5 * trusted.extra[2:].mean()
    assert np.ptp(doubted.z[2:]) < 0.8 * np.ptp(trusted.z[2:])
