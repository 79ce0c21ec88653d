"""uvicorn with the limits of `tuner.server.limits`."""

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

#: Seconds that open requests get to end at shutdown; a waiting claim is simply cut.
SHUTDOWN_S = 2


def _end(connection: HttpConnection) -> None:
    if connection.is_over(time.monotonic()):  # it may have gone on meanwhile
        connection.give_up()


def make_config(app: FastAPI, proxies: Sequence[str] = ()) -> uvicorn.Config:
    """Return the configuration for serving an application; raises the limit of open files.

    Args:
        app: the application.
        proxies: addresses and networks of proxies, whose headers are trusted to say who asks. All
            requests then come from them.
    """
    doorkeeper = Doorkeeper(limits.max_connections(limits.raise_open_files()), proxies)

    async def look() -> None:
        over = doorkeeper.look(time.monotonic())
        # One after the other, until the next check: a thousand at once would delay all other
        # requests.
        for number, connection in enumerate(over):
            delay_s = limits.LOOK_S * number / len(over)
            asyncio.get_running_loop().call_later(delay_s, _end, connection)

    return uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", functools.partial(Wire, doorkeeper)),
        ws="none",
        # Without proxies, a client on this host could claim any address as its own.
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
        timeout_keep_alive=math.ceil(limits.IDLE_S),
        # Once a second: uvicorn does not call it more often.
        callback_notify=look,
        timeout_notify=0,
        lifespan="on",
    )
