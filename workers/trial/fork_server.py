"""The process whose forks run the trials: it has imported what they need, and knows no secret.

Python leaves copies of a token all over its memory, so a fork of the worker would have to search
for them. This process never had one: it is a fresh interpreter with the environment of a trial,
speaks to nobody but its worker, and runs no code of users.

Each trial is forked twice. The process in between ends at once, so that the trial becomes the child
of the nearest ancestor that adopts orphans: its worker, which kills, reaps and outlives it like any
process that it has started itself.

Messages are datagrams: `READY` from here once; then a request with the trial's end of its channel,
answered with the trial's process id, or with the reason why there must be no more forks.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import logging
import os
import signal
import socket
import stat
import sys
import warnings
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from tuner.runtime.logs import configure_logging, reset_logging
from tuner.security.secrecy import set_readable
from workers.backends.choice import BackendChoice
from workers.backends.fork_safety import ForkGuard
from workers.backends.preimport import preimport, preimport_numpy
from workers.backends.versions import build_facts
from workers.host.linux import die_with_parent, set_process_name
from workers.host.options import load_log_format
from workers.host.shutdown import AFTER_TRIAL
from workers.objective.own_modules import mark_inherited
from workers.trial.child import run_next_task

logger = logging.getLogger(__name__)

# It keeps Python's lock, as a fork must.
_libc = ctypes.PyDLL(None, use_errno=True)
#: Maximum number of bytes of a message.
MESSAGE_BYTES = 65_536


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What the forks have in memory from their start."""

    #: The backend that Keras was imported with; None: it was not imported.
    backend: str | None
    #: How the imported backends were built, for `config.json`.
    facts: dict[str, Any]

    def suits(self, choice: BackendChoice | None) -> bool:
        """Return whether a fork has the right backend, or none yet.

        Args:
            choice: the trial's backend; None: any.
        """
        return self.backend is None or choice is None or self.backend == choice.name


@dataclass(frozen=True, kw_only=True)
class Forked:
    """The answer to a request."""

    #: The trial's process; None: it must not be forked.
    pid: int | None
    reason: str = ""


def main(fd: int, parent: int, wanted: str, name: str) -> NoReturn:
    """Import, then fork a trial for each request, until the worker closes its end.

    Args:
        fd: this side's end.
        parent: process id of the worker.
        wanted: which backend to import, as in `preimport`.
        name: of the worker, for the log.
    """
    die_with_parent(parent)
    # It has no secrets, but a trial must not be able to change what the next one starts from.
    set_readable(readable=False)
    set_process_name("tuner-forks")
    for number in (signal.SIGTERM, signal.SIGINT, AFTER_TRIAL):
        # What a terminal or a scheduler sends to all is for the worker, which ends this process.
        signal.signal(number, signal.SIG_IGN)
    configure_logging(load_log_format(os.environ), worker=name)
    # 3.12 warns of forks with threads; the guard knows which ones are harmless.
    warnings.filterwarnings("ignore", message=".*use of fork.*", category=DeprecationWarning)
    control = socket.socket(fileno=fd)
    backend = preimport(wanted, os.environ)
    preimport_numpy()
    guard = ForkGuard()
    mark_inherited()
    # What exists now lives as long as this process: collections in trials need not copy it.
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError):
        _send(control, asdict(Imported(backend=backend, facts=build_facts())))
        while True:
            _, fds, _, _ = socket.recv_fds(control, 16, 1)
            if not fds:
                break
            _send(control, asdict(_answer(guard, fds[0], parent)))
    os._exit(0)


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    control.send(json.dumps(message).encode())


def _answer(guard: ForkGuard, channel: int, worker: int) -> Forked:
    try:
        if reason := guard.problem():
            return Forked(pid=None, reason=reason)
        return Forked(pid=_fork_twice(channel, worker))
    except OSError as exc:
        return Forked(pid=None, reason=f"it cannot be forked: {exc}")
    finally:
        os.close(channel)


def _fork_twice(channel: int, worker: int) -> int:
    """Fork the process of a trial, and wait until the worker has adopted it.

    Raises:
        OSError: there is no memory, or no pid, for one more process.
    """
    reader, writer = os.pipe()
    # Without what Python does in each fork: this one only forks again.
    between = _libc.fork()
    if between == 0:
        _fork_once_more(channel, worker, writer)
    failed = ctypes.get_errno()
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        if between < 0:
            raise OSError(failed, os.strerror(failed))
        # Not until its end: the trial has the other end, too, for a moment.
        said = pipe.read(MESSAGE_BYTES)
    # The kernel hands the orphans of a process over before it lets anybody reap it.
    os.waitpid(between, 0)
    if not said.isdigit():
        raise OSError(f"the second fork failed: {said.decode(errors='replace')}")
    return int(said)


def _fork_once_more(channel: int, worker: int, writer: int) -> NoReturn:
    try:
        pid = os.fork()
        if pid == 0:
            _become_trial(channel, worker)
        os.write(writer, str(pid).encode())
    except OSError as exc:
        os.write(writer, (exc.strerror or repr(exc)).encode())
    finally:
        os._exit(0)


def _become_trial(channel: int, worker: int) -> NoReturn:
    try:
        os.setsid()
        set_process_name("tuner-trial")
        for number in (signal.SIGTERM, signal.SIGINT, AFTER_TRIAL):
            signal.signal(number, signal.SIG_DFL)
        _cut_off(keep=channel)
        reset_logging()
        # A trial belongs to the user: it may be inspected, and has nothing to hide.
        set_readable(readable=True)
        # The task comes when the worker has adopted this process.
        run_next_task(channel, worker)
    finally:
        # Whatever happens, this copy must never return into the loop above.
        os._exit(70)


def _cut_off(keep: int) -> None:
    """Replace every inherited socket and pipe by the null device.

    The worker must see the end of a dead process's connection, and no descriptor may be reused for
    a new file while an old object would still close it when collected.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - one system call less for each name
        fd = int(name)
        if fd <= 2 or fd == keep:
            continue
        with contextlib.suppress(OSError):
            mode = os.fstat(fd).st_mode
            if stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
                os.dup2(null, fd, inheritable=False)
    os.close(null)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
