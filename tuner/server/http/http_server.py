"""uvicorn with the bounds of `tuner.server.limits`."""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections.abc import Sequence
from typing import cast

import uvicorn
from fastapi import FastAPI

from tuner.server import limits
from tuner.server.http.connections import Doorkeeper, HttpConnection
from tuner.server.http.wire import Wire

#: Open requests get this long to end; a claim that waits is simply cut.
SHUTDOWN_S = 2


def _end(connection: HttpConnection) -> None:
    if connection.is_over(time.monotonic()):  # it may have gone on meanwhile
        connection.give_up()


def make_config(app: FastAPI, proxies: Sequence[str] = ()) -> uvicorn.Config:
    """Return how an application is served; this process may open more files for it.

    Args:
        app: answers requests.
        proxies: addresses and networks whose headers say who asks, and from which everybody comes.
    """
    doorkeeper = Doorkeeper(limits.max_connections(limits.raise_open_files()), proxies)

    async def look() -> None:
        over = doorkeeper.look(time.monotonic())
        # One after the other, until the next look: a thousand at once would hold up everybody.
        for number, connection in enumerate(over):
            delay_s = limits.LOOK_S * number / len(over)
            asyncio.get_running_loop().call_later(delay_s, _end, connection)

    return uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", functools.partial(Wire, doorkeeper)),
        ws="none",
        # Otherwise whoever asks from this host names any address as its own.
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
        timeout_keep_alive=math.ceil(limits.IDLE_S),
        # Once a second: uvicorn asks no more often.
        callback_notify=look,
        timeout_notify=0,
        lifespan="on",
    )
