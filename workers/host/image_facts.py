"""The facts of the image that this process runs in, and whether they still hold."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.errors import SetupError
from tuner.protocol import MAX_FACTS_BYTES, ProtocolError, parse_image_facts
from workers.host.measure import MeasureError, Measurement, measure

logger = logging.getLogger(__name__)

#: The file into which the build of an image writes its facts (docker/worker.Dockerfile).
PATH = Path("/app/image.json")
_SETTING = "TUNER_IMAGE_FACTS"


@dataclass(frozen=True, kw_only=True)
class FoundFacts:
    """The facts of this image, as a worker sends them; all None if it has none.

    Attributes:
        lock: SHA-256 of the lock file that its packages were installed from.
        files: hash of what is installed now, measured at the start.
        files_built: hash of what was installed when the image was built.
    """

    lock: str | None = None
    files: str | None = None
    files_built: str | None = None


def find_facts(environ: Mapping[str, str]) -> FoundFacts:
    """Return the facts of this image, and measure what is installed if it has some.

    Raises:
        SetupError: the file that `TUNER_IMAGE_FACTS` names cannot be read, or a file of facts has
            none; or what is installed cannot be measured.
    """
    named = environ.get(_SETTING)
    path = Path(named) if named else PATH
    what = f"{_SETTING}={path}" if named else str(path)
    try:
        content = _read(path)
    except FileNotFoundError:
        if named:
            raise SetupError(
                f"{what}: is not there; name the file that the image's build writes"
            ) from None
        return FoundFacts()
    except OSError as exc:
        raise SetupError(f"{what}: cannot be read: {exc.strerror}") from exc
    try:
        built = parse_image_facts(content)
    except ProtocolError as exc:
        raise SetupError(f"{what}: {exc}; the image's build writes this file again") from exc
    started = time.monotonic()
    try:
        measured = measure()
    except MeasureError as exc:
        raise SetupError(f"what is installed here cannot be measured: {exc}") from exc
    logger.info(
        "image measured",
        extra={
            "files": measured.files,
            "built": built.files,
            "s": round(time.monotonic() - started, 2),
        },
    )
    return FoundFacts(lock=built.lock, files=measured.files, files_built=built.files)


def write_facts(path: Path, measured: Measurement) -> None:
    """Set `files` in a file of facts to the measured hash; everything else is unchanged.

    Raises:
        SetupError: it contains no facts, or cannot be written.
    """
    try:
        content = _read(path)
    except FileNotFoundError:
        content = b"{}"
    except OSError as exc:
        raise SetupError(f"{path}: cannot be read: {exc.strerror}") from exc
    try:
        parse_image_facts(content)
    except ProtocolError as exc:
        raise SetupError(f"{path}: {exc}") from exc
    facts: dict[str, Any] = {**json.loads(content), "files": measured.files}
    try:
        path.write_text(json.dumps(facts, indent=1) + "\n")
    except OSError as exc:
        raise SetupError(f"{path}: cannot be written: {exc.strerror}") from exc


def _read(path: Path) -> bytes:
    """Return the start of a regular file, one byte more than facts may have.

    Raises:
        OSError: there is none, or it cannot be read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as file:
        return file.read(MAX_FACTS_BYTES + 1)
