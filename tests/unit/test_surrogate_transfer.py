"""The warm model and the gate: history is used while it foretells, and left when it misleads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import qmc

from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.history.building import build_prior
from tuner.surrogate.history.prior import Prior
from tuner.surrogate.history.sizing import LengthPosterior, SizingData
from tuner.surrogate.history.source import Source
from tuner.surrogate.transfer import fit_transfer
from tuner.surrogate.trust import START, weigh_history
from tuner.surrogate.warp import warp

COLUMNS = Columns(kinds=("real", "real", "grid", "choice"), sizes=(0, 0, 30, 2))


def points(n: int, seed: int) -> Floats:
    u = qmc.Sobol(4, rng=np.random.default_rng(seed)).random(128)[:n]
    u[:, 3] = np.floor(2 * u[:, 3])
    u[u[:, 3] == 1, 2] = np.nan
    return u


def bowl(x: Floats, centre: float) -> Floats:
    return ((COLUMNS.fill(x)[:, :3] - centre) ** 2).sum(axis=1) + 0.1 * x[:, 3]


def prior_of(f: Callable[[Floats, np.random.Generator], Floats], count: int = 6) -> Prior:
    sources = []
    for seed in range(count):
        x = points(40, 200 + seed)
        sources.append(Source(name=f"s{seed}", x=x, y=f(x, np.random.default_rng(seed))))
    prior = build_prior(COLUMNS, points(128, 1), sources)
    assert prior is not None
    return prior


def near(x: Floats, rng: np.random.Generator) -> Floats:
    return bowl(x, 0.3 + 0.05 * float(rng.normal()))


@pytest.fixture(scope="module")
def related() -> Prior:
    return prior_of(near)


def observed(n: int, centre: float = 0.35) -> tuple[Floats, Floats]:
    x = points(n, 77)
    return x, warp(bowl(x, centre))


def test_two_observations_and_history_foretell_the_rest(related: Prior) -> None:
    x, z = observed(2)

    mean, std = fit_transfer(related, x, z).predict(points(128, 5))

    assert np.corrcoef(mean, bowl(points(128, 5), 0.35))[0, 1] > 0.85
    assert (std > 0).all()


def test_history_with_the_wrong_sign_is_used_the_other_way_round() -> None:
    inverted = prior_of(lambda x, rng: -near(x, rng))
    x, z = observed(6)

    mean, _ = fit_transfer(inverted, x, z).predict(points(128, 5))

    assert np.corrcoef(mean, bowl(points(128, 5), 0.35))[0, 1] > 0.7


def test_the_gradient_of_the_posterior_is_its_slope(related: Prior) -> None:
    x, z = observed(9)
    data = SizingData(x=x, z=z, shares=np.linspace(0.5, 1.0, 9), extra=np.linspace(0.0, 0.1, 9))
    posterior = LengthPosterior(related, data)

    for seed in range(3):
        theta = related.centre + 0.5 * np.random.default_rng(seed).normal(size=8)
        steps = 1e-6 * np.eye(8)
        slope = [(posterior(theta + h)[0] - posterior(theta - h)[0]) / 2e-6 for h in steps]
        np.testing.assert_allclose(posterior(theta)[1], slope, rtol=1e-5, atol=1e-5)


def test_slopes_are_the_derivatives_of_the_prediction(related: Prior) -> None:
    x, z = observed(12)
    model = fit_transfer(related, x, z)
    at = points(16, 6)

    mean, std, mean_slope, std_slope = model.slopes(at)

    np.testing.assert_allclose((mean, std), model.predict(at), rtol=1e-6)
    for column in range(4):
        step = np.zeros(4)
        step[column] = 1e-6
        above, below = np.array(model.predict(at + step)), np.array(model.predict(at - step))
        slope = (above - below) / 2e-6
        slope[:, np.isnan(at[:, column]) | (column == 3)] = 0.0
        np.testing.assert_allclose(mean_slope[:, column], slope[0], atol=1e-4)
        np.testing.assert_allclose(std_slope[:, column], slope[1], atol=1e-4)


def test_leaving_one_out_is_what_the_others_predict(related: Prior) -> None:
    x, z = observed(8)
    model = fit_transfer(related, x, z)

    mean, variance = model.loo()

    for i in range(8):
        others = np.arange(8) != i
        data = SizingData(x=x[others], z=z[others], shares=np.ones(7), extra=np.zeros(7))
        left = type(model)(prior=related, data=data, sizes=model.sizes)
        one_mean, one_std = left.predict(x[i : i + 1])
        assert mean[i] == pytest.approx(one_mean[0], abs=1e-6)
        assert variance[i] == pytest.approx(one_std[0] ** 2 + model.sizes.noise, rel=1e-4)


def test_a_pending_trial_that_is_believed_leaves_less_to_learn_there(related: Prior) -> None:
    x, z = observed(8)
    model = fit_transfer(related, x, z)
    pending = points(3, 9)

    mean, std = model.predict(pending)
    believed_mean, believed_std = model.condition(pending, mean).predict(pending)

    np.testing.assert_allclose(believed_mean, mean, atol=1e-6)
    assert (believed_std < std).all()


def test_what_is_believed_has_no_noise_however_noisy_the_observations_are(related: Prior) -> None:
    x, z = observed(8)
    model = fit_transfer(related, x, z)
    noisy = dataclasses.replace(model, sizes=dataclasses.replace(model.sizes, noise=0.5))
    pending = points(3, 9)
    believed = np.array([-1.0, 2.0, 0.5])

    mean, std = noisy.condition(pending, believed).predict(pending)

    np.testing.assert_allclose(mean, believed, atol=1e-2)
    assert (std < 0.01).all()


def test_a_noisy_value_weighs_less_than_an_exact_one(related: Prior) -> None:
    x, z = observed(6)
    odd = z.copy()
    odd[0] += 4.0

    exact = fit_transfer(related, x, odd).predict(x[:1])[0]
    vague = fit_transfer(related, x, odd, extra=np.array([9.0, 0, 0, 0, 0, 0])).predict(x[:1])[0]

    assert abs(vague[0] - z[0]) < abs(exact[0] - z[0])


def test_related_history_keeps_its_trust(related: Prior) -> None:
    for n in (3, 6, 12):
        assert weigh_history(related, COLUMNS, *observed(n)).trust > 0.5


@pytest.mark.parametrize(
    "misleading",
    [
        lambda x, rng: np.sin(9 * COLUMNS.fill(x)[:, 0]) + np.cos(7 * COLUMNS.fill(x)[:, 1]),
        lambda x, rng: bowl(x, 0.9 + 0.05 * float(rng.normal())),
    ],
    ids=["waves", "bowls elsewhere"],
)
def test_misleading_history_is_distrusted_within_fifteen_trials(
    misleading: Callable[[Floats, np.random.Generator], Floats],
) -> None:
    prior = prior_of(misleading)

    assert weigh_history(prior, COLUMNS, *observed(15)).trust < 0.3


def test_the_trust_is_the_weight_of_history_beside_several_models_without_it(
    related: Prior,
) -> None:
    gate = weigh_history(related, COLUMNS, *observed(6), members=3)

    weights = np.exp([weight for weight, _ in gate.arms])
    assert weights[0] == pytest.approx(gate.trust)
    assert weights.sum() == pytest.approx(1.0)
    assert [type(model).__name__ for _, model in gate.arms[1:]] == ["GaussianProcess"] * 2
    assert len(gate.cold) == 3
    assert 0 < gate.trust < 1


def test_history_that_holds_only_when_it_is_reversed_is_no_guide(related: Prior) -> None:
    x, z = observed(10)

    assert not weigh_history(related, COLUMNS, x, z).is_misled
    assert weigh_history(related, COLUMNS, x, -z).warm.agreement < 0
    assert weigh_history(related, COLUMNS, x, -z).is_misled


def test_history_is_relied_on_although_its_good_points_are_all_alike(related: Prior) -> None:
    x = points(100, 77)
    x = x[np.argsort(bowl(x, 0.35))[:20]]
    z = warp(bowl(x, 0.35))

    assert fit_transfer(related, x, z).reliance > 0.5


def test_at_one_trial_history_alone_has_the_say(related: Prior) -> None:
    gate = weigh_history(related, COLUMNS, *observed(1))

    assert not gate.cold
    assert gate.trust == START
    assert [weight for weight, _ in gate.arms] == [0.0]


def test_a_gate_is_a_function_of_its_arguments(related: Prior) -> None:
    first, second = (weigh_history(related, COLUMNS, *observed(10)) for _ in range(2))

    assert first.trust == second.trust
    at = points(8, 4)
    np.testing.assert_array_equal(first.warm.predict(at), second.warm.predict(at))
