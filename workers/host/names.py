"""What workers are called: a name that no other process has, whatever host names say.

Containers that share a network have one host name, and in each of them the first process has the
same number; so have the pods of a host network. Two workers of one name end each other's trials.
"""

from __future__ import annotations

import os
import re
import socket

#: Of a host's name, characters: a name of a worker has 80 (`protocol.WORKER_NAME`).
_MAX_HOST = 40
#: Of the random part, bytes: a million names at once have a chance of 1 in 10 of two alike with 8
#: digits, and a fleet has a thousand with one host and process at most.
_RANDOM_BYTES = 4


def own_name() -> str:
    """Return a name for this process: host, process and a random part."""
    host = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname())[:_MAX_HOST].strip("._-")
    return f"{host or 'host'}-{os.getpid()}-{os.urandom(_RANDOM_BYTES).hex()}"


def new_process_id() -> str:
    """Return the number by which the server tells this process from all others."""
    return os.urandom(16).hex()
