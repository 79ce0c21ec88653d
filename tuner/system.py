"""This machine and this Python environment: what they must be, and how they get what they lack."""

from __future__ import annotations

import importlib.util
import shlex
import sys

from tuner.errors import SetupError

#: GPUs that one worker owns, and one trial asks for: those of the largest usual host.
MAX_DEVICES = 8

_NAMES = {"darwin": "macOS", "win32": "Windows"}


def is_linux() -> bool:
    """Return whether service and workers can run here."""
    return sys.platform == "linux"


def system_name() -> str:
    """Return what people call this operating system."""
    return _NAMES.get(sys.platform, sys.platform)


def require_linux(what: str) -> None:
    """Refuse to start what rests on calls of the Linux kernel.

    Trials die with their workers and services with their runs, however those end; only Linux
    promises that (`prctl`, `pidfd_open`, `/proc`).

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


def parse_gpus_per_worker(name: str, text: str) -> int:
    """Return how many GPUs each worker is to own.

    Args:
        name: of the option or setting that says so.
        text: its value.

    Raises:
        SetupError: it is no number from 1 to 8.
    """
    if not (len(text) <= 2 and text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_DEVICES):
        raise SetupError(f"{name}={text[:40]}: a number of GPUs from 1 to {MAX_DEVICES}")
    return int(text)


def pip_install(*packages: str) -> str:
    """Return the command that installs packages into the environment of this interpreter."""
    python = shlex.quote(sys.executable)
    names = " ".join(shlex.quote(package) for package in packages)
    # Environments that uv made have no pip.
    if importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {python} {names}"
    return f"{python} -m pip install {names}"
