"""Single containers of the tests, and waiting for what they come to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.docker.engine import Engine
from tests.support.patience import clock


@contextmanager
def container(engine: Engine, *arguments: str) -> Iterator[str]:
    """Run a container in the background, `docker run --detach ARGUMENTS`; remove it at the end."""
    name = engine.docker("run", "--detach", *arguments)
    try:
        yield name
    finally:
        engine.call("rm", "--force", "--volumes", name)


def health(engine: Engine, name: str) -> tuple[str, str]:
    """Return what the engine thinks of a container, and what its check last said."""
    state = json.loads(engine.docker("inspect", name))[0]["State"]["Health"]
    return state["Status"], state["Log"][-1]["Output"].strip() if state["Log"] else ""


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Wait for something that a container comes to by itself.

    Raises:
        AssertionError: it did not within so many seconds of the machine's own clock.
    """
    deadline = clock() + timeout_s
    while not holds():
        assert clock() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.2)
