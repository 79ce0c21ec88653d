"""The facts of an image, from a file that was copied out of it."""

from __future__ import annotations

from pathlib import Path

from tuner.errors import SpecError
from tuner.protocol import MAX_FACTS_BYTES, ImageFacts, ProtocolError, parse_image_facts


def read_image_facts(path: Path) -> ImageFacts:
    """Return the facts in the file given by `--image-facts`, at least one.

    Raises:
        SpecError: the file cannot be read, or holds none.
    """
    try:
        with path.open("rb") as file:
            said = parse_image_facts(file.read(MAX_FACTS_BYTES + 1))
    except OSError as exc:
        raise SpecError(f"--image-facts {path}: cannot be read: {exc.strerror}") from exc
    except ProtocolError as exc:
        raise SpecError(f"--image-facts {path}: {exc}") from exc
    if said.lock is None and said.files is None:
        raise SpecError(f"--image-facts {path}: says neither `lock` nor `files` of an image")
    return said
