"""Checks a worker's release against the server's. An outdated worker exits and is replaced.

The server decides: it drains workers older than itself. A newer worker continues as long as both
use the same protocol, so that servers may be upgraded first or last.
"""

from __future__ import annotations

import logging
import math
import time

from tuner.errors import FencedError, UnavailableError
from tuner.protocol import Beat, WorkerInfo, is_older
from workers.agent.api import RefusedError, ServerConfig, VersionError, WorkerApi
from workers.agent.context import WorkerContext
from workers.agent.outbox import Backoff
from workers.host.shutdown import Shutdown

logger = logging.getLogger(__name__)


def require_fit(api: WorkerApi, info: WorkerInfo) -> None:
    """Ask the server, before spending seconds on imports, whether it wants this worker.

    Without an answer nothing happens: the first call after the imports waits for the server.

    Raises:
        VersionError: it does not; its list of workers says why.
        TokenError: it does not accept this worker's token.
    """
    try:
        if not is_older(info.release, api.config().release):
            return
        reply = api.beat(Beat(worker=info, state="stopping"))
    except (UnavailableError, FencedError, RefusedError):
        return
    if reply.drain:
        raise VersionError(reply.reason)


def first_call(
    api: WorkerApi, leave: Shutdown, *, give_up_s: float | None = None
) -> ServerConfig | None:
    """Return the server's settings once it answers; None if the worker must leave before.

    Args:
        leave: signals to this process.
        give_up_s: maximum seconds to wait; None: forever.

    Raises:
        VersionError: the server uses another version of the protocol.
        TokenError: it does not accept this worker's token.
        UnavailableError: it has not answered for `give_up_s`.
    """
    backoff = Backoff()
    give_up = math.inf if give_up_s is None else time.monotonic() + give_up_s
    while not leave.takes_no_more:
        try:
            return api.config()
        except UnavailableError as exc:
            if time.monotonic() >= give_up:
                text = f"the server has not answered for {give_up_s:g} s: {exc}"
                raise UnavailableError(text) from exc
            wait_s = backoff.next_s()
            logger.warning("server not reached", extra={"reason": str(exc), "retry_s": wait_s})
            leave.sleep(wait_s)
    return None


def require_current(post: WorkerContext) -> None:
    """Check, if the server has drained this worker, whether it wants a newer one instead.

    Raises:
        VersionError: it does: the server is of a newer release.
    """
    if not post.drain:
        return
    config = first_call(post.api, post.leave)
    if config is not None and is_older(post.info.release, config.release):
        raise VersionError(post.drain_reason)
