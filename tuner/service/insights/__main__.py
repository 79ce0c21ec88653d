"""Computes the insights of one study in a separate process: a JSON request in, a document out."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys

from tuner.runtime.system import is_linux
from tuner.security.secrecy import set_readable

#: Limit of processor time in seconds, whatever the trials are like.
CPU_S = 120
#: Limit of memory in bytes, excluding code.
MEMORY = 2 << 30
#: Lower priority than any training here; with 19, a busy machine would leave it a hundredth.
_NICE = 10
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Answer one request of `tuner.service.insights.computing`, then exit."""
    if is_linux():
        # The request contains the password of the database.
        set_readable(readable=False)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    request = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    os.nice(_NICE)
    from tuner.service.insights.document import insights_document
    from tuner.storage import open_storage

    storage = open_storage(request["database_url"], create=False)
    try:
        document = insights_document(storage, request["study_id"])
    finally:
        storage.close()
    # Non-finite numbers are not valid JSON: they are our fault, which the caller logs.
    sys.stdout.write(json.dumps(document, allow_nan=False))


if __name__ == "__main__":
    main()
