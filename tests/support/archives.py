"""Code snapshots as the server hands them out, for workers under test."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping


def make_archive(files: Mapping[str, str]) -> bytes:
    """Return a gzipped tar archive of text files, by their paths."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, text in files.items():
            content = text.encode()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()
