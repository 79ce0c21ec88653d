"""What the service notes on trials in Optuna's storage, for samplers to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.trials.causes import CAUSE_ATTR

#: The cause of a trial that its time limit has ended.
OVERDUE = "timeout"
#: The attribute of an ended trial that says how long it took: `{"seconds", "reporting"}`, the
#: second from the first report to the last and None without two of them.
TOOK_ATTR = "tuner:took"


def told_attrs(cause: str | None, took: Mapping[str, float | None] | None = None) -> dict[str, Any]:
    """Return the system attributes that an ended trial is told with.

    Args:
        cause: why it failed, if it did.
        took: how long it took, as `TOOK_ATTR` holds it, where that is told.
    """
    attrs: dict[str, Any] = {} if cause is None else {CAUSE_ATTR: cause}
    return attrs if took is None else attrs | {TOOK_ATTR: dict(took)}
