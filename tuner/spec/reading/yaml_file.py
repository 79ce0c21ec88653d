"""Reads a user's YAML file: small, UTF-8, one document."""

from __future__ import annotations

import difflib
from pathlib import Path

from tuner.errors import SpecError
from tuner.space.value import show
from tuner.spec.reading.document import YamlDocument
from tuner.spec.reading.yaml12 import parse_document

MAX_BYTES = 256 * 1024


def is_file(path: Path) -> bool:
    """Whether the file exists; False for a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_document(path: Path, source: str) -> YamlDocument:
    """Return the content of a YAML file.

    Args:
        source: the name of the file in messages.

    Raises:
        SpecError: it cannot be read, is too large, is not UTF-8, or `parse_document` refuses it.
    """
    try:
        if not path.is_file():
            what = "a folder or device; " if path.exists() else f"no such file; {_meant(path)}"
            raise SpecError(f"{source}: {what}a YAML file is needed")
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as exc:
        raise SpecError(f"{source}: cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise SpecError(f"{show(source)}: not the name of a file: {exc}") from exc
    if len(raw) > MAX_BYTES:
        raise SpecError(f"{source}: larger than {MAX_BYTES // 1024} KiB; a spec is small")
    return parse_document(_decode(raw, source), source)


def _meant(path: Path) -> str:
    """Return `did you mean "mlp.yaml"? ` for a nearby file with a similar name, else nothing."""
    try:
        beside = {p.stem: p.name for p in path.parent.iterdir() if p.suffix in (".yaml", ".yml")}
    except OSError:
        return ""
    # Compared without suffixes, which all are the same and would make any two names similar.
    near = difflib.get_close_matches(path.stem, sorted(beside), n=1)
    return f'did you mean "{beside[near[0]]}"? ' if near else ""


def _decode(raw: bytes, source: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = raw[: exc.start].decode("utf-8-sig", errors="replace")
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        byte = f"byte 0x{raw[exc.start]:02x}"
        raise SpecError(f"{source}:{line}:{column}: {byte}: not UTF-8 text") from exc
