"""Beats that come while others are taken make up a batch; one that fails spoils no other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from tuner import protocol
from tuner.errors import UnavailableError
from tuner.security.identity import Identity, Scope
from tuner.server.beat_queue import MOST, BeatQueue
from tuner.service.workers.beats import GivenBeat

OPERATOR = Identity(name="operator", scopes=frozenset(Scope))


def beat(number: int) -> GivenBeat:
    info = protocol.WorkerInfo(name=f"worker-{number}", host="here", pid=1)
    busy = protocol.Beat(worker=info, state="busy", attempt=f"s1-t{number}-a1", token="0" * 32)
    return GivenBeat(caller=OPERATOR, beat=busy)


def test_beats_that_come_meanwhile_are_taken_together() -> None:
    taken: list[int] = []
    goes_on = threading.Event()

    def take(beats: Sequence[GivenBeat]) -> list[protocol.Reply | None]:
        taken.append(len(beats))
        goes_on.wait()
        return [protocol.Reply(reason=one.beat.worker.name) for one in beats]

    async def ask() -> list[protocol.Reply | None]:
        queue = BeatQueue(take)
        tasks = [asyncio.create_task(queue.take(beat(0)))]
        while not taken:
            await asyncio.sleep(0)
        tasks += [asyncio.create_task(queue.take(beat(n))) for n in range(1, MOST + 3)]
        await asyncio.sleep(0)
        goes_on.set()
        return await asyncio.gather(*tasks)

    replies = asyncio.run(ask())
    assert taken == [1, MOST, 2]
    assert [reply and reply.reason for reply in replies] == [f"worker-{n}" for n in range(MOST + 3)]


@pytest.mark.parametrize(
    ("error", "is_told"), [(UnavailableError("away"), True), (ValueError(), False)]
)
def test_an_outage_is_told_to_all_and_another_fault_leaves_each_to_itself(
    error: Exception, is_told: bool
) -> None:
    def take(_beats: Sequence[GivenBeat]) -> list[protocol.Reply | None]:
        raise error

    async def ask() -> list[protocol.Reply | BaseException | None]:
        queue = BeatQueue(take)
        both = [queue.take(beat(1)), queue.take(beat(2))]
        return await asyncio.gather(*both, return_exceptions=True)

    assert asyncio.run(ask()) == ([error, error] if is_told else [None, None])
