"""How much the server accepts from each client: the one place for all routes, current and future.

None of these is a setting. Each is far from what our own clients do, so an operator would gain
nothing from another value; the number of open files (`ulimit -n`), which is the operator's choice,
determines the number of connections.

A *stranger* is a connection whose last request had no valid token, or that has sent none yet.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass

from tuner.service import service

#: Maximum size of a worker's message or a spec. A finish with 50 lines of traceback is far smaller.
MAX_JSON_BYTES = 1 << 20
#: Maximum size of a batch of historic runs; one run at its bounds takes three megabytes.
MAX_BATCH_BYTES = 8 << 20
#: Maximum size of a code snapshot.
MAX_SNAPSHOT_BYTES = service.MAX_SNAPSHOT_BYTES
#: Maximum size of any body, whatever the route does with it.
MAX_BODY_BYTES = max(MAX_JSON_BYTES, MAX_BATCH_BYTES, MAX_SNAPSHOT_BYTES)

#: Maximum size of request line and headers. Ours take less than one kilobyte, a browser's with
#: cookies eight.
MAX_HEAD_BYTES = 32 << 10
#: Maximum number of pipelined requests, sent before the previous one was answered. None of our
#: clients does that at all.
MAX_PIPELINED = 8

#: Seconds for a TLS handshake. A distant worker needs one second.
HANDSHAKE_S = 10.0
#: Maximum number of unfinished handshakes; a new one replaces the oldest.
MAX_HANDSHAKES = 128
#: Seconds from the connection, or from the first byte of a further request, to the end of its head.
#: Over a bad line it takes a second.
HEAD_S = 10.0
#: Seconds without any byte of a body that the server is waiting for.
BODY_STALL_S = 20.0
#: Seconds for a whole body; the largest one then needs 1.8 Mbit/s.
BODY_S = 300.0
#: Seconds in which the client accepts nothing of an answer.
ANSWER_STALL_S = 60.0
#: Seconds for which an unused connection is kept. Longer than workers keep one
#: (`workers/agent/api.py`), so that a call is never sent on a connection that is being closed.
IDLE_S = 75.0
#: The same for a stranger, and for an answer that a stranger does not accept: probes and browsers
#: ask again on a new connection.
UNKNOWN_S = 10.0
#: Seconds after which a connection that the server closes is gone, whether or not the client
#: noticed.
CLOSE_S = 5.0
#: Seconds between checks of all connections.
LOOK_S = 1.0

#: Maximum number of connections. Each takes 50 kB and a file; a worker holds one.
MAX_CONNECTIONS = 8192
#: Number of places that strangers of one address leave to everybody else.
PLACES_FOR_OTHERS = 64
#: Number of files kept for everything else: the database, Redis, logs and snapshots, by all
#: threads.
SPARE_FILES = 256


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A rate limit.

    Attributes:
        per_s: sustained requests a second.
        burst: requests at the same time.
    """

    per_s: float
    burst: int


#: Rate of accepted connections. A fleet of 1 000 that connects at once is in within two seconds.
ACCEPT_RATE = Rate(per_s=500, burst=50)
#: Maximum number of connections that wait to be accepted.
BACKLOG = 2048

#: Rate for one token, which the whole fleet may share: more than one server can answer.
TOKEN_RATE = Rate(per_s=2000, burst=20_000)
#: Rate for one address, without a valid token where one is needed. Somebody who mistypes it asks a
#: few times; each worker of a fleet that was given a wrong token does, too.
STRANGER_RATE = Rate(per_s=50, burst=200)
#: Rate for one address, for what needs no token. Probes ask once a second, each time on a new
#: connection.
OPEN_RATE = Rate(per_s=100, burst=50)
#: The same for further requests on a connection: repeated requests wait behind first ones.
OPEN_AGAIN_RATE = Rate(per_s=50, burst=20)
#: Maximum number of seconds for which a request above the rate is delayed until it is due. Floods
#: are delayed rather than refused, because refused requests would come again immediately.
STRANGER_WAIT_S = 10.0
#: The same for what needs no token. It is short because monitoring would take the server for dead.
OPEN_WAIT_S = 0.5
#: Maximum number of tokens and addresses to remember; the longest inactive ones are dropped first.
MAX_REMEMBERED = 10_000


def raise_open_files() -> int:
    """Raise this process's limit of open files as far as needed and allowed; return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def max_connections(files: int) -> int:
    """Return how many connections fit into a limit of open files."""
    return min(MAX_CONNECTIONS, max(files - SPARE_FILES, files // 2))
