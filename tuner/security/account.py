"""Who acts: the account and the host of this process, as they say of themselves."""

from __future__ import annotations

import os
import pwd
import socket

#: How a client of the API says it.
ACTOR_HEADER = "x-tuner-actor"
#: What an event keeps of it.
MAX_CHARS = 120


def account() -> str:
    """Return `user@host`, printable ASCII; an account without a name is its number."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # Containers run as numbers that no password file knows.
        user = str(os.getuid())
    return tidy(f"{user}@{socket.gethostname()}")


def tidy(name: str) -> str:
    """Return a name that came from anywhere as what an event may hold."""
    text = name.encode("ascii", "replace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:MAX_CHARS]
