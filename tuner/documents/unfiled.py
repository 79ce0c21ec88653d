"""What could not be written to or removed from the roots."""

from __future__ import annotations

from typing import Literal

from tuner.documents.document import Document


class Unfiled(Document):
    """What could not be written, or removed, below log root or checkpoint root."""

    #: For a root, all studies wait; checkpoints could not be removed (`trial.keep`).
    kind: Literal["run", "study", "checkpoints", "root"]
    trial: int | None
    #: Paths in it are relative to the root.
    reason: str
    #: Whether the file system has not answered yet.
    waiting: bool
    tries: int
    since: str | None
    next_try: str | None


class UnfiledList(Document):
    """How much could not be written or removed, and the first of it."""

    total: int
    first: list[Unfiled]
