"""Announces a worker to the server while it imports what trials need.

Imports take seconds, or a minute in a container. Thanks to the announcement, a study that waits
meanwhile is known to have a worker, and autoscaling does not start too many.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from tuner.errors import TunerError, UnavailableError
from tuner.protocol import BEAT_S, Beat, WorkerInfo
from workers.agent.api import RefusedError, WorkerApi


@contextlib.contextmanager
def announced(api: WorkerApi, info: WorkerInfo) -> Iterator[None]:
    """Send beats of a starting worker until the end of the block.

    The beating thread has ended by then: a process with threads must not be forked. A server that
    does not answer is tried again; one that rejects the message (it is of an earlier release) is
    not.

    Args:
        api: of the worker; nothing else may use it in the block.
    """
    over = threading.Event()

    def announce() -> None:
        while True:
            try:
                api.beat(Beat(worker=info, state="starting"))
            except UnavailableError:
                """The first call after the imports says so."""
            except (TunerError, RefusedError):
                return
            if over.wait(BEAT_S):
                return

    thread = threading.Thread(target=announce, name="announcing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def say_goodbye(api: WorkerApi, info: WorkerInfo) -> None:
    """Tell the server, once, that an idle worker leaves, so that it is no longer counted on."""
    with contextlib.suppress(TunerError, RefusedError):
        api.beat(Beat(worker=info, state="stopping"))
