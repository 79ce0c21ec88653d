"""What the service records on trials in Optuna's storage, for samplers to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.trials.causes import CAUSE_ATTR

#: The cause of a trial that hit its time limit.
OVERDUE = "timeout"
#: The attribute of an ended trial that holds how long it took: `{"seconds", "reporting"}`. The
#: second is the time from the first report to the last, None with fewer than two reports.
TOOK_ATTR = "tuner:took"


def told_attrs(cause: str | None, took: Mapping[str, float | None] | None = None) -> dict[str, Any]:
    """Return the system attributes to store when a trial is told.

    Args:
        cause: why it failed, if it did.
        took: how long it took, in the form of `TOOK_ATTR`, if known.
    """
    attrs: dict[str, Any] = {} if cause is None else {CAUSE_ATTR: cause}
    return attrs if took is None else attrs | {TOOK_ATTR: dict(took)}
