"""Which release this is."""

from __future__ import annotations

import importlib.metadata
from functools import cache


@cache
def release() -> str:
    """Return the installed version, "0+source" for a clone that was never installed."""
    try:
        return importlib.metadata.version("tuner-service")
    except importlib.metadata.PackageNotFoundError:
        return "0+source"
