"""Whether this worker is usable: what the server thinks, and what its self-test finds."""

from __future__ import annotations

import logging

from tuner.protocol import Reply
from workers.agent.context import WorkerContext
from workers.agent.selftest import SelfTest

logger = logging.getLogger(__name__)


class WorkerHealth:
    """A worker's own health. Mutable: it goes out of service, tests itself and comes back."""

    def __init__(self, post: WorkerContext) -> None:
        self._post = post
        self._test: SelfTest | None = None
        self._out_reason = ""
        #: The self-test's result for the next beat: empty, it passed; None, there was none.
        self.finding: str | None = None

    @property
    def is_out(self) -> bool:
        """Whether this worker is out of service, or about to be: then it claims nothing."""
        return self._out_reason != "" or self.is_testing or self.finding is not None

    @property
    def is_testing(self) -> bool:
        """Whether a self-test is running."""
        return self._test is not None

    def look(self) -> bool:
        """Read new results; return whether there is something to report to the server."""
        if self._post.device_error is not None:
            self.finding, self._post.device_error = self._post.device_error, None
            return True
        if self._test is None:
            return False
        result = self._test.result()
        if result is None:
            return False
        self._test, self.finding = None, result
        logger.info("self-test ended", extra={"problem": result})
        return True

    def apply_reply(self, reply: Reply) -> None:
        """Process the server's answer to a beat that has reported the result."""
        self.finding = None
        reason = "" if reply.drain else reply.reason
        if reason != self._out_reason:
            said = "worker is out of service" if reason else "worker is back in service"
            logger.warning(said, extra={"reason": reason or "its self-test passed"})
            self._out_reason = reason
        if reply.drain:
            logger.warning("worker is to leave", extra={"reason": reply.reason})
        elif reply.self_test and self._test is None:
            logger.info("self-test started")
            self._test = SelfTest(self._post)

    def close(self) -> None:
        """End a running self-test."""
        if self._test is not None:
            self._test.close()
