"""A fresh interpreter for a trial, or for what tests one: its command and its environment."""

from __future__ import annotations

import sys
from collections.abc import Mapping

#: None of these reaches user code: neither what opens the service nor where it is.
SECRETS = tuple(
    f"TUNER_{name}{suffix}"
    for name in (
        *("TOKEN", "WORKER_TOKEN", "API_URL", "HOME"),
        *("DATABASE_URL", "REDIS_URL", "WORKER_REDIS_URL"),
    )
    for suffix in ("", "_FILE")
)


def python_command() -> list[str]:
    """Return how to start a module in an interpreter with the same module path as this one."""
    return [sys.executable, *(["-P"] if sys.flags.safe_path else []), "-m"]


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a trial: without what opens the service."""
    return {key: value for key, value in environ.items() if key not in SECRETS}
