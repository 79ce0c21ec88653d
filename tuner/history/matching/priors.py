"""Makes priors from sources: the last step from earlier trials to what a sampler knows."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

from tuner.space.encoding import Encoding
from tuner.surrogate.history.building import POINTS, build_prior
from tuner.surrogate.history.prior import Prior
from tuner.surrogate.history.source import Source

#: Determines the points at which sources are compared: the same for every study of a space.
_SEED = 0


def make_priors(
    encoding: Encoding, by_metric: Sequence[Sequence[Source]], cache: MutableMapping[Any, Any]
) -> tuple[Prior | None, ...]:
    """Return the prior of each metric of a study; None: its sources teach nothing.

    Args:
        by_metric: the sources for each metric, in the columns of `encoding`.
        cache: from earlier calls, for all studies; it is added to.
    """
    if not any(by_metric):
        return tuple(None for _ in by_metric)
    points = encoding.sample(POINTS, _SEED)
    return tuple(
        build_prior(encoding.columns, points, sources, cache) if sources else None
        for sources in by_metric
    )
