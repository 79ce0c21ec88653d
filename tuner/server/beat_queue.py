"""Beats that wait while others are taken, and are then taken together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from fastapi.concurrency import run_in_threadpool

from tuner import protocol
from tuner.errors import UnavailableError
from tuner.service.workers.beats import GivenBeat

logger = logging.getLogger(__name__)

#: Maximum number of beats in one transaction: nobody waits for more than these.
MOST = 64


class BeatQueue:
    """Takes one batch of beats after the other. For one event loop.

    A beat that comes alone is taken at once. Those that come while a batch is taken make up the
    next one, so batches grow with the load.

    Args:
        take: takes a batch, in a thread; None is the answer to a beat that it has left out.
    """

    def __init__(self, take: Callable[[Sequence[GivenBeat]], list[protocol.Reply | None]]) -> None:
        self._take = take
        self._waiting: list[tuple[GivenBeat, asyncio.Future[protocol.Reply | None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def take(self, beat: GivenBeat) -> protocol.Reply | None:
        """Return the answer to a beat; None: it was left out, and is to be taken by itself.

        Raises:
            UnavailableError: the database cannot be reached or is too busy.
        """
        answer: asyncio.Future[protocol.Reply | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((beat, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._take_batch(batch)
        finally:
            self._task = None

    async def _take_batch(
        self, batch: Sequence[tuple[GivenBeat, asyncio.Future[protocol.Reply | None]]]
    ) -> None:
        outage: UnavailableError | None = None
        replies: Sequence[protocol.Reply | None] = [None] * len(batch)
        try:
            replies = await run_in_threadpool(self._take, [beat for beat, _ in batch])
        except UnavailableError as exc:
            outage = exc
        except Exception:
            # One of them is at fault, perhaps by a damaged row: taken by itself, it alone fails.
            logger.exception("beats could not be taken together", extra={"beats": len(batch)})
        for (_, answer), reply in zip(batch, replies, strict=True):
            # A client that has disconnected waits no more.
            if not answer.done():
                if outage is None:
                    answer.set_result(reply)
                else:
                    answer.set_exception(outage)
