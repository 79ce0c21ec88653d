"""Bounds on what is stored of a run: finite numbers, storable texts, limited amounts.

Every importer passes what it read through here, so that the content of a foreign file is never too
large, too odd or too much for the database and its readers.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tuner.history.store.records import Curve
from tuner.space.value import Value, is_value

#: Maximum number for one run. More are left out, and the study's notes say so.
MAX_PARAMETERS = 500
MAX_METRICS = 100
#: Maximum number for one curve; a longer one is thinned evenly and keeps its last point.
MAX_POINTS = 500
#: Maximum number for one study; further runs are rejected.
MAX_RUNS = 200_000
MAX_NAME = 200
#: Maximum length of a path or a reason in the list of rejections.
MAX_LINE = 500

_LARGEST = 1e300
_MAX_STEP = 2**53
#: Maximum seconds that a time may be in the future; otherwise the clock was wrong.
_FUTURE_S = 86_400.0
#: PostgreSQL refuses NUL, and neither database accepts half of a surrogate pair.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def clean_text(text: str, limit: int = MAX_LINE) -> str:
    """Return a storable text on one line, cut to `limit` characters."""
    plain = " ".join(storable(text).split())
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def storable(text: str) -> str:
    """Return a text with characters replaced that no database can store."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def clean_key(text: str) -> str:
    """Return the key of a run: `text`, or a prefix of it made unique."""
    plain = storable(text)
    if plain == text and len(text) <= MAX_NAME:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{plain[: MAX_NAME - 20]}…{digest}"


def clean_params(raw: Mapping[str, object]) -> dict[str, Value]:
    """Return the usable parameters: texts, finite numbers, true and false.

    None, NaN, infinity, lists and structures are treated as not recorded.
    """
    # Nearly always all of them are usable, under names that were seen before.
    if raw.keys() <= _names and len(raw) <= MAX_PARAMETERS and all(map(is_value, raw.values())):
        return dict(raw)  # type: ignore[arg-type]  # `is_value` has looked at each
    kept: dict[str, Value] = {}
    for name, value in raw.items():
        if len(kept) >= MAX_PARAMETERS:
            break
        if is_value(value) and _is_name(name):
            kept[name] = value
    return kept


def clean_metrics(raw: Mapping[str, object]) -> dict[str, float]:
    """Return the metrics that are finite numbers."""
    kept: dict[str, float] = {}
    for name, value in raw.items():
        number = finite(value)
        if number is not None and _is_name(name) and len(kept) < MAX_METRICS:
            kept[name] = number
    return kept


def clean_curves(raw: Mapping[str, Iterable[tuple[object, object]]]) -> dict[str, Curve]:
    """Return the curves with their finite points; for a repeated step, the last value counts."""
    kept: dict[str, Curve] = {}
    for name, points in raw.items():
        curve = _clean_curve(points) if _is_name(name) and len(kept) < MAX_METRICS else ()
        if curve:
            kept[name] = curve
    return kept


def clean_time(value: object, now: float) -> float | None:
    """Return a time in seconds since the epoch, None if it is not valid.

    Args:
        value: seconds since the epoch, or ISO 8601 with a zone.
        now: seconds since the epoch; times more than a day later are not valid.
    """
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            value = moment.timestamp() if moment.tzinfo is not None else None
        except (ValueError, OverflowError):
            return None
    number = finite(value)
    return number if number is not None and 0.0 < number < now + _FUTURE_S else None


def finite(value: object) -> float | None:
    """Return a finite number as a float, None for everything else; True is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) <= _LARGEST else None


def last_or_best(curve: Curve, goal: str | None) -> float:
    """Return the best value of a non-empty curve; the last one if there is no goal."""
    if goal is None:
        return curve[-1][1]
    best = max if goal == "maximize" else min
    return best(value for _, value in curve)


def _clean_curve(points: Iterable[tuple[object, object]]) -> Curve:
    found = list(points)
    curve = _as_it_is(found)
    if curve is None:
        by_step: dict[int, float] = {}
        for step, value in found:
            if isinstance(step, int) and abs(step) <= _MAX_STEP:
                number = finite(value)
                if number is None:
                    by_step.pop(step, None)
                else:
                    by_step[step] = number
        curve = tuple(sorted(by_step.items()))
    if len(curve) <= MAX_POINTS:
        return curve
    last = len(curve) - 1
    return tuple(curve[round(i * last / (MAX_POINTS - 1))] for i in range(MAX_POINTS))


def _as_it_is(points: list[tuple[Any, Any]]) -> Curve | None:
    """Return a curve that is valid already, as nearly all are; None for any other.

    Checking each point separately would take a quarter of the time of an import.
    """
    if not points:
        return ()
    steps, values = [p[0] for p in points], [p[1] for p in points]
    if set(map(type, steps)) != {int} or set(map(type, values)) != {float}:
        return None
    if not -_MAX_STEP <= min(steps) <= max(steps) <= _MAX_STEP or sorted(set(steps)) != steps:
        return None
    if not all(map(math.isfinite, values)) or max(map(abs, values)) > _LARGEST:
        return None
    return tuple(zip(steps, values, strict=True))


def _is_name(name: object) -> bool:
    if name in _names:
        return True
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or _UNSTORABLE.search(name):
        return False
    if len(_names) < _MAX_NAMES:
        _names.add(name)
    return True


#: Names that were checked before: the same few occur in every run of a study.
_names: set[str] = set()
_MAX_NAMES = 10_000
