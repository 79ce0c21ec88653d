"""Whose turn it is: history's, that of the study's own results, or of neither.

The rules go by the number of the trial and by what is known, so that every trial by itself can be
decided again from its record.
"""

from __future__ import annotations

import numpy as np

from tuner.surrogate.columns import Floats

#: Before this trial, every second one looks over the space while history is no guide.
_SETTLED = 10
#: From this trial on, every second one is chosen without history.
_LATE = 20
#: A search that gained less than this share of its values' width in so many trials has stalled.
_STALLED, _GAIN = 8, 0.01
#: While a search without history has stalled, one of so many trials looks over the space.
_EVERY = 3


def looks_over(number: int, *, is_misled: bool) -> bool:
    """Whether a trial goes where most is learnt of the space, whatever the models say.

    What history proposed lies in one corner, and tells a model without history little.

    Args:
        number: of the trial.
        is_misled: whether history is no guide so far.
    """
    return is_misled and number < _SETTLED and _is_odd(number)


def looks_elsewhere(number: int, y: Floats) -> bool:
    """Whether a trial of a study without history goes where most is learnt of the space.

    A model that is sure of one valley sees no other, however bold it is asked to be: its deviations
    are largest at the edges of the space, where nothing is found.

    Args:
        number: of the trial.
        y: values of the trials so far in the order of their numbers, smaller is better, shape (n,).
    """
    return number % _EVERY == 0 and has_stalled(number, y)


def has_history_a_say(number: int, *, is_misled: bool) -> bool:
    """Whether history has a say in the choice of a trial.

    Late in a study it knows no more than the study's own results do, and a search that it led into
    one valley stays there: the models without history have every second trial. Where history is no
    guide, as where it holds only reversed, they have it from the beginning.

    Args:
        number: of the trial.
        is_misled: whether history is no guide so far.
    """
    return not ((is_misled or number >= _LATE) and _is_odd(number))


def has_stalled(number: int, y: Floats) -> bool:
    """Whether the latest trials gained next to nothing.

    Args:
        number: of the trial.
        y: values of the trials so far in the order of their numbers, smaller is better, shape (n,).
    """
    if number < _LATE or len(y) <= 2 * _STALLED:
        return False
    best = float(y.min())
    gain = float(y[:-_STALLED].min()) - best
    return gain <= _GAIN * (float(np.quantile(y, 0.75)) - best)


def _is_odd(number: int) -> bool:
    return number % 2 == 1
