"""Builds a prior from sources.

All sources are evaluated on the same points, so that it does not matter where each of them looked:
a well optimized study saw only good points, which must not be taken for a good space.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.gaussian import kernel
from tuner.surrogate.gaussian.expansion import Expansion
from tuner.surrogate.history.directions import agreements, features, portfolio, standard
from tuner.surrogate.history.foretelling import foretelling
from tuner.surrogate.history.pooling import Pooled, pool
from tuner.surrogate.history.prior import Contribution, NearestRows, Prior
from tuner.surrogate.history.ranking import Scored
from tuner.surrogate.history.rows import thin_ranked
from tuner.surrogate.history.screening import Cache, Screened, screen
from tuner.surrogate.history.source import Source
from tuner.surrogate.serialisation import digest

#: Number of points that the features rest on.
POINTS = 512
#: Maximum number of sources modelled together; further ones rely on what these have in common.
_TOGETHER = 32
#: Maximum number of rows of a source for its model.
_ROWS = 256
#: Number of rows of each source that are kept for receipts, and that may enter the portfolio.
_WITNESSES, _PROPOSED = 8, 3

#: Minimum share of the scores' variance that the sources' means must show over the space: the rest
#: is noise.
_LEAST_SHOWN = 0.2

_NOISE = "its values do not follow the parameters: what they show is noise"

#: Prior of the warm model's sizes s, p, t and sqrt v (see `tuner.surrogate.transfer`), as
#: logarithms.
_CENTRE, _SPREAD = np.log([1.0, 1.0, 1.2, 0.03]), np.array([0.5, 0.3, 0.5, 1.0])
#: Prior of its lengthscales: halfway between those of history, reduced because the target's own
#: part is rougher, and the usual ones without history (in one dimension); then the deviations of
#: all together, and of each one. Misleading history must not keep the model from the true
#: lengthscales.
_STRETCH, _USUAL = 0.5, 0.5
_TOGETHER_SPREAD, _ALONE_SPREAD = 0.7, 0.6


def build_prior(
    columns: Columns,
    candidates: Floats,
    sources: Sequence[Source],
    cache: Cache | None = None,
) -> Prior | None:
    """Return what sources teach about a target.

    Args:
        candidates: points that fill the target's space, shape (C, d); the first 512 are used.
        sources: earlier studies in the target's columns; their order does not matter.
        cache: results for single sources, by their content; may be empty or lose entries at any
            time; only saves time.

    Returns:
        The prior; None if no source is usable, or they show only noise: the study starts cold.
    """
    cache = {} if cache is None else cache
    screened = screen(sources, cache)
    if not screened.kept:
        return None
    points = candidates[:POINTS]
    winners, others = _proposed(columns, screened)
    places = np.concatenate([points, winners, others])
    pooled, raw = _means(columns, screened, places, cache)
    if _shown(raw[:, : len(points)], pooled.noise) < _LEAST_SHOWN:
        return None
    means = standard(raw, len(points))
    on_points = means[:, : len(points)]
    shares = np.array([source.weight for source in screened.kept])
    shares /= shares.sum()
    return Prior(
        columns=columns,
        expansion=Expansion.through(columns, pooled.lengths, points, features(on_points, shares)),
        lengths=pooled.own_lengths,
        centre=np.concatenate([_CENTRE, _lengths(pooled)]),
        precision=_precision(len(columns)),
        likeness=pooled.likeness,
        portfolio=places[
            portfolio(
                means,
                shares,
                kernel.scaled(columns, places, pooled.own_lengths),
                range(len(points), len(points) + len(winners)),
            )
        ],
        contributions=_contributions(screened, shares, on_points),
        witnesses=_witnesses(screened),
        foretelling=foretelling([s.foretold for s in screened.kept if s.foretold is not None]),
    )


def explain_none(sources: Sequence[Source], cache: Cache | None = None) -> tuple[Contribution, ...]:
    """Return why each of the sources taught nothing, after `build_prior` has returned None."""
    screened = screen(sources, {} if cache is None else cache)
    reasons = [(source.name, why) for source, why in screened.dropped]
    reasons += [(source.name, _NOISE) for source in screened.kept]
    return tuple(Contribution(name, 0, 0.0, None, why) for name, why in reasons)


def _shown(means: Floats, noise: float) -> float:
    """Return the share of the scores' variance that is due to the parameters, from 0 to 1.

    Absolute sizes would not work: an optimized study, scored by its own spread, varies little over
    most of the space, and chance explains a few percent of any noise.

    Args:
        means: of the sources at points that fill the space, shape (T, points).
        noise: variance of the noise of the scores.
    """
    shown = float(means.var(axis=1).mean())
    return shown / (shown + noise)


def _lengths(pooled: Pooled) -> Floats:
    """Return the centre of the warm model's log lengthscales, shape (d,)."""
    historic: Floats = np.log(_STRETCH) - 0.5 * np.log(pooled.own_lengths)
    usual = float(np.log(_USUAL)) + 0.5 * float(np.log(len(historic)))
    return np.asarray(0.5 * (historic + usual), dtype=np.float64)


