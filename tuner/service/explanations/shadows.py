"""Simulated cold starts ("shadows") on what a study has found out about its objective.

1. Gaussian processes without history are fitted to the results of a study, as the sampler does.
2. Functions are drawn from them: each is one way in which the objective may look.
3. On each of them a study without history is run. It starts as the sampler starts, with the same
   code; then each trial maximizes the expected improvement, by a model that learns only from the
   shadow's own results. The candidates are points that fill the space, and points near the best
   of these and near the best result so far.

A function is drawn as a whole, so that it has a value wherever a shadow goes: a sample of the prior
by random features, corrected to agree with the results. Source: Wilson et al. (2020), "Efficiently
sampling functions from Gaussian process posteriors", eq. 12.

All shadows of one process advance together. Notation: s shadows, m points of the pool, c candidates
of a step, k trials so far, p coordinates of a scaled point (`kernel.scaled`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.samplers.bayesian.start import START, spread
from tuner.space.encoding import Encoding
from tuner.surrogate.columns import Flags, Floats
from tuner.surrogate.gaussian import kernel
from tuner.surrogate.gaussian.fitting import OFFSET
from tuner.surrogate.gaussian.gp import GaussianProcess
from tuner.surrogate.search.acquisition import log_improvement
from tuner.surrogate.search.task import SearchTask, Taken

#: Number of points spread over the space that a shadow may choose.
_POOL = 256
#: Number of points near a good one that it may choose instead, and their distance from it, in
#: widths of the range.
_BESIDE = 24
_REACH = (0.003, 0.3)
#: Number of different starts; the shadows take them in turn.
_BEGINNINGS = 8
#: Number of frequencies of a sample of the prior.
_FREQUENCIES = 256
#: Degrees of freedom of the spectrum of a Matérn 5/2 kernel.
_FREEDOM = 5.0
_TINY = 1e-12

#: Logarithm of the weight, and the process.
Members = Sequence[tuple[float, GaussianProcess]]


def cold_starts(members: Members, encoding: Encoding, *, shadows: int, trials: int) -> Floats:
    """Return the best z that each shadow has found after 1, 2, … trials.

    Args:
        members: the processes fitted to a study's results, with their weights.

    Returns:
        Shape (shadows, trials), decreasing along the trials. A pure function of the arguments.
    """
    firsts = beginnings(encoding)
    found = []
    for seed, share in enumerate(_shares(members, shadows)):
        if share:
            found.append(_Shadows(members[seed][1], encoding, firsts, share, seed).run(trials))
    return np.concatenate(found)


def _shares(members: Members, shadows: int) -> list[int]:
    """Return the number of shadows for each process, according to its weight."""
    weights = np.exp([weight for weight, _ in members])
    edges = np.round(np.cumsum(weights) / weights.sum() * shadows).astype(int)
    return [int(share) for share in np.diff(edges, prepend=0)]


def beginnings(encoding: Encoding) -> Floats:
    """Return the first trials of cold starts with several seeds, (beginnings, START, d)."""
    nothing = np.empty((0, len(encoding)))
    found = []
    for seed in range(_BEGINNINGS):
        placed = nothing
        for trial in range(START):
            task = SearchTask(
                grounds=encoding,
                taken=Taken(encoding.columns, placed, nothing),
                best=nothing,
                seed=seed * START + trial,
                pins={},
            )
            point = spread(task, placed)
            # In an exhausted space it repeats the last point.
            placed = np.concatenate([placed, placed[-1:] if point is None else point[None]])
        found.append(placed)
    return np.stack(found)


@dataclass(frozen=True, eq=False)
class _Functions:
    """Functions drawn from one process: `weights` (2 r + 1, s) of the features, `pulls` (n, s)."""

    model: GaussianProcess
    frequencies: Floats
    weights: Floats
    pulls: Floats

    @classmethod
    def draw(cls, model: GaussianProcess, count: int, rng: np.random.Generator) -> _Functions:
        """Return `count` functions that agree with the observations of the process."""
        x = _scaled(model, model.x)
        tails = np.sqrt(rng.chisquare(_FREEDOM, _FREQUENCIES) / _FREEDOM)
        frequencies = rng.standard_normal((x.shape[1], _FREQUENCIES)) / tails
        weights = rng.standard_normal((2 * _FREQUENCIES + 1, count))
        drawn = cls(model, frequencies, weights, np.zeros((len(x), count)))
        noise = np.sqrt(model.noise)[:, None] * rng.standard_normal((len(x), count))
        covariance = _covariance(model, x, x)
        covariance.flat[:: len(x) + 1] += model.noise + _TINY
        missing = model.z[:, None] - drawn._prior(x) - noise
        pulls = np.asarray(np.linalg.solve(covariance, missing), dtype=np.float64)
        return cls(model, frequencies, weights, pulls)

    def values(self, x: Floats) -> Floats:
        """Return the value of each function at its own scaled point (s, p), shape (s,)."""
        prior = np.einsum("sr,rs->s", self._features(x), self.weights)
        seen = _covariance(self.model, x, _scaled(self.model, self.model.x))
        found: Floats = prior + np.einsum("sn,ns->s", seen, self.pulls)
        return found

    def _prior(self, x: Floats) -> Floats:
        return self._features(x) @ self.weights

    def _features(self, x: Floats) -> Floats:
        phases = x @ self.frequencies
        size = np.sqrt(self.model.hyper.scale / _FREQUENCIES)
        one = np.full((len(x), 1), np.sqrt(OFFSET))
        return np.concatenate([size * np.cos(phases), size * np.sin(phases), one], axis=1)


class _Shadows:
    """The running shadows of one process."""

    def __init__(
        self,
        model: GaussianProcess,
        encoding: Encoding,
        firsts: Floats,
        count: int,
        seed: int,
    ) -> None:
        self._model, self._encoding, self._count = model, encoding, count
        self._rng = np.random.default_rng([seed, 1])
        self._first = firsts[np.arange(count) % len(firsts)]
        self._functions = _Functions.draw(model, count, self._rng)
        self._pool = encoding.sample(_POOL, seed)
        self._most = model.hyper.scale + OFFSET
        self._noise = model.hyper.noise

    def run(self, trials: int) -> Floats:
        """Return the best value of each shadow after each trial, (s, trials)."""
        count, rng = self._count, self._rng
        d, pool = len(self._encoding), _scaled(self._model, self._pool)
        points = np.empty((count, trials, d))
        scaled = np.empty((count, trials, pool.shape[1]))
        values = np.empty((count, trials))
        inverse = np.zeros((count, trials, trials))  # of the Cholesky factor
        rows = np.zeros((count, trials, len(pool)))
        mean = np.zeros((count, len(pool)))
        variance = np.full(mean.shape, self._most)
        noise = np.sqrt(self._noise) * rng.standard_normal((count, trials))
        for k in range(trials):
            known = inverse[:, :k, :k]
            if k < self._first.shape[1]:
                chosen = self._first[:, k]
            else:
                told = np.einsum("skl,sl->sk", known, values[:, :k])
                alpha = np.einsum("skl,sk->sl", known, told)
                # The model's estimate of the trials' true values: results are noisy.
                believed = values[:, :k] - self._noise * alpha
                chosen = self._choose(
                    _Seen(points[:, :k], scaled[:, :k], known, alpha, believed), mean, variance
                )
            points[:, k] = chosen
            scaled[:, k] = _scaled(self._model, chosen)
            values[:, k] = self._functions.values(scaled[:, k]) + noise[:, k]
            # The posterior over the pool, one step of a Cholesky factorisation further. Source:
            # Rasmussen & Williams (2006), eq. 2.25-2.26.
            near = self._covariance(scaled[:, k : k + 1], scaled[:, :k])[:, 0]
            low = np.einsum("skl,sl->sk", known, near)
            pivot = np.sqrt(
                np.maximum(self._most + self._noise - np.einsum("sk,sk->s", low, low), _TINY)
            )[:, None]
            ahead = np.einsum("sk,sk->s", low, np.einsum("skl,sl->sk", known, values[:, :k]))
            step = (values[:, k] - ahead)[:, None] / pivot
            row = _covariance(self._model, scaled[:, k], pool)
            row = (row - np.einsum("sk,skm->sm", low, rows[:, :k])) / pivot
            rows[:, k] = row
            mean += row * step
            variance -= row**2
            inverse[:, k, :k] = -np.einsum("sk,skl->sl", low, known) / pivot
            inverse[:, k, k] = 1.0 / pivot[:, 0]
        return np.minimum.accumulate(values, axis=1)

    def _choose(self, seen: _Seen, mean: Floats, variance: Floats) -> Floats:
        """Return the point with the largest expected improvement for each shadow, (s, d)."""
        lowest = seen.believed.min(axis=1)[:, None]
        each = np.arange(self._count)
        worth = _worth(mean, variance, lowest)
        top = worth.argmax(axis=1)
        best = seen.points[each, seen.believed.argmin(axis=1)]
        centres = np.stack([best, self._pool[top]], axis=1)
        candidates, allowed = self._beside(centres)
        shape = candidates.shape[:2]
        flat = _scaled(self._model, candidates.reshape(-1, candidates.shape[2]))
        cross = self._covariance(flat.reshape(*shape, -1), seen.scaled)
        there = np.einsum("sck,sk->sc", cross, seen.alpha)
        rest = cross @ seen.inverse.transpose(0, 2, 1)
        left = self._most - np.einsum("sck,sck->sc", rest, rest)
        beside = np.where(allowed, _worth(there, left, lowest), -np.inf)
        near = beside.argmax(axis=1)
        is_near = (beside[each, near] > worth[each, top])[:, None]
        chosen: Floats = np.where(is_near, candidates[each, near], self._pool[top])
        return chosen

    def _beside(self, centres: Floats) -> tuple[Floats, Flags]:
        """Return canonical points near others (s, b, d), and which are allowed: (s, c, d), (s, c).

        They differ in all numbers or some of them, and in about one choice.
        """
        columns = self._model.columns
        around = np.repeat(centres, _BESIDE, axis=1)
        shape = around.shape
        nearest, farthest = np.log(_REACH)
        reach = np.exp(self._rng.uniform(nearest, farthest, size=(*shape[:2], 1)))
        moves = self._rng.random(shape) < self._rng.choice([0.3, 1.0], size=(*shape[:2], 1))
        step = np.where(moves & ~columns.is_choice, reach * self._rng.standard_normal(shape), 0.0)
        most = np.where(columns.is_choice, np.array(columns.sizes) - 1.0, 1.0)
        moved = np.clip(around + step, 0.0, most)
        other = np.floor(self._rng.random(shape) * np.array(columns.sizes))
        chance = 1.0 / max(int(columns.is_choice.sum()), 1)
        is_other = columns.is_choice & (self._rng.random(shape) < chance)
        found = self._encoding.canonical(np.where(is_other, other, moved).reshape(-1, shape[2]))
        return found.reshape(shape), self._encoding.allowed(found).reshape(shape[:2])

    def _covariance(self, left: Floats, right: Floats) -> Floats:
        """Return covariances of scaled points, (s, a, p) and (s, b, p), shape (s, a, b)."""
        squares = -2.0 * left @ right.transpose(0, 2, 1)
        squares += np.einsum("sap,sap->sa", left, left)[:, :, None]
        squares += np.einsum("sbp,sbp->sb", right, right)[:, None, :]
        return self._model.hyper.scale * kernel.matern(np.maximum(squares, 0.0)) + OFFSET


@dataclass(frozen=True, eq=False)
class _Seen:
    """What the shadows have tried: (s, k, d), (s, k, p), (s, k, k), (s, k), (s, k)."""

    points: Floats
    scaled: Floats
    inverse: Floats
    alpha: Floats
    believed: Floats


def _worth(mean: Floats, variance: Floats, lowest: Floats) -> Floats:
    deviation = np.sqrt(np.maximum(variance, _TINY))
    return log_improvement((lowest - mean) / deviation) + np.log(deviation)


def _scaled(model: GaussianProcess, x: Floats) -> Floats:
    return kernel.scaled(model.columns, x, model.hyper.weights)


def _covariance(model: GaussianProcess, left: Floats, right: Floats) -> Floats:
    return model.hyper.scale * kernel.matern_between(left, right) + OFFSET
