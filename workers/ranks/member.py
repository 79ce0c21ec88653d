"""One rank: it runs its function with the trial's parameters and reports how that ended."""

from __future__ import annotations

import os
import sys
from typing import Any

from workers.objective.task import Task
from workers.ranks.meeting import come, own_rank
from workers.trial.channel import Channel
from workers.trial.child import execute

#: Maximum seconds to wait for the trial's process, which answers immediately unless the machine is
#: under load.
WELCOME_S = 60.0


def run_member() -> int:
    """Run one rank of a trial; return the exit status, from which a launcher sees success."""
    try:
        channel = Channel(come(os.environ))
    except (KeyError, OSError) as exc:
        print(f"workers.ranks: no trial waits for this process: {exc!r}", file=sys.stderr)  # noqa: T201
        return 2
    channel.send({"kind": "hello", "rank": own_rank(os.environ)})
    welcome = _welcome(channel)
    if welcome is None:
        return 1
    # The same path for the user's modules as in the trial's own process.
    sys.path[:] = welcome["path"]
    end = execute(Task(**welcome["task"]), channel)
    sys.stdout.flush()
    channel.send({"kind": "end", **end})
    return 0 if end["outcome"] == "complete" else 1


def _welcome(channel: Channel) -> dict[str, Any] | None:
    """Return the trial's parameters and paths; None if the trial has ended."""
    while not channel.closed:
        channel.wait(WELCOME_S)
        if messages := channel.receive():
            return messages[0]
    return None
