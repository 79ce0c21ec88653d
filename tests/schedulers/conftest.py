"""A real server for workers that a scheduler starts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.service_process import Nursery, ServiceProcess
from tuner.queue.redis_process import RedisServer


@pytest.fixture(scope="module")
def service(
    nursery: Nursery, shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    """A server whose leases end soon, so that a killed worker is soon known to be gone."""
    home = tmp_path_factory.mktemp("service")
    url = f"sqlite:///{home / 'tuner.db'}"
    made = ServiceProcess(nursery, home, url, shared_redis.url, lease_s=5.0)
    with made.running() as service:
        yield service
