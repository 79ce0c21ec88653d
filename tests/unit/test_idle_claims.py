"""A claim in vain has the coordinator look only where it does not count on the worker yet."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuner import protocol
from tuner.coordinator.loop import Coordinator
from tuner.release import release
from tuner.service.workers.worker_service import WorkerService
from tuner.storage import Storage, open_storage


class Desk:
    """A service without a study, whose coordinator's loop does not run."""

    def __init__(self, storage: Storage) -> None:
        self.coordinator = Coordinator(storage, None)
        self.workers = WorkerService(storage, self.coordinator)

    def wakes(self, **changes: str) -> bool:
        """Claim in vain; return whether that has woken the coordinator."""
        facts = {"name": "worker-1", "host": "here", "release": release(), **changes}
        info = protocol.WorkerInfo(pid=os.getpid(), **facts)
        claim = protocol.Claim(token=secrets.token_hex(16), worker=info)
        self.coordinator._woken.clear()
        assert self.workers.claim(claim) is None
        return self.coordinator._woken.is_set()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    storage = open_storage(f"sqlite:///{tmp_path}/tuner.db", create=True)
    yield Desk(storage)
    storage.close()


def test_a_worker_that_was_idle_before_wakes_nobody(desk: Desk) -> None:
    assert desk.wakes()
    assert not desk.wakes()


def test_a_worker_that_comes_with_another_image_is_news(desk: Desk) -> None:
    desk.wakes()
    assert desk.wakes(image="registry.example/train:2")
    assert not desk.wakes(image="registry.example/train:2")
    assert desk.wakes(name="worker-2")
