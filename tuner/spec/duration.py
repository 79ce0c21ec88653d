"""Durations as people write them: `90s`, `30m`, `1h30m`, `2d`, or a number of seconds."""

from __future__ import annotations

import re

from tuner.space.value import is_number

DURATION = "a duration above 0, at most 1000d, as 90s, 30m, 1h30m or 2d, or a number of seconds"

_DURATION = re.compile(
    r"(?:(?P<d>\d+(?:\.\d+)?)d)?(?:(?P<h>\d+(?:\.\d+)?)h)?"
    r"(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?"
)
_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_MAX_S = 1000 * _SECONDS["d"]


def parse_duration(value: object) -> object:
    """Return seconds.

    Raises:
        ValueError: not a duration; None passes.
    """
    if value is None:
        return None
    seconds = float(value) if is_number(value) and abs(value) <= _MAX_S else _parse_text(value)
    if not 0 < seconds <= _MAX_S:
        raise ValueError
    return seconds


def _parse_text(value: object) -> float:
    match = _DURATION.fullmatch(value) if isinstance(value, str) and len(value) <= 40 else None
    if match is None:
        raise ValueError
    return sum(float(number) * _SECONDS[unit] for unit, number in match.groupdict("0").items())
