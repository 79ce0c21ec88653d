"""The socket at which the ranks of a trial meet its own process, and who may connect."""

from __future__ import annotations

import os
import secrets
import socket
import struct
from collections.abc import Mapping

#: The variable with the name of the socket, in the environment of the ranks.
MEETING = "TUNER_RANKS"
#: Variables by which launchers tell a process its rank: torchrun, Open MPI, MPICH, Slurm.
_RANKS = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")
#: Maximum number of processes on one host.
MAX_RANKS = 256
_BACKLOG = 64


def open_meeting() -> tuple[str, socket.socket]:
    """Return the name of a new listening socket, and the socket.

    It has no file, so it needs no folder and disappears with its process; credentials are checked.
    """
    name = f"tuner-ranks-{secrets.token_hex(16)}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind("\0" + name)
    listener.listen(_BACKLOG)
    return name, listener


def admit(listener: socket.socket) -> tuple[socket.socket, int] | None:
    """Return the next connection and its process id; None: it is from another account."""
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
        KeyError: this process is not a rank of a trial.
        OSError: the trial has ended.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect("\0" + environ[MEETING])
    return connection


def own_rank(environ: Mapping[str, str]) -> int:
    """Return the rank of this process, 0 if no launcher has set one."""
    for name in _RANKS:
        if environ.get(name, "").isdecimal():
            return int(environ[name])
    return 0
