"""The Gaussian process is the one of the book, and its hyperparameters are the most probable."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.gaussian.fitting import LEAST_NOISE, OFFSET, Posterior
from tuner.surrogate.gaussian.gp import GaussianProcess, fit_gp, fit_gps
from tuner.surrogate.model import Model, slopes
from tuner.surrogate.search.acquisition import (
    LogExpectedImprovement,
    LogFeasibility,
    log_improvement,
)
from tuner.surrogate.search.hypervolume import LogHypervolumeImprovement, boxes, front, reference
from tuner.surrogate.warp import warp

COLUMNS = Columns(("real", "grid", "choice", "real"), (0, 5, 3, 0))


def points(n: int, seed: int) -> Floats:
    """Return points of every kind; some entries are inactive."""
    random = np.random.default_rng(seed)
    x = random.random((n, 4))
    x[:, 1] = np.round(x[:, 1] * 4) / 4
    x[:, 2] = random.integers(0, 3, n)
    x[x[:, 2] == 1, 3] = np.nan
    return x


def values(x: Floats) -> Floats:
    filled = np.nan_to_num(x, nan=0.3)
    return warp(np.sin(4 * filled[:, 0]) + filled[:, 1] ** 2 + filled[:, 2] * filled[:, 3])


def plain_kernel(left: Floats, right: Floats, weights: Floats, scale: float) -> Floats:
    """Return the covariance of the objective, as the book has it: no features, no products."""
    squares = np.zeros((len(left), len(right)))
    for k in range(4):
        a, b = left[:, k, None], right[None, :, k]
        if COLUMNS.is_choice[k]:
            apart = 1.0 - ((a == b) | (np.isnan(a) & np.isnan(b)))
        else:
            apart = np.nan_to_num(a, nan=0.5) - np.nan_to_num(b, nan=0.5)
        squares += weights[k] * apart**2
    r = np.sqrt(5 * squares)
    return scale * (1 + r + r * r / 3) * np.exp(-r) + OFFSET


def plain_posterior(x: Floats, z: Floats, t: Floats, posterior: Posterior) -> float:
    """Return the negative log posterior by the definitions: a normal density and its priors."""
    covariance = plain_kernel(x, x, np.exp(-2 * t[:-2]), np.exp(t[-2]))
    covariance += (np.exp(t[-1]) + LEAST_NOISE) * np.eye(len(z))
    _, log_det = np.linalg.slogdet(covariance)
    fit = 0.5 * z @ np.linalg.solve(covariance, z) + 0.5 * log_det
    return float(fit + 0.5 * np.sum(((t - posterior.centre) / posterior.spread) ** 2))


def test_predictions_are_those_of_the_book() -> None:
    x, new = points(25, 1), points(9, 2)
    z = values(x)
    model = fit_gp(COLUMNS, x, z)

    mean, std = model.predict(new)

    weights, scale = model.hyper.weights, model.hyper.scale
    covariance = plain_kernel(x, x, weights, scale) + model.hyper.noise * np.eye(25)
    cross, own = plain_kernel(new, x, weights, scale), plain_kernel(new, new, weights, scale)
    expected = own - cross @ np.linalg.solve(covariance, cross.T)
    np.testing.assert_allclose(mean, cross @ np.linalg.solve(covariance, z), atol=1e-8)
    np.testing.assert_allclose(std, np.sqrt(np.diag(expected)), atol=1e-6)
    np.testing.assert_allclose(model.joint(new)[1], expected, atol=1e-8)


def test_the_log_posterior_and_its_gradient_are_exact() -> None:
    x = points(14, 3)
    z, random = values(x), np.random.default_rng(0)
    posterior = Posterior(COLUMNS, x, z, np.ones(14), np.zeros(14))

    for _ in range(4):
        t = posterior.centre + random.normal(size=6)
        value, gradient = posterior(t)

        assert value == pytest.approx(plain_posterior(x, z, t, posterior), rel=1e-9)
        numeric = approx_fprime(t, lambda t: posterior(t)[0], 1e-6)
        np.testing.assert_allclose(gradient, numeric, rtol=1e-3, atol=1e-4)


def test_no_other_search_finds_more_probable_hyperparameters() -> None:
    x = points(12, 4)
    z = values(x)
    posterior = Posterior(COLUMNS, x, z, np.ones(12), np.zeros(12))
    model = fit_gp(COLUMNS, x, z)
    found = np.log([*model.hyper.weights**-0.5, model.hyper.scale, model.hyper.noise - LEAST_NOISE])

    slow = min(
        minimize(
            lambda t: plain_posterior(x, z, t, posterior),
            posterior.centre + shift,
            method="Nelder-Mead",
            options={"maxiter": 900, "fatol": 1e-6},
        ).fun
        for shift in (0.0, -1.0)
    )

    assert posterior(found)[0] <= slow + 0.01


def test_leaving_one_out_is_fitting_without_it() -> None:
    x = points(10, 5)
    z = values(x)
    model = fit_gp(COLUMNS, x, z)

    mean, variance = model.loo()

    for index in range(10):
        rest = np.delete(np.arange(10), index)
        without = GaussianProcess(
            columns=COLUMNS, x=x[rest], z=z[rest], hyper=model.hyper, noise=model.noise[rest]
        )
        expected, std = without.predict(x[index : index + 1])
        assert mean[index] == pytest.approx(expected[0], abs=1e-7)
        assert variance[index] == pytest.approx(std[0] ** 2 + model.hyper.noise, rel=1e-6)


def test_conditioning_tells_the_model_the_objective_at_more_points() -> None:
    x = points(12, 6)
    z = values(x)
    part = fit_gp(COLUMNS, x[:8], z[:8])
    whole = GaussianProcess(
        columns=COLUMNS,
        x=x,
        z=z,
        hyper=part.hyper,
        noise=np.repeat([part.hyper.noise, LEAST_NOISE], [8, 4]),
    )

    np.testing.assert_allclose(
        part.condition(x[8:], z[8:]).predict(points(5, 7)), whole.predict(points(5, 7))
    )


class Bare:
    """A model that does not know its derivatives."""

    def __init__(self, model: GaussianProcess) -> None:
        self.predict = model.predict
        self.condition = model.condition
        self.loo = model.loo


def test_slopes_are_those_of_finite_differences() -> None:
    x, new = points(20, 8), points(6, 9)
    model = fit_gp(COLUMNS, x, values(x))
    moving = ~np.isnan(new) & ~COLUMNS.is_choice

    for exact, numeric in zip(
        slopes(model, new, moving), slopes(Bare(model), new, moving), strict=True
    ):
        np.testing.assert_allclose(exact, numeric, rtol=1e-4, atol=1e-6)


def acquisitions() -> list[LogExpectedImprovement | LogFeasibility | LogHypervolumeImprovement]:
    x = points(20, 10)
    first, second = values(x), values(x[::-1])
    models: list[Model] = [fit_gp(COLUMNS, x, first), fit_gp(COLUMNS, x, second)]
    return [
        LogExpectedImprovement([(-0.3, models[0]), (-2.0, models[1])], x),
        LogFeasibility(models, [0.2, -0.4]),
        LogHypervolumeImprovement(models, np.stack([first, second], axis=1)),
    ]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_slopes_of_acquisitions_are_those_of_finite_differences(index: int) -> None:
    acquisition, new = acquisitions()[index], points(6, 11)
    moving = ~np.isnan(new) & ~COLUMNS.is_choice

    value, gradient = acquisition.slope(new, moving.astype(float))

    np.testing.assert_allclose(value, acquisition.value(new), rtol=1e-9)
    for column in (0, 1, 3):
        step = np.zeros(4)
        step[column] = 1e-6
        numeric = (acquisition.value(new + step) - acquisition.value(new - step)) / 2e-6
        numeric = np.where(moving[:, column], numeric, 0.0)
        np.testing.assert_allclose(gradient[:, column], numeric, rtol=1e-3, atol=1e-4)


def density(u: float) -> float:
    return math.exp(-0.5 * u * u) / math.sqrt(2 * math.pi)


def test_the_expected_improvement_keeps_its_digits_far_away() -> None:
    u = np.array([-1e8, -1e3, -60.0, -40.0, -5.0, -1.0, 0.0, 5.0])

    found = log_improvement(u)

    # Near by the definition, far away by the series of Mills' ratio.
    near = [math.log(density(v) + v * 0.5 * math.erfc(-v / math.sqrt(2))) for v in u[4:]]
    far = [
        -0.5 * v * v
        - 0.5 * math.log(2 * math.pi)
        + math.log(v**-2 - 3 * v**-4 + 15 * v**-6 - 105 * v**-8)
        for v in u[:4]
    ]
    expected = [*far, *near]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert np.all(np.diff(log_improvement(np.linspace(-80, 10, 5000))) > 0)


def test_a_mixture_of_models_follows_the_observations_whatever_their_number() -> None:
    x = points(16, 12)
    arms = fit_gps(COLUMNS, x, values(x), members=6)

    assert len(arms) == 6
    assert arms[0][0] == 0.0
    for _, model in arms:
        assert np.corrcoef(model.predict(x)[0], values(x))[0, 1] > 0.9


def test_repeats_lower_the_noise_of_their_mean() -> None:
    x = points(15, 13)
    z = values(x) + np.random.default_rng(1).normal(0, 0.5, 15)
    once = fit_gp(COLUMNS, x, z)
    often = fit_gp(COLUMNS, x, z, counts=np.full(15, 100.0))

    assert np.mean((often.predict(x)[0] - z) ** 2) < np.mean((once.predict(x)[0] - z) ** 2)


@pytest.mark.parametrize("objectives", [2, 3])
def test_the_expected_gain_of_hypervolume_is_that_of_a_simulation(objectives: int) -> None:
    x, random = points(18, 14), np.random.default_rng(3)
    columns = [values(x + 0.07 * k) for k in range(objectives)]
    observed = np.stack(columns, axis=1)
    models = [fit_gp(COLUMNS, x, column) for column in columns]
    new = points(3, 15)
    exact = np.exp(LogHypervolumeImprovement(models, observed).value(new))

    ref, best = reference(observed), observed[front(observed)]
    lows, highs = boxes(best, ref)
    drawn = np.stack(
        [
            m[0][:, None] + m[1][:, None] * random.normal(size=(3, 20000))
            for m in (model.predict(new) for model in models)
        ],
        axis=2,
    )
    # The gain is the volume between the drawn point and the border of what is dominated.
    sides = np.clip(highs - np.maximum(lows, drawn[:, :, None, :]), 0.0, None)
    simulated = sides.prod(axis=3).sum(axis=2).mean(axis=1)
    np.testing.assert_allclose(exact, simulated, rtol=0.1, atol=1e-4)


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_the_boxes_fill_what_is_not_dominated_without_overlap(objectives: int) -> None:
    random = np.random.default_rng(objectives)
    observed = random.random((12, objectives))
    ref, best = np.full(objectives, 1.0), observed[front(observed)]
    lows, highs = boxes(best, ref)
    probes = random.random((4000, objectives))

    inside = np.all((probes[:, None] >= lows) & (probes[:, None] < highs), axis=2).sum(axis=1)
    dominated = np.any(np.all(best <= probes[:, None], axis=2), axis=1)

    np.testing.assert_array_equal(inside, np.where(dominated, 0, 1))


def test_warping_keeps_the_order_and_tames_what_diverged() -> None:
    y = np.array([0.3, 0.1, 0.2, 0.25, 1e30, np.nan, 0.5, np.inf, 1e6])

    z = warp(y)

    order = np.argsort(z)
    assert list(y[order[:7]]) == [0.1, 0.2, 0.25, 0.3, 0.5, 1e6, 1e30]
    assert np.all(np.isfinite(z))
    assert z.std() == pytest.approx(1.0)
    # The four ordinary values are still told apart.
    assert np.ptp(z[:4]) > 0.1
    assert np.all(warp(np.full(4, 7.0)) == 0)
    assert np.all(warp(np.array([np.nan, np.inf])) == 0)
    assert len(warp(np.empty(0))) == 0
