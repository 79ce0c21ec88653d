"""Whether the fleet of this host is healthy: `python -m workers health`.

It reads what the supervisor writes, and asks neither the server nor a worker, so that an outage of
the server restarts no container.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Seconds after which the state is stale: a supervisor checks its workers twice a second, and
#: records that every five (`MARK_S`).
STALE_S = 30.0
#: Maximum size of the state of 1024 workers, with reasons.
MOST_BYTES = 1 << 20
#: States of a worker that has joined the service.
_UP = ("idle", "busy", "leaving")


@dataclass(frozen=True, kw_only=True)
class FleetHealth:
    """The health of a fleet, in one line."""

    is_well: bool
    said: str


def state_path(control: Path) -> Path:
    """Return the file in which the supervisor of a control file records what is running."""
    return control.with_name(f"{control.name}.state")


def look(control: Path) -> FleetHealth:
    """Return the health of the fleet of a control file.

    It is healthy if its supervisor is running, none of its workers is down or refused by the
    server, and at least one has joined the service, unless none is wanted.
    """
    path = state_path(control)
    try:
        age_s = time.time() - path.stat().st_mtime
        with path.open("rb") as file:
            state = json.loads(file.read(MOST_BYTES))
        count, workers = int(state["count"]), list(state["workers"])
    except FileNotFoundError:
        return _ill(f"no fleet has written {path}: workers of `run` alone have no such state")
    except OSError as exc:
        return _ill(f"{path} cannot be read: {exc.strerror}")
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return _ill(f"{path} is not what a fleet writes")
    if age_s > STALE_S:
        return _ill(f"the supervisor has not looked after its workers for {age_s:.0f} s")
    return _judge(count, [worker for worker in workers if isinstance(worker, dict)])


def _judge(count: int, workers: list[dict[str, Any]]) -> FleetHealth:
    states = Counter(str(worker.get("state")) for worker in workers)
    said = ", ".join(f"{number} {state}" for state, number in sorted(states.items())) or "none"
    said = f"workers: {said}"
    for worker in workers:
        if reason := str(worker.get("reason") or "")[:500]:
            return _ill(f"{said}; {worker.get('name')} is refused: {reason}")
    if states["stopped"]:
        return _ill(f"{said}; what is stopped has died, or cannot work here: see the log")
    if count > 0 and not any(states[state] for state in _UP):
        return _ill(f"{said}; none has joined the service yet: see the log")
    return FleetHealth(is_well=True, said=said)


def _ill(said: str) -> FleetHealth:
    return FleetHealth(is_well=False, said=said)
