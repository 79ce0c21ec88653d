"""Where the ranks of a trial meet the trial's own process: a socket, and who may come to it."""

from __future__ import annotations

import os
import secrets
import socket
import struct
from collections.abc import Mapping

#: Holds the name of the socket, in the environment of the ranks.
MEETING = "TUNER_RANKS"
#: How the launchers tell a process its rank: torchrun, Open MPI, MPICH, Slurm.
_RANKS = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")
#: More processes on one host are a mistake.
MAX_RANKS = 256
_BACKLOG = 64


def open_meeting() -> tuple[str, socket.socket]:
    """Return the name of a new socket, and the socket, which listens.

    It has no file, so it needs no folder and goes with its process; who comes is asked for.
    """
    name = f"tuner-ranks-{secrets.token_hex(16)}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind("\0" + name)
    listener.listen(_BACKLOG)
    return name, listener


def admit(listener: socket.socket) -> tuple[socket.socket, int] | None:
    """Return the next one that has come, and its process; None: it is of another account."""
    connection, _ = listener.accept()
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    pid, uid, _ = struct.unpack("3i", credentials)
    if uid != os.getuid():
        connection.close()
        return None
    return connection, pid


def come(environ: Mapping[str, str]) -> socket.socket:
    """Return a connection to the trial's own process.

    Raises:
        KeyError: this process is not a rank of any trial.
        OSError: the trial is over.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect("\0" + environ[MEETING])
    return connection


def own_rank(environ: Mapping[str, str]) -> int:
    """Return the rank of this process, 0 where no launcher says one."""
    for name in _RANKS:
        if environ.get(name, "").isdecimal():
            return int(environ[name])
    return 0
