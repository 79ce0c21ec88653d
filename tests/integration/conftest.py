"""Servers as processes: one for many tests, and ones of a test's own that may be killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.service_process import Nursery, ServiceProcess
from tuner.queue.redis_server import RedisServer


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Where servers are forked from."""
    nursery = Nursery(tmp_path_factory.mktemp("nursery") / "nursery.log")
    yield nursery
    nursery.close()
