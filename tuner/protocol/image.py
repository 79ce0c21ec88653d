"""What an image says of itself: the facts that its build writes into it, and how far they hold.

`docker/worker.Dockerfile` writes them into `/app/image.json`; a worker reads and sends them, and
whoever deploys binds a token to them (`tuner token create --image-facts`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

from tuner.protocol.form import ProtocolError

#: A SHA-256 as it is written: 64 hexadecimal digits, small letters.
SHA256 = re.compile(r"[0-9a-f]{64}")
#: Of a file of facts, bytes: it has seven short fields.
MAX_FACTS_BYTES = 65_536

#: How far it is proven which image ran a trial; each holds what stands before it.
#: `stated`: by the worker's word. `token`: its token is bound to the image's digest. `lock`: the
#: hash of the image's lock file is the token's as well. `files`: so is what is installed in it.
Verified = Literal["stated", "token", "lock", "files"]
#: Fields of `config.json` that say which image ran a trial, and how far that is proven.
IMAGE_FACTS = ("image", "lock", "files", "image_verified")


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What the build of an image says of it; None: it does not.

    Attributes:
        lock: SHA-256 of the lock file that its packages were installed from, in hexadecimal digits.
        files: what `python -m workers measure` said of it when it had been built, likewise.
    """

    lock: str | None
    files: str | None


def parse_image_facts(content: bytes) -> ImageFacts:
    """Read the facts of an image.

    Args:
        content: a JSON object of at most `MAX_FACTS_BYTES`; other fields than ours are passed over.

    Raises:
        ProtocolError: it is none, or one of its hashes is none.
    """
    if len(content) > MAX_FACTS_BYTES:
        raise ProtocolError(f"more than {MAX_FACTS_BYTES} bytes: no facts of an image")
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        raise ProtocolError("no JSON: no facts of an image") from None
    if not isinstance(data, dict):
        raise ProtocolError("no JSON object: no facts of an image")
    return ImageFacts(lock=_hash(data, "lock"), files=_hash(data, "files"))


def hash_problem(name: str, value: str) -> str | None:
    """Return why a value is no SHA-256; None when it is one.

    Args:
        name: of what has the value.
        value: to be looked at.
    """
    if SHA256.fullmatch(value):
        return None
    return f"{name}: {value[:80]!r}: must be the 64 hexadecimal digits of a SHA-256, small letters"


def _hash(data: dict[str, object], name: str) -> str | None:
    value = data.get(name)
    if value is None:
        return None
    if problem := hash_problem(name, value if isinstance(value, str) else repr(value)):
        raise ProtocolError(problem)
    return str(value)
