"""The answers to submitting, changing, retrying and deleting a study."""

from __future__ import annotations

from typing import Any, NotRequired

from tuner.documents.document import Document


class SpecChange(Document):
    """One difference between the stored and the submitted spec."""

    key: str
    old: Any
    new: Any
    #: What changed, one line each, if the values say little: files and lines of code.
    detail: NotRequired[list[str]]


class NotTaken(Document):
    """Submitted files that differ from those that the study's trials run."""

    #: Modules of the objective, one line each.
    code: list[str]
    other_files: list[str]


class Submitted(Document):
    """What a submission led to."""

    study: str
    state: str
    created: bool
    changes: list[SpecChange]
    #: Only if something was not taken.
    not_taken: NotRequired[NotTaken]


class Edited(Document):
    """What an edit has changed; a key that had its value already is not among them."""

    study: str
    state: str
    changes: list[SpecChange]


class Retried(Document):
    """The failed trials whose configurations are being tried again, and what the spec changed."""

    retried: list[int]
    changes: list[SpecChange]


class Kept(Document):
    """A folder of a deleted study that is still there."""

    path: str
    reason: str


class Deleted(Document):
    """What was removed."""

    deleted: bool
    log_dirs: list[str]
    #: What could not be removed, or not yet.
    kept: list[Kept]
