"""The HTTP server: uvicorn, with the bounds of `tuner.server.limits`."""

from __future__ import annotations

import asyncio
import functools
import math
import socket
import time
from typing import cast

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from tuner.server import limits
from tuner.server.accepting import Accepting
from tuner.server.connections import Doorkeeper
from tuner.server.wire import Wire

#: Open requests get this long to end; a claim that waits is simply cut.
SHUTDOWN_S = 2


def make_http_server(app: FastAPI) -> uvicorn.Server:
    """Return the HTTP server of an application; this process may open more files for it."""
    doorkeeper = Doorkeeper(limits.max_connections(limits.raise_open_files()))

    async def look() -> None:
        doorkeeper.look(time.monotonic())

    return _Server(
        uvicorn.Config(
            app,
            http=cast("type[asyncio.Protocol]", functools.partial(Wire, doorkeeper)),
            ws="none",
            # Otherwise whoever asks from this host names any address as its own.
            proxy_headers=False,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
            timeout_keep_alive=math.ceil(limits.IDLE_S),
            # Once a second: uvicorn asks no more often.
            callback_notify=look,
            timeout_notify=0,
            lifespan="on",
        )
    )


class _Server(uvicorn.Server):
    """uvicorn, which accepts connections as `Accepting` does."""

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Without sockets it listens to nothing by itself.
        await super().startup(sockets=[])
        loop, config = asyncio.get_running_loop(), self.config

        def connection() -> asyncio.Protocol:
            return config.http_protocol_class(  # type: ignore[call-arg]
                config=config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
                _loop=loop,
            )

        async def take(accepted: socket.socket) -> object:
            timeout_s = limits.HEAD_S if config.ssl else None
            return await loop.connect_accepted_socket(
                connection, accepted, ssl=config.ssl, ssl_handshake_timeout=timeout_s
            )

        self._accepting = [Accepting(listener, take) for listener in sockets or ()]
        for one in self._accepting:
            one.start()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for one in self._accepting:
            one.stop()
        await super().shutdown(sockets=sockets)
