"""Tells the server, while a worker imports what trials need, that it is there and about to come.

Imports take seconds, in a container a minute: a study that waits meanwhile has a worker, and who
scales workers has started enough.
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
    """Give signs of life of a worker that starts, until the end of the block.

    The thread that does so has ended then: a process with threads is not to be forked. A server
    that does not answer is asked again, one that does not take the message (it is of an earlier
    release) is not.

    Args:
        api: of the worker; nothing else may use it in the block.
        info: about the worker.
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
    """Tell the server, once, that an idle worker leaves, so that nobody counts on it."""
    with contextlib.suppress(TunerError, RefusedError):
        api.beat(Beat(worker=info, state="stopping"))
