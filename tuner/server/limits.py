"""How much the server takes from anybody: the one place for all routes, present and to come.

None of these is a setting. Each is far from what our own clients do, so that another value would
gain an operator nothing; the number of open files, which is the operator's (`ulimit -n`), decides
over the number of connections.

A *stranger* is a connection whose last request had no good token, or that has sent none yet.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass

from tuner.service import service

#: A worker's message or a spec. A finish with 50 lines of traceback is far smaller.
MAX_JSON_BYTES = 1 << 20
#: A batch of historic runs; one run at its bounds has three megabytes.
MAX_BATCH_BYTES = 8 << 20
#: A code snapshot.
MAX_SNAPSHOT_BYTES = service.MAX_SNAPSHOT_BYTES
#: No body is larger, whatever the route does with it.
MAX_BODY_BYTES = max(MAX_JSON_BYTES, MAX_BATCH_BYTES, MAX_SNAPSHOT_BYTES)

#: Request line and headers. Ours have less than one kilobyte, a browser's with cookies eight.
MAX_HEAD_BYTES = 32 << 10
#: Requests sent before the one before was answered. None of our clients does that at all.
MAX_PIPELINED = 8

#: To agree on a key, with TLS. A worker far away needs a second.
HANDSHAKE_S = 10.0
#: Connections that have not agreed yet; the oldest goes for one more.
MAX_HANDSHAKES = 128
#: From the connection, or from the first byte of a further request, to the end of its head. Over a
#: bad line it takes a second.
HEAD_S = 10.0
#: Of a body, of which the server waits for more, nothing comes for so long.
BODY_STALL_S = 20.0
#: A whole body; the largest needs 1.8 Mbit/s for that.
BODY_S = 300.0
#: The client takes nothing of an answer for so long.
ANSWER_STALL_S = 60.0
#: An unused connection is kept so long. Longer than workers keep one (`workers/agent/api.py`), so
#: that a call is never sent on one that is being closed.
IDLE_S = 75.0
#: The same of a stranger, and for an answer that a stranger does not take: probes and browsers ask
#: again on a new connection.
UNKNOWN_S = 10.0
#: A connection that the server closes is gone after that, whether or not the client has noticed.
CLOSE_S = 5.0
#: Connections are looked through so often.
LOOK_S = 1.0

#: Each takes 50 kB and a file. A worker holds one.
MAX_CONNECTIONS = 8192
#: Strangers of one address leave so many places to everybody else.
PLACES_FOR_OTHERS = 64
#: Files for everything else: the database, Redis, logs and snapshots, by all threads at once.
SPARE_FILES = 256


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How often somebody may ask.

    Attributes:
        per_s: requests a second, lasting.
        burst: requests at once.
    """

    per_s: float
    burst: int


#: Connections let in. A fleet of 1 000 that comes at once is in within two seconds.
ACCEPT_RATE = Rate(per_s=500, burst=50)
#: Connections that wait to be let in.
BACKLOG = 2048

#: Of one token, which the whole fleet may share: more than one server can answer.
TOKEN_RATE = Rate(per_s=2000, burst=20_000)
#: Of one address, without a good token where one is needed. Somebody who mistypes it asks a few
#: times, a fleet that was given a wrong one a few times each.
STRANGER_RATE = Rate(per_s=50, burst=200)
#: Of one address, for what needs no token. Probes ask once a second, on a new connection each time.
OPEN_RATE = Rate(per_s=100, burst=50)
#: The same, further requests on a connection: who keeps asking waits behind those who ask once.
OPEN_AGAIN_RATE = Rate(per_s=50, burst=20)
#: Whoever asks more often waits for an answer until it is due, and so long at most. It is a flood
#: that is let wait: refused at once, it would come again at once.
STRANGER_WAIT_S = 10.0
#: The same for what needs no token: whoever watches over the server would take it for dead.
OPEN_WAIT_S = 0.5
#: Tokens and addresses that are remembered; the longest quiet ones are forgotten first.
MAX_REMEMBERED = 10_000


def raise_open_files() -> int:
    """Let this process open as many files as it needs, where it may; return its limit."""
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
