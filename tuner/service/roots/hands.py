"""Makes calls that may never return, such as those to a file system that does not answer.

Such a call cannot be ended. It runs in a separate thread, and its caller stops waiting after a
limit. There are only a few such threads: if all of them are stuck, nothing more is tried until one
returns.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tuner.errors import UnavailableError

T = TypeVar("T")

#: Maximum number of late results to keep for callers that ask for them.
_LATE = 100
#: Seconds after which an idle thread ends.
_IDLE_S = 5.0


class StuckError(UnavailableError):
    """A call has not returned in time, or was not started because earlier ones have not returned.

    Attributes:
        is_begun: whether it was started.
    """

    def __init__(self, text: str, *, is_begun: bool) -> None:
        super().__init__(text)
        self.is_begun = is_begun


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A call that has not returned and whose caller has given up."""

    key: Hashable
    #: Description for people.
    what: str
    #: Duration so far.
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Late:
    """A call that has returned after its caller gave up.

    Attributes:
        result: what it returned.
        error: what it raised, or None.
    """

    key: Hashable
    result: Any
    error: BaseException | None


@dataclass(kw_only=True)
class _Job:
    key: Hashable
    what: str
    call: Callable[[], Any]
    began: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)
    is_late: bool = False
    result: Any = None
    error: BaseException | None = None


class Hands:
    """A few threads for calls that may not return. Thread-safe.

    Args:
        number: maximum number of threads.
        patience_s: maximum seconds that a caller waits for a call.
        queue_s: maximum seconds to wait for a free thread; None: the same as `patience_s`.
    """

    def __init__(
        self, name: str, number: int, patience_s: float, *, queue_s: float | None = None
    ) -> None:
        self._name = name
        self._number = number
        self._patience_s = patience_s
        self._queue_s = patience_s if queue_s is None else queue_s
        self._changed = threading.Condition()
        self._jobs: dict[Hashable, _Job] = {}
        self._late: deque[Late] = deque(maxlen=_LATE)
        #: Admitted, but not taken by a thread yet.
        self._begun: deque[_Job] = deque()
        self._idle = 0

    def do(self, key: Hashable, what: str, call: Callable[[], T]) -> T:
        """Return what `call` returns, or raise what it raises.

        Args:
            key: identifies the work; only one call for each key runs at a time.
            what: describes it to people, such as "the folder of vision/cnn trial 3".
            call: is run in another thread.

        Raises:
            StuckError: it does not return in time, or earlier calls have not returned.
        """
        job = _Job(key=key, what=what, call=call)
        self._admit(job)
        self._hand_over(job)
        job.ended.wait(self._patience_s)
        with self._changed:
            if not job.ended.is_set():
                job.is_late = True
                raise StuckError(
                    f"{what}: the file system has not answered within {self._patience_s:g} s",
                    is_begun=True,
                )
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def waiting(self) -> list[Waiting]:
        """Return the calls whose callers have given up, the longest first."""
        now = time.monotonic()
        with self._changed:
            late = [job for job in self._jobs.values() if job.is_late]
        late.sort(key=lambda job: job.began)
        return [Waiting(key=job.key, what=job.what, seconds=now - job.began) for job in late]

    def is_stuck(self, key: Hashable) -> bool:
        """Return whether a call for this key has not returned and its caller has given up."""
        with self._changed:
            return self._is_stuck(key)

    def late(self) -> list[Late]:
        """Return the calls that have returned late since the last call of this."""
        with self._changed:
            found = list(self._late)
            self._late.clear()
        return found

    def _admit(self, job: _Job) -> None:
        """Admit the job as soon as a thread is free.

        Raises:
            StuckError: none becomes free in time, or a call for this key has not returned.
        """
        deadline = time.monotonic() + self._queue_s
        with self._changed:
            while job.key in self._jobs or len(self._jobs) >= self._number:
                stuck = [other for other in self._jobs.values() if other.is_late]
                left = deadline - time.monotonic()
                # Waiting for a stuck one would only delay others.
                if left <= 0 or len(stuck) >= self._number or self._is_stuck(job.key):
                    first = max(self._jobs.values(), key=lambda other: other.is_late)
                    raise StuckError(
                        f"{job.what}: not tried, since the file system has not answered yet for "
                        f"{first.what}",
                        is_begun=False,
                    )
                self._changed.wait(left)
            job.began = time.monotonic()
            self._jobs[job.key] = job

    def _is_stuck(self, key: Hashable) -> bool:
        return key in self._jobs and self._jobs[key].is_late

    def _hand_over(self, job: _Job) -> None:
        """Give a job to an idle thread, or to a new one."""
        with self._changed:
            self._begun.append(job)
            if len(self._begun) <= self._idle:
                self._changed.notify_all()
                return
        # A daemon, so that the process can exit even if a call does not return.
        threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def _work(self) -> None:
        """Do one job after the other, until there has been none for a while."""
        with self._changed:
            self._idle += 1
        while (job := self._next()) is not None:
            self._run(job)

    def _next(self) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._begun, _IDLE_S)
            self._idle -= 1
            return self._begun.popleft() if self._begun else None

    def _run(self, job: _Job) -> None:
        try:
            job.result = job.call()
        except BaseException as exc:  # noqa: BLE001 - raised again where it was called
            job.error = exc
        with self._changed:
            # Together with the result, so that a caller that calls again finds this thread idle.
            self._idle += 1
            job.ended.set()
            del self._jobs[job.key]
            if job.is_late:
                self._late.append(Late(key=job.key, result=job.result, error=job.error))
            self._changed.notify_all()
