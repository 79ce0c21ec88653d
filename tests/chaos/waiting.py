"""Waiting for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.support.patience import clock


def wait_until(
    is_so: Callable[[], object], what: str, timeout_s: float = 30.0, every_s: float = 0.05
) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: it did not come.
    """
    deadline = clock() + timeout_s
    while not is_so():
        assert clock() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(every_s)
