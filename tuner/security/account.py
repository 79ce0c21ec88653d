"""Who acts: the account and the host of this process, by their own account."""

from __future__ import annotations

import os
import pwd
import socket

#: The header in which a client of the API says it.
ACTOR_HEADER = "x-tuner-actor"
#: Maximum number of characters that an event keeps of it.
MAX_CHARS = 120


def account() -> str:
    """Return `user@host` in printable ASCII; an account without a name is given by its number."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # Containers run under user ids that no password file knows.
        user = str(os.getuid())
    return tidy(f"{user}@{socket.gethostname()}")


def tidy(name: str) -> str:
    """Return a name from an untrusted source in a form that an event may hold."""
    text = name.encode("ascii", "replace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:MAX_CHARS]
