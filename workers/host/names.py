"""Names of workers: unique to each process, whatever host names say.

Containers that share a network have the same host name, and in each of them the first process has
the same number; so have the pods of a host network. Two workers with one name would end each
other's trials.
"""

from __future__ import annotations

import os
import re
import socket

#: Maximum length of the host's name: a worker's name has up to 80 characters
#: (`protocol.WORKER_NAME`).
_MAX_HOST = 40
#: Size of the random part in bytes: two of a thousand workers with the same host and process
#: number, more than any fleet has, then have the same name with a probability of about 1 in 9 000.
_RANDOM_BYTES = 4


def own_name() -> str:
    """Return a name for this process: host, process and a random part."""
    host = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname())[:_MAX_HOST].strip("._-")
    return f"{host or 'host'}-{os.getpid()}-{os.urandom(_RANDOM_BYTES).hex()}"


def new_process_id() -> str:
    """Return the number by which the server distinguishes this process from all others."""
    return os.urandom(16).hex()
