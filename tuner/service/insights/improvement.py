"""Whether more trials are likely to pay off: the chance that the next ones find a better value.

Gaussian processes are fitted to the study's own results, as the sampler does. With them the next
trials are chosen one after the other by expected improvement, each as if the one before had come
out as expected, and functions are drawn that agree with the results. The share of functions in
which one of these trials beats the best value so far is the raw chance. It is too low for a sampler
that chooses by such a model again after each result, and too high for others, so it is calibrated
on simulated studies (docs/decisions.md has the figures, and how reliable the calibrated chance is).

Trials of a sampler that does not learn are exchangeable: of n + N such trials the best is among the
last N with the probability N / (n + N).
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass

import numpy as np

from tuner.documents.study_folder.insights import Improvement
from tuner.registry import SAMPLERS, Trait
from tuner.samplers.bayesian.mixture import MEMBERS
from tuner.samplers.bayesian.space.adapter import declared
from tuner.service.explanations.gain import NEAR, Results, data_of
from tuner.service.insights.sample import Sample
from tuner.space.encoding import Encoding
from tuner.surrogate.bounds import known_bounds
from tuner.surrogate.columns import Floats
from tuner.surrogate.gaussian.gp import GaussianProcess, fit_gps
from tuner.surrogate.search.acquisition import log_improvement

#: Minimum number of complete results for an answer, and the maximum used: the newest, and the best.
LEAST, MOST = 15, 200
#: Number of trials to look ahead: this share of the existing ones, within these bounds.
_FEWEST, _FURTHEST, _SHARE = 10, 50, 0.25
#: Number of candidates for the next trials: spread over the space; centres; near each centre.
_POOL, _CENTRES, _BESIDE = 300, 5, 40
#: Number of functions to draw.
_DRAWN = 400
#: The quantiles that are given with an expectation.
_RANGE = (0.1, 0.9)
#: Calibration, measured on simulated studies: shift and slope of a logistic function of the raw
#: odds, and a factor on the gains. A sampler with our models adapts to each result, which the
#: points chosen ahead do not; other samplers go elsewhere.
_MODELS, _OTHERS = (1.8, 0.85), (-1.0, 0.54)
_STRETCH = 2.0
#: Maximum of the calibrated chance: nothing is certain.
_SUREST = 0.98


def improvement(sample: Sample) -> Improvement:
    """Return the chance that the next trials find a better value; see the module.

    Returns:
        `why`: why there is no result, else empty; `next_trials`: how far to look ahead; `chance`
        that one of them beats the best by more than a negligible amount; the best value after them
        as `expected`, `low` and `high` (the middle 80 %); `regret`: how much better the best value
        anywhere may be at most, with a probability of nine tenths. In the metric's unit; null if
        the sampler does not learn, so that there is no model.
    """
    whole = int(sample.whole.sum())
    if len(sample.spec.metrics) > 1:
        return _nothing("not told of several metrics")
    if whole < LEAST:
        return _nothing(f"not known before {LEAST} trials are complete")
    ahead = next_trials(whole, _left(sample))
    if SAMPLERS.has(sample.spec.sampler.name, Trait.BLIND):
        return {**_nothing(""), "next_trials": ahead, "chance": ahead / (whole + ahead)}
    results = _results(sample)
    with contextlib.suppress(np.linalg.LinAlgError):
        found = look_ahead(results, ahead)
        if found is not None:
            return _told(found, ahead, sample)
    return _nothing("the results cannot be modelled: they hardly differ")


def next_trials(whole: int, left: int | None) -> int:
    """Return how far to look ahead.

    Args:
        whole: number of complete trials.
        left: number left in the budget; None: it is used up, or does not limit trials.
    """
    ahead = min(max(math.ceil(_SHARE * whole), _FEWEST), _FURTHEST)
    return min(ahead, left) if left else ahead


@dataclass(frozen=True, kw_only=True, eq=False)
class Outlook:
    """What a model predicts for the next trials.

    Attributes:
        best: the best value so far, according to the model, in the metric's unit.
        seen: the raw chance that the next trials are better.
        gains: by how much, in the functions where they are better, above 0, shape (k,).
        regret: how much better the best value anywhere is, in each function, shape (drawn,).
    """

    best: float
    seen: float
    gains: Floats
    regret: Floats


def look_ahead(results: Results, ahead: int) -> Outlook | None:
    """Return what a model of the results predicts for the next trials; None: there is no model."""
    dialect = declared(results.space)
    if not len(dialect.encoding):
        return None
    data = data_of(results, dialect)
    scale = data.scales[0]
    if scale.is_flat or not np.isfinite(data.z).all():
        return None
    z = data.z[:, 0]
    models = fit_gps(
        dialect.encoding.columns, data.x, z, counts=data.counts, extra=data.extra, members=MEMBERS
    )
    weights = np.exp([weight for weight, _ in models])
    shares = np.round(np.cumsum(weights) / weights.sum() * _DRAWN).astype(int)
    best = float(z.min())
    drawn = [
        _drawn(models[at][1], dialect.encoding, best, ahead, count)
        for at, count in enumerate(np.diff(shares, prepend=0).tolist())
        if count
    ]
    after = np.concatenate([found[0] for found in drawn])
    anywhere = np.concatenate([found[1] for found in drawn])
    better = after[after < best - NEAR]
    value = float(scale.value(np.array([best]))[0])
    return Outlook(
        best=results.sign * value,
        seen=(len(better) + 0.5) / (len(after) + 1.0),
        gains=value - np.asarray(scale.value(better)),
        regret=value - np.asarray(scale.value(np.minimum(anywhere, best))),
    )


def _told(outlook: Outlook, ahead: int, sample: Sample) -> Improvement:
    """Return an outlook after calibration of chance and gains."""
    metric = sample.spec.metrics[0]
    chance = told_chance(outlook.seen, sample.spec.sampler.name)
    gains = np.zeros(1) if not len(outlook.gains) else np.sort(outlook.gains)
    # With the remaining probability nothing is gained.
    shares = [max(0.0, 1.0 - (1.0 - quantile) / chance) for quantile in (*_RANGE, 0.5)]
    gained = [float(np.quantile(gains, share)) if share > 0.0 else 0.0 for share in shares]
    towards = 1.0 if metric.goal == "maximize" else -1.0
    most = [*gained, float(np.quantile(outlook.regret, _RANGE[1]))]
    # An accuracy ends at 1, whatever a model predicts.
    bounds = known_bounds(metric.name, sample.values[:, 0])
    reached = bounds.clip(outlook.best + towards * _STRETCH * np.array(most)).tolist()
    return {
        "why": "",
        "next_trials": ahead,
        "chance": chance,
        "expected": reached[2],
        "low": min(reached[:2]),
        "high": max(reached[:2]),
        "regret": abs(reached[3] - outlook.best),
    }


def told_chance(raw: float, sampler: str) -> float:
    """Return the calibrated chance for a raw one, both between 0 and 1.

    Args:
        raw: the raw chance.
        sampler: the study's sampler, as its spec names it.
    """
    shift, slope = _MODELS if SAMPLERS.has(sampler, Trait.MODELS) else _OTHERS
    odds = shift + slope * math.log(raw / (1.0 - raw))
    return min(max(1.0 / (1.0 + math.exp(-odds)), 1.0 - _SUREST), _SUREST)


def _drawn(
    model: GaussianProcess, encoding: Encoding, best: float, ahead: int, count: int
) -> tuple[Floats, Floats]:
    """Return the smallest z of the next trials, and of all points, for each function, (count,)."""
    rng = np.random.default_rng([ahead, count])
    points = _points(model, encoding, rng)
    mean, covariance = model.joint(points)
    chosen = _chosen(mean, covariance, best, min(ahead, len(points)), model.hyper.noise)
    factor = np.linalg.cholesky(covariance + np.eye(len(points)) * 1e-8)
    functions = mean + rng.standard_normal((count, len(points))) @ factor.T
    noise = np.sqrt(model.hyper.noise) * rng.standard_normal((count, len(chosen)))
    return (functions[:, chosen] + noise).min(axis=1), functions.min(axis=1)


def _points(model: GaussianProcess, encoding: Encoding, rng: np.random.Generator) -> Floats:
    """Return canonical points of the space, and more near the best ones, (m, d)."""
    columns = model.columns
    pool = encoding.sample(_POOL, 0)
    centres = np.repeat(model.x[np.argsort(model.z)[:_CENTRES]], _BESIDE, axis=0)
    reach = np.exp(rng.uniform(math.log(0.01), math.log(0.3), size=(len(centres), 1)))
    moves = rng.random(centres.shape) < rng.choice([0.3, 1.0], size=(len(centres), 1))
    step = np.where(moves & ~columns.is_choice, reach * rng.standard_normal(centres.shape), 0.0)
    most = np.where(columns.is_choice, np.array(columns.sizes) - 1.0, 1.0)
    beside = encoding.canonical(np.clip(np.nan_to_num(centres) + step, 0.0, most))
    points = np.concatenate([pool, beside])
    points = points[encoding.allowed(points)]
    return np.unique(points, axis=0) if not np.isnan(points).any() else points


def _chosen(mean: Floats, covariance: Floats, best: float, ahead: int, noise: float) -> list[int]:
    """Return the indices of the next trials: the largest expected improvements, one by one."""
    variance = np.diag(covariance).copy()
    rows = np.empty((ahead, len(mean)))
    chosen: list[int] = []
    taken = np.zeros(len(mean), dtype=bool)
    for at in range(ahead):
        deviation = np.sqrt(np.maximum(variance, 1e-12))
        worth = log_improvement((best - mean) / deviation) + np.log(deviation)
        worth[taken] = -np.inf
        pick = int(worth.argmax())
        taken[pick] = True
        chosen.append(pick)
        # One step of a Cholesky decomposition: the remaining covariance after a trial there.
        row = covariance[pick] - rows[:at, pick] @ rows[:at]
        row = row / math.sqrt(max(variance[pick] + noise, 1e-12))
        rows[at] = row
        variance = variance - row**2
        best = min(best, float(mean[pick]))
    return chosen


def _results(sample: Sample) -> Results:
    """Return the newest complete trials, and the best one."""
    at = np.flatnonzero(sample.whole)
    costs = sample.costs[at, 0]
    kept = at[-MOST:]
    first = at[int(costs.argmin())]
    if first not in kept:
        kept = np.concatenate([[first], kept[1:]])
    return Results(
        space=sample.spec.space,
        maximize=sample.spec.metrics[0].goal == "maximize",
        params=[sample.params[i] for i in kept.tolist()],
        values=[float(sample.values[i, 0]) for i in kept.tolist()],
    )


def _left(sample: Sample) -> int | None:
    trials = sample.spec.budget.trials
    return max(trials - sample.total, 0) or None if trials is not None else None


def _nothing(why: str) -> Improvement:
    return {
        "why": why,
        "next_trials": None,
        "chance": None,
        "expected": None,
        "low": None,
        "high": None,
        "regret": None,
    }
