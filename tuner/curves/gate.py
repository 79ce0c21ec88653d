"""How far history is trusted: by what became of the trials that ran to their end.

Symbols: n finished trials; p, what history said of each at the moment closest to being stopped,
that it would end in the best half; g, the trust.

    P_used = g P + (1 - g) top

log odds(g) = log odds(start) + the sum over finished trials of log(P(outcome) / (1/2)), each within
[-3, 1] (more of a loss than of a gain, as one wrong stop costs more than one right stop saves).

Only survivors finish, and those are the trials that history liked: they would praise it whatever it
says. So some that it condemned run on (audits), and each of them stands for all that were.
"""

from __future__ import annotations

import math

import numpy as np

from tuner.surrogate.columns import Floats

#: Trust before the first outcome; with trials of the same data.
START, START_SAME = 0.9, 0.97
MOST = 0.98
#: With less trust nothing is stopped.
LEAST = 0.88
#: Every so many condemned trials one runs on.
AUDIT_EVERY = 8
#: Fewer finished trials have no better half.
MIN_FINISHED = 3
_CLIP = (0.01, 0.99)
_LOSS, _GAIN = -3.0, 1.0


def is_audited(count: int, *, same_data: bool) -> bool:
    """Whether the `count`-th condemned trial (from 1) runs on: 1, 2, 4, 8, and every 8th.

    With trials of the same data every 8th only: there the first stop need not be earned.
    """
    return count % AUDIT_EVERY == 0 or (not same_data and count & (count - 1) == 0)


def trust(predicted: Floats, final: Floats, weights: Floats, *, same_data: bool) -> float:
    """Return the trust after some outcomes.

    Args:
        predicted: (n,) what history said of each finished trial, see the module.
        final: (n,) how they ended, smaller is better.
        weights: (n,) how many trials each stands for.
        same_data: whether history holds trials of the same data.
    """
    start = START_SAME if same_data else START
    if len(final) < MIN_FINISHED:
        return start
    order = np.argsort(final, kind="stable")
    # Where the middle of each one's weight lies among all.
    places = np.empty(len(final))
    places[order] = (np.cumsum(weights[order]) - 0.5 * weights[order]) / weights.sum()
    said = np.clip(np.where(places < 0.5, predicted, 1.0 - predicted), *_CLIP)
    gained = np.clip(np.log(said / 0.5), _LOSS, _GAIN).sum()
    log_odds = math.log(start / (1.0 - start)) + float(gained)
    return min(MOST, 1.0 / (1.0 + math.exp(-max(log_odds, -50.0))))
