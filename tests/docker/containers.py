"""Single containers of the tests, and waiting for what they come to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.docker.engine import Engine


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
