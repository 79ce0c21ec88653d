"""The database commits what the coordinator does, and the answer is lost on its way back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.hostile.study_faults import House, spec
from tests.support.patience import wait_until
from tuner.errors import UnavailableError

TRIALS = 6


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    house = House(tmp_path, url)
    yield house
    house.storage.close()


@pytest.mark.parametrize("step", ["propose", "collect"])
def test_a_commit_without_an_answer_is_neither_missed_nor_made_twice(
    house: House, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.service.submit(spec("s", budget={"trials": TRIALS}))
    (study,) = house.states()
    ended: list[int] = []
    lost: list[str] = []
    begin = house.storage.begin

    @contextlib.contextmanager
    def begin_and_lose(name: str = "") -> Iterator[sa.Connection]:
        with begin(name) as connection:
            yield connection
        if name == step and len(ended) >= 2 and not lost:
            lost.append(name)
            raise UnavailableError("the answer was lost")

    def work() -> bool:
        held = house.claim("worker")
        if held is not None:
            held.finish()
            ended.append(held.given.trial)
            house.coordinator.wake()
        time.sleep(0.01)
        return house.states()[study][0] not in ("running", "stopping")

    monkeypatch.setattr(house.storage, "begin", begin_and_lose)
    loop = threading.Thread(target=house.coordinator.run)
    loop.start()
    try:
        wait_until(work, f"the end of {study}: {house.states()}", seconds=60)
    finally:
        house.coordinator.stop()
        loop.join()

    assert lost == [step]
    assert house.states()[study][0] == "finished", house.states()
    assert sorted(ended) == list(range(TRIALS))
