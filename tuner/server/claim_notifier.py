"""Wakes waiting claims when there is something to claim: as many of them as there are attempts."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping

from tuner.trials.kinds import Kind


class ClaimNotifier:
    """Wakes waiting coroutines, the longest waiting first; may be called from any thread.

    Each one that is woken queries the database. With hundreds of idle workers, waking all of them
    for one attempt would make the whole fleet ask for it.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        # A dict for each kind, because it keeps the order and deletes in constant time.
        self._waiting: defaultdict[Kind, dict[asyncio.Future[None], None]] = defaultdict(dict)

    def attach(self) -> None:
        """Bind the notifier to the running event loop."""
        self._loop = asyncio.get_running_loop()

    def notify(self, counts: Mapping[Kind, int]) -> None:
        """Wake this number of waiting coroutines, by kind."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, dict(counts))

    def waiter(self, kind: Kind) -> asyncio.Future[None]:
        """Return a future that `notify` completes; make it before looking to miss nothing."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[kind]
        waiting[future] = None
        future.add_done_callback(lambda done: waiting.pop(done, None))
        return future

    def _wake(self, counts: dict[Kind, int]) -> None:
        for kind, count in counts.items():
            pending = [future for future in self._waiting[kind] if not future.done()]
            for future in pending[:count]:
                future.set_result(None)
