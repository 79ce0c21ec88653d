"""Where the server listens; ensures that no token reaches it in plain text over a network."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import uvicorn
from typing_extensions import override
from uvicorn.config import STARTUP_FAILURE

from tuner.errors import SetupError
from tuner.security.trust import is_loopback
from tuner.server import limits
from tuner.server.http.accepting import Accepting
from tuner.server.http.tls import Tls

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where to listen, and how.

    Attributes:
        host: address or name of this machine.
        port: 0 selects a free one.
        is_protected: traffic over the network is encrypted, or the network is private.
        local_port: the port for this machine's own commands, if they cannot use the other one; 0
            selects a free one.
    """

    host: str
    port: int
    is_protected: bool = False
    local_port: int = 0


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A listening socket, and whether its traffic is encrypted."""

    socket: socket.socket
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The URL at which a client on this machine reaches it."""
        host, port = self.socket.getsockname()[:2]
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


@contextlib.contextmanager
def listen(address: Address, tls: Tls | None) -> Iterator[list[Listener]]:
    """Listen for everybody, and also on the loopback unless that listener is plain http there.

    This machine's own commands and workers know no name that a certificate is valid for.

    Raises:
        SetupError: the address cannot be used, or tokens would reach it in plain text.
    """
    with contextlib.ExitStack() as held:
        main = held.enter_context(_bind(address.host, address.port))
        host = main.getsockname()[0]
        context = None if tls is None else tls.context
        if not (is_local(host) or address.is_protected):
            raise SetupError(unprotected(address.host))
        listeners = [Listener(socket=main, tls=context)]
        if context is not None or not is_loopback(host):
            local = held.enter_context(_bind_local(address.local_port))
            listeners.append(Listener(socket=local))
        yield listeners


def urls(listeners: list[Listener]) -> tuple[str, str]:
    """Return the URL for this machine's own commands, and the one for everybody else."""
    return listeners[-1].url, listeners[0].url


def is_local(host: str) -> bool:
    """Whether a listener on this address can be reached from this machine only."""
    return is_loopback(host) and host not in ("0.0.0.0", "::")  # noqa: S104 - it is refused  # nosec B104  # refused here


def unprotected(host: str) -> str:
    """Return why a server does not listen there, and what to do."""
    return (
        f"--host {host}: other machines would send their tokens there in plain text. Give it a "
        "certificate (--tls-cert FILE --tls-key FILE), or say --behind-proxy: that a proxy with "
        "TLS stands before it, or that nobody else is on that network"
    )


class Server(uvicorn.Server):
    """uvicorn's server on several listeners, some of which have TLS.

    Args:
        config: as uvicorn takes it, without addresses.
        listeners: open sockets.
        tls: for the listeners that have it; checked for a new certificate every two seconds.
    """

    def __init__(
        self, config: uvicorn.Config, listeners: list[Listener], tls: Tls | None = None
    ) -> None:
        super().__init__(config)
        self._listeners = listeners
        self._tls = tls
        self._accepting: list[Accepting] = []

    @override
    async def on_tick(self, counter: int) -> bool:
        # Called ten times a second.
        if self._tls is not None and counter % 20 == 0:
            self._tls.look()
        return await super().on_tick(counter)

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Not uvicorn's own startup, which would encrypt all sockets or none.
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        self.servers = []
        # The type does not describe the arguments that uvicorn passes to a protocol.
        make = functools.partial(
            cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class),
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        for listener in self._listeners:
            take = functools.partial(_take, make, listener.tls)
            self._accepting.append(Accepting(listener.socket, take))
            self._accepting[-1].start()
        self.started = True

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for accepting in self._accepting:
            accepting.stop()
        await super().shutdown(sockets)


async def _take(
    make: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None, accepted: socket.socket
) -> object:
    """Make a connection from an accepted socket."""
    timeout_s = None if tls is None else limits.HANDSHAKE_S
    return await asyncio.get_running_loop().connect_accepted_socket(
        make, accepted, ssl=tls, ssl_handshake_timeout=timeout_s
    )


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With the protocol named, asyncio sets TCP_NODELAY on accepted sockets. Without it every
        # answer waits 40 ms for the client's acknowledgement of its first segment.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as exc:
        raise SetupError(f"cannot listen on {host}:{port}: {exc.strerror}") from exc
    return listener


def _bind_local(port: int) -> socket.socket:
    """Listen on the loopback, on the previous port if it is free: workers expect it there."""
    with contextlib.suppress(SetupError):
        return _bind("127.0.0.1", port)
    return _bind("127.0.0.1", 0)
