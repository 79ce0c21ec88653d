"""Computes insights in a separate process: a JSON request a line in, a document a line out."""

from __future__ import annotations

import ctypes
import json
import math
import os
import resource
import signal
import sys
import time
from typing import Any

from tuner.documents.study_folder.insights import InsightsDocument
from tuner.runtime.system import is_linux
from tuner.security.secrecy import set_readable

#: Limit of processor time in seconds for each study, whatever the trials are like.
CPU_S = 120
#: Limit of memory in bytes, excluding code.
MEMORY = 2 << 30
#: Lower priority than any training here; with 19, a busy machine would leave it a hundredth.
_NICE = 10
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Answer the requests of `tuner.service.insights.process` until the input ends."""
    if is_linux():
        # The requests contain the password of the database.
        set_readable(readable=False)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    os.nice(_NICE)
    _limit_time()
    for line in sys.stdin:
        document = _answer(json.loads(line))
        # Non-finite numbers are not valid JSON: they are our fault, which the caller logs.
        sys.stdout.write(json.dumps(document, allow_nan=False) + "\n")
        sys.stdout.flush()
        _limit_time()


def _limit_time() -> None:
    """End this process once it has used another `CPU_S` of processor time."""
    used = math.ceil(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + CPU_S, resource.RLIM_INFINITY))


def _answer(request: dict[str, Any]) -> InsightsDocument | None:
    # Imported at low priority.
    from tuner.service.insights.document import insights_document
    from tuner.storage import open_storage

    storage = open_storage(request["database_url"], create=False)
    try:
        return insights_document(storage, request["study_id"])
    finally:
        storage.close()


if __name__ == "__main__":
    main()
