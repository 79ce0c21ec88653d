"""What history gained a study: its own results against those of a shadow that started cold.

Nobody ran the study again without history, so the shadow is simulated, on what the study itself has
found out about its objective:

1. A Gaussian process without history is fitted to all results of the study.
2. Functions are drawn from it, over the configurations that were tried, some beside the best of
   these, and others spread evenly over the space: each is one way the objective may look.
3. On each, a study without history is run: a few spread trials, then those of the largest expected
   improvement, by a model that learns from the shadow's own results alone.

Trials saved are the trials that the shadow needed to come near the study's best value, less those
that the study needed: within `NEAR` standard deviations of its results, because the last digits of
a best value are luck. They are given as a median and the range of the middle 80 % of the draws.

Two errors are known, of opposite sign: the shadow is given the shape of the model (lengthscales)
from the start, which a real one would have to learn; and it may only try points of the pool, so
that it cannot come as near to the best as a study that moves freely. How far the estimate is from
cold starts that were really made is measured in docs/explain.md.

Notation: n results, m points; x (m, d); z smaller is better; K (m, m) prior covariance.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.space import SearchSpace
from tuner.space.encoding import Encoding
from tuner.surrogate import kernel
from tuner.surrogate.acquisition import log_improvement
from tuner.surrogate.columns import Floats
from tuner.surrogate.fitting import OFFSET
from tuner.surrogate.gp import GaussianProcess, fit_gp
from tuner.surrogate.warp import warp

#: With fewer results nothing is estimated, and of more, only so many are looked at.
LEAST = 5
MOST = 300
DRAWS = 64
#: Configurations beside those that were tried: all over the space, and so many at the best few.
SPREAD = 384
BESIDE, BEST = 24, 5
#: How far from these, in widths of the range.
_REACH = (0.01, 0.2)
#: Trials of a shadow before its model chooses, as in the sampler `bayesian`.
START = 4
#: The range that is given with a median.
RANGE = (0.1, 0.9)
#: So near, in standard deviations of the results, counts as having come as far; or nearer than the
#: noise of a result.
NEAR = 0.05
#: After so many trials the bests are compared.
MARKS = (1, 2, 3, 5, 8, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300)
_JITTER = 1e-8

METHOD = (
    "a cold start is simulated on a model of this study's own results, drawn "
    f"{DRAWS} times; ranges hold the middle 80 % of the draws"
)


@dataclass(frozen=True, eq=False)
class Results:
    """What a study has found: configurations and values in the order of the results."""

    space: SearchSpace
    maximize: bool
    params: Sequence[Mapping[str, Any]]
    values: Sequence[float]


def estimate_gain(results: Results) -> dict[str, Any] | None:
    """Return how far a study came against a shadow that started cold; None: too few results.

    Returns:
        `trials` that were looked at, the `best` of them, `reached_at` (so many trials took it to
        `goal`, which is near the best);
        `cold_trials` and `saved`, each with `median`, `low` and `high`; `not_reached`, the share of
        shadows that did not come so far within `within` trials (they count as if they had just
        then); `curve`: after some trials the best of the study, and median and range of the cold
        ones, in the metric's unit; `method` in words.
    """
    encoding = Encoding(results.space)
    values = np.array(results.values[:MOST], dtype=float)
    sign = -1.0 if results.maximize else 1.0
    z = warp(sign * values)
    if len(values) < LEAST or not z.any() or not len(encoding):
        return None
    with contextlib.suppress(np.linalg.LinAlgError):
        return _estimate(results, encoding, values, z)
    return None


def _estimate(results: Results, encoding: Encoding, values: Floats, z: Floats) -> dict[str, Any]:
    x = np.stack([encoding.encode(params) for params in results.params[:MOST]])
    model = fit_gp(encoding.columns, x, z)
    shadows = _shadows(model, encoding, horizon=3 * len(z) + 30)
    goal = float(z.min()) + near(model.hyper.noise)
    reached_at = int(np.argmax(z <= goal)) + 1
    needed = _needed(shadows, goal)
    within = shadows.shape[1]
    return {
        "method": METHOD,
        "trials": len(values),
        "best": float((values.max if results.maximize else values.min)()),
        "reached_at": reached_at,
        "goal": _in_unit(np.array([goal]), values, z)[0].item(),
        "cold_trials": _spread(np.minimum(needed, within)),
        "saved": _spread(np.minimum(needed, within) - reached_at),
        "not_reached": float(np.mean(needed > within)),
        "within": within,
        "curve": _curve(values, z, shadows, maximize=results.maximize),
    }


def near(noise: float) -> float:
    """Return how near to the best value counts as having come as far, for a variance of noise.

    The best of noisy results was lucky by about one deviation, which is no merit of the search.
    """
    return max(NEAR, float(np.sqrt(noise)))


def _shadows(model: GaussianProcess, encoding: Encoding, horizon: int) -> Floats:
    """Return the best z of each draw after 1, 2, … trials of a cold start, (draws, horizon)."""
    rng = np.random.default_rng(0)
    spread = encoding.sample(SPREAD, 0)
    pool = np.concatenate([model.x, spread, _beside(model, encoding, rng)])
    features = kernel.scaled(model.columns, pool, model.hyper.weights)
    prior = model.hyper.scale * kernel.matern_between(features, features) + OFFSET
    mean, covariance = model.joint(pool)
    covariance.flat[:: len(pool) + 1] += _JITTER * model.hyper.scale
    # By eigenvalues: close points make it singular, which a Cholesky factor does not bear.
    sizes, ways = np.linalg.eigh(covariance)
    normal = rng.standard_normal((DRAWS, len(pool)))
    drawn = mean + (normal * np.sqrt(np.maximum(sizes, 0.0))) @ ways.T
    first = len(model.x) + rng.integers(len(spread), size=(DRAWS, START))
    steps = min(horizon, len(pool))
    noise = model.hyper.noise
    runs = [_run(f, prior, noise, start, steps) for f, start in zip(drawn, first, strict=True)]
    return np.stack(runs)


def _beside(model: GaussianProcess, encoding: Encoding, rng: np.random.Generator) -> Floats:
    """Return configurations that differ a little from the best ones in their numbers, (m, d)."""
    columns = model.columns
    best = model.x[np.argsort(model.z, kind="stable")[:BEST]]
    near = best[rng.integers(len(best), size=BESIDE)]
    low, high = np.log(_REACH)
    reach = np.exp(rng.uniform(low, high, size=(BESIDE, 1)))
    step = np.where(columns.is_choice, 0.0, reach * rng.standard_normal(near.shape))
    top = np.where(columns.is_choice, np.array(columns.sizes) - 1.0, 1.0)
    found = encoding.canonical(np.clip(near + step, 0.0, top))
    return np.unique(found[encoding.allowed(found)], axis=0)


def _run(f: Floats, prior: Floats, noise: float, start: Floats, steps: int) -> Floats:
    """Return the best value so far of one cold start on the function `f` (m,), shape (steps,).

    The posterior over all points is brought up to date with each trial by one step of a Cholesky
    factorisation. Source: Rasmussen & Williams (2006), eq. 2.25-2.26.
    """
    m = len(f)
    rows = np.zeros((steps, m))
    mean, variance = np.zeros(m), np.diag(prior).copy()
    is_open = np.ones(m, dtype=bool)
    best = np.empty(steps)
    lowest = np.inf
    for step in range(steps):
        if step < len(start):
            chosen = int(start[step])
        else:
            deviation = np.sqrt(np.maximum(variance, 1e-12))
            gain = log_improvement((lowest - mean) / deviation) + np.log(deviation)
            chosen = int(np.argmax(np.where(is_open, gain, -np.inf)))
        is_open[chosen] = False
        pivot = np.sqrt(max(variance[chosen] + noise, 1e-12))
        row = (prior[chosen] - rows[:step].T @ rows[:step, chosen]) / pivot
        mean = mean + row * (f[chosen] - mean[chosen]) / pivot
        rows[step] = row
        variance = variance - row**2
        lowest = min(lowest, float(f[chosen]))
        best[step] = lowest
    return best


def _needed(shadows: Floats, goal: float) -> Floats:
    """Return after how many trials each shadow reaches `goal`; one more than it has if never."""
    reached = shadows <= goal
    needed: Floats = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, shadows.shape[1] + 1)
    return needed


def _curve(values: Floats, z: Floats, shadows: Floats, *, maximize: bool) -> list[dict[str, Any]]:
    so_far = (np.maximum if maximize else np.minimum).accumulate(values)
    marks = [mark for mark in MARKS if mark < len(z)] + [len(z)]
    return [
        {
            "trials": mark,
            "best": float(so_far[mark - 1]),
            "cold": _spread(_in_unit(shadows[:, mark - 1], values, z)),
        }
        for mark in marks
    ]


def _in_unit(at: Floats, values: Floats, z: Floats) -> Floats:
    """Return in the metric's unit what is given on the scale of z, (m,)."""
    order = np.argsort(z, kind="stable")
    # The scale of z is monotone; beyond what was observed it ends.
    found: Floats = np.interp(at, z[order], values[order])
    return found


def _spread(values: Floats) -> dict[str, float]:
    low, middle, high = np.quantile(values, (RANGE[0], 0.5, RANGE[1]))
    return {"median": float(middle), "low": float(low), "high": float(high)}
