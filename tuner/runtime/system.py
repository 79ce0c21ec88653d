"""This machine and this Python environment: what they must be, and how to get what they lack."""

from __future__ import annotations

import importlib.util
import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.errors import SetupError

if TYPE_CHECKING:
    import subprocess

#: Maximum number of GPUs of a worker and of a trial: those of the largest common host.
MAX_DEVICES = 8

_PR_SET_PDEATHSIG = 1
_NAMES = {"darwin": "macOS", "win32": "Windows"}


def is_linux() -> bool:
    """Return whether the service and workers can run here."""
    return sys.platform == "linux"


def system_name() -> str:
    """Return the common name of this operating system."""
    return _NAMES.get(sys.platform, sys.platform)


def require_linux(what: str) -> None:
    """Refuse to start something that depends on the Linux kernel.

    Trials end with their workers and services with their runs, however those end; only Linux can
    guarantee that (`prctl`, `pidfd_open`, `/proc`).

    Args:
        what: the command or process, the subject of the sentence.

    Raises:
        SetupError: this is another system.
    """
    if not is_linux():
        raise SetupError(
            f"{what} needs Linux, and this is {system_name()}: run it in a Linux container or "
            f"virtual machine, or name a server on Linux with TUNER_API_URL and use tuner submit "
            f"(docs/install.md says what works here)"
        )


def make_bond() -> Callable[[], None] | None:
    """Return a function that a child runs before its program: SIGTERM on the end of this process.

    It is tied to the calling *thread*. None if the kernel cannot guarantee it.
    """
    if not is_linux():
        return None
    import ctypes

    # Loaded here: between fork and exec only calls without locks are safe.
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def bond() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return bond


def end_child(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Send a child SIGTERM, and SIGKILL after `grace_s` seconds; return when it is gone."""
    import subprocess

    process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def read_setting(environ: Mapping[str, str], name: str) -> str | None:
    """Return the setting `TUNER_<name>`, or the content of the file that `TUNER_<name>_FILE` names.

    Raises:
        SetupError: both are set, or the file cannot be read.
    """
    plain, by_file = f"TUNER_{name}", f"TUNER_{name}_FILE"
    value, path = environ.get(plain), environ.get(by_file)
    if path is None:
        return value or None
    if value:
        raise SetupError(f"{plain} and {by_file} are both set; keep one")
    try:
        return Path(path).read_text().strip() or None
    except OSError as exc:
        raise SetupError(f"{by_file}={path}: cannot be read: {exc.strerror}") from exc


def parse_yes(name: str, value: str | None) -> bool:
    """Return whether a setting says yes; unset means no.

    Raises:
        SetupError: it is neither yes nor no.
    """
    if value not in (None, "yes", "no"):
        raise SetupError(f"{name}={value}: yes or no")
    return value == "yes"


def parse_gpus_per_worker(name: str, text: str) -> int:
    """Return the number of GPUs that each worker owns.

    Args:
        name: the option or setting, for the message.

    Raises:
        SetupError: it is not a number from 1 to 8.
    """
    if not (len(text) <= 2 and text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_DEVICES):
        raise SetupError(f"{name}={text[:40]}: a number of GPUs from 1 to {MAX_DEVICES}")
    return int(text)


def is_installed(module: str) -> bool:
    """Return whether a top-level module could be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def pip_install(*packages: str) -> str:
    """Return the command that installs packages into the environment of this interpreter."""
    python = shlex.quote(sys.executable)
    names = " ".join(shlex.quote(package) for package in packages)
    # Environments created by uv have no pip.
    if not is_installed("pip"):
        return f"uv pip install --python {python} {names}"
    return f"{python} -m pip install {names}"
