"""Whose turn it is: history's, that of the study's own results, or neither's.

The rules depend on the trial number and the known results only, so that the decision for any single
trial can be repeated from its record.
"""

from __future__ import annotations

import numpy as np

from tuner.surrogate.columns import Floats

#: Before this trial, every second trial explores the space while history is not a guide.
_SETTLED = 10
#: From this trial on, every second trial is chosen without history.
_LATE = 20
#: The search has stalled if the last `_STALLED` trials gained less than the share `_GAIN` of the
#: width of the study's values.
_STALLED, _GAIN = 8, 0.01
#: While a search without history has stalled, one in this number of trials explores the space.
_EVERY = 3


def looks_over(number: int, *, is_misled: bool) -> bool:
    """Whether a trial explores: it goes where most is learned, whatever the models predict.

    Proposals from history lie in one corner, and teach a model without history little.

    Args:
        is_misled: whether history is not a guide so far.
    """
    return is_misled and number < _SETTLED and _is_odd(number)


def looks_elsewhere(number: int, y: Floats) -> bool:
    """Whether a trial of a study without history explores: it goes where most is learned.

    A model that is certain of one valley sees no other, however much its deviations are scaled up:
    they are largest at the edges of the space, where nothing is found.

    Args:
        y: values of the trials so far in the order of their numbers, smaller is better, shape (n,).
    """
    return number % _EVERY == 0 and has_stalled(number, y)


def has_history_a_say(number: int, *, is_misled: bool) -> bool:
    """Whether history takes part in the choice of a trial.

    Late in a study history knows no more than the study's own results, and a search that it led
    into one valley stays there, so the models without history get every second trial. Where history
    is not a guide, for example because it holds in reverse, they do so from the beginning.

    Args:
        is_misled: whether history is not a guide so far.
    """
    return not ((is_misled or number >= _LATE) and _is_odd(number))


def has_stalled(number: int, y: Floats) -> bool:
    """Whether the latest trials gained next to nothing.

    Args:
        y: values of the trials so far in the order of their numbers, smaller is better, shape (n,).
    """
    if number < _LATE or len(y) <= 2 * _STALLED:
        return False
    best = float(y.min())
    gain = float(y[:-_STALLED].min()) - best
    return gain <= _GAIN * (float(np.quantile(y, 0.75)) - best)


def _is_odd(number: int) -> bool:
    return number % 2 == 1
