"""Whether a worker's release fits the server's. An older worker leaves, and a new process comes.

The server decides: it drains workers that are older than itself. A newer worker goes on as long as
both speak the same protocol, so that servers are upgraded first or last, as it suits.
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
    """Ask the server, before seconds go into imports, whether it wants a worker like this one.

    Without an answer nothing is said: the first call after the imports waits for the server.

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
    """Return the server's settings as soon as it answers; None when the worker must leave before.

    Args:
        api: of the worker.
        leave: signals of this process.
        give_up_s: it is waited for so long, seconds; None: for ever.

    Raises:
        VersionError: the server speaks another version of the protocol.
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
    """See, when the server has drained this worker, whether it wants a newer one in its place.

    Raises:
        VersionError: it does: the server is of a newer release.
    """
    if not post.drain:
        return
    config = first_call(post.api, post.leave)
    if config is not None and is_older(post.info.release, config.release):
        raise VersionError(post.drain_reason)