def _precision(width: int) -> Floats:
    """Return the inverse covariance of the warm model's theta, shape (4 + d, 4 + d)."""
    covariance = np.zeros((4 + width, 4 + width))
    covariance[4:, 4:] = _TOGETHER_SPREAD**2
    covariance += np.diag(np.concatenate([_SPREAD, np.full(width, _ALONE_SPREAD)]) ** 2)
    return np.asarray(np.linalg.inv(covariance), dtype=np.float64)


def _proposed(columns: Columns, screened: Screened) -> tuple[Floats, Floats]:
    """Return the best configurations of the sources inside the space, (k, d) and (l, d).

    The first ones are the best of sources that recorded every parameter that this study tunes, so
    they can be tried unchanged.
    """
    scored = screened.scored[:_TOGETHER]
    is_whole = [not np.isnan(item.x).all(axis=0).any() for item in scored]
    winners = [item.x[:1] for item, whole in zip(scored, is_whole, strict=True) if whole]
    others = [item.x[whole:_PROPOSED] for item, whole in zip(scored, is_whole, strict=True)]
    none = np.empty((0, len(columns)))
    return (
        _inside(columns, np.concatenate([none, *winners])),
        _inside(columns, np.concatenate([none, *others])),
    )


def _inside(columns: Columns, x: Floats) -> Floats:
    """Return the points inside the space; NaN counts as inside."""
    top = np.where(columns.is_choice, np.array(columns.sizes) - 1.0, 1.0)
    return x[(np.isnan(x) | ((x >= 0.0) & (x <= top))).all(axis=1)]


def _means(
    columns: Columns, screened: Screened, places: Floats, cache: Cache
) -> tuple[Pooled, Floats]:
    """Return the model of what sources share, and each one's mean at places, (T, places)."""
    together, others = screened.scored[:_TOGETHER], screened.scored[_TOGETHER:]
    key = "pooled-" + digest(
        {"places": places},
        {
            "kinds": columns.kinds,
            "sizes": columns.sizes,
            "together": [source.content for source in screened.kept[:_TOGETHER]],
        },
    )
    if key not in cache:
        pooled = pool(columns, [thin_ranked(scored, _ROWS) for scored in together])
        cache[key] = pooled, *pooled.means(places)
    pooled, shared, means = cache[key]
    if not others:
        return pooled, means
    expansion = Expansion.through(
        columns, pooled.own_lengths, places[:POINTS], shared[:POINTS, None]
    )
    found = [means]
    for source, scored in zip(screened.kept[_TOGETHER:], others, strict=True):
        single = f"{key}-{source.content}"
        if single not in cache:
            thinned = thin_ranked(scored, _ROWS)
            at_rows = expansion(thinned.x)[:, 0]
            mean = pooled.mean_beside(thinned, at_rows, places, shared)
            # Half the memory; the values are the same whether they are cached or new.
            cache[single] = mean.astype(np.float32)
        found.append(cache[single][None].astype(np.float64))
    return pooled, np.concatenate(found)


def _contributions(screened: Screened, shares: Floats, means: Floats) -> tuple[Contribution, ...]:
    used = [
        Contribution(source.name, len(scored.z), float(share), agreement)
        for source, scored, share, agreement in zip(
            screened.kept, screened.scored, shares, agreements(means, shares), strict=True
        )
    ]
    dropped = [Contribution(source.name, 0, 0.0, None, why) for source, why in screened.dropped]
    return (*used, *dropped)


def _witnesses(screened: Screened) -> NearestRows:
    top = [
        Scored(x=s.x[:_WITNESSES], z=s.z[:_WITNESSES], row=s.row[:_WITNESSES])
        for s in screened.scored
    ]
    return NearestRows(
        x=np.concatenate([s.x for s in top]),
        z=np.concatenate([s.z for s in top]),
        row=np.concatenate([s.row for s in top]).astype(np.int64),
        source=np.repeat(np.arange(len(top)), [len(s.z) for s in top]).astype(np.int64),
    )
