"""How far the history is trusted, judging by the trials that ran to their end.

Symbols: n finished trials; p, the history's prediction for each, at the moment when it was closest
to being stopped, that it would end in the best half; g, the trust.

    P_used = g P + (1 - g) top

log odds(g) = log odds(start) + the sum over finished trials of log(P(outcome) / (1/2)), each within
[-3, 1] (losses may be larger than gains, because one wrong stop costs more than one right stop
saves).

Only survivors finish, and those are the trials that the history favored: they would confirm it
whatever it says. So some trials that it condemned continue (audits), and each of them represents
all that were condemned.
"""

from __future__ import annotations

import math

import numpy as np

from tuner.surrogate.columns import Floats

#: Trust before the first outcome; the second if there are trials on the same data.
START, START_SAME = 0.9, 0.97
MOST = 0.98
#: Minimum trust for stopping trials.
LEAST = 0.88
#: One in this many condemned trials continues as an audit.
AUDIT_EVERY = 8
#: Minimum number of finished trials for which a better half is defined.
MIN_FINISHED = 3
_CLIP = (0.01, 0.99)
_LOSS, _GAIN = -3.0, 1.0


def is_audited(count: int, *, same_data: bool) -> bool:
    """Whether the `count`-th condemned trial (from 1) continues: 1, 2, 4, 8, and every 8th.

    With trials on the same data only every 8th: then the first stop need not be earned.
    """
    return count % AUDIT_EVERY == 0 or (not same_data and count & (count - 1) == 0)


def trust(predicted: Floats, final: Floats, weights: Floats, *, same_data: bool) -> float:
    """Return the trust after some outcomes.

    Args:
        predicted: (n,) the history's prediction for each finished trial, see the module.
        final: (n,) their final values, smaller is better.
        weights: (n,) number of trials that each represents.
        same_data: whether the history contains trials on the same data.
    """
    start = START_SAME if same_data else START
    if len(final) < MIN_FINISHED:
        return start
    order = np.argsort(final, kind="stable")
    # Where the midpoint of each one's weight lies among all.
    places = np.empty(len(final))
    places[order] = (np.cumsum(weights[order]) - 0.5 * weights[order]) / weights.sum()
    said = np.clip(np.where(places < 0.5, predicted, 1.0 - predicted), *_CLIP)
    gained = np.clip(np.log(said / 0.5), _LOSS, _GAIN).sum()
    log_odds = math.log(start / (1.0 - start)) + float(gained)
    return min(MOST, 1.0 / (1.0 + math.exp(-max(log_odds, -50.0))))
