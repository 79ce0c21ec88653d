"""What an image reports about itself, as recorded at its build, and how far it is verified.

`docker/worker.Dockerfile` writes them to `/app/image.json`; a worker reads and sends them, and the
operator binds a token to them (`tuner token create --image-facts`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

from tuner.protocol.form import ProtocolError

#: A SHA-256 in text form: 64 lower-case hexadecimal digits.
SHA256 = re.compile(r"[0-9a-f]{64}")
#: Maximum size of a file of facts, in bytes: it has seven short fields.
MAX_FACTS_BYTES = 65_536

#: How far it is verified which image ran a trial; each level includes the previous ones. `stated`:
#: only the worker says so. `token`: its token is bound to the image's digest. `lock`: the hash of
#: the image's lock file matches the token's as well. `files`: so does the hash of what is
#: installed.
Verified = Literal["stated", "token", "lock", "files"]
#: Fields of `config.json` that say which image ran a trial, and how far that is verified.
IMAGE_FACTS = ("image", "lock", "files", "image_verified")


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What an image recorded about itself at its build; None if it did not.

    Attributes:
        lock: SHA-256 (hexadecimal) of the lock file that its packages were installed from.
        files: output of `python -m workers measure` right after the build, also a SHA-256.
    """

    lock: str | None
    files: str | None


def parse_image_facts(content: bytes) -> ImageFacts:
    """Read the facts of an image.

    Args:
        content: a JSON object of at most `MAX_FACTS_BYTES`; other fields are ignored.

    Raises:
        ProtocolError: it is not such an object, or one of its hashes is malformed.
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
    """Return why a value is not a SHA-256; None if it is one.

    Args:
        name: of the field, for the message.
        value: to be checked.
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
