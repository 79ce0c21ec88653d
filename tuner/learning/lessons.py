"""What the history taught a study: its artifact, and a receipt saying where that came from.

The sampler and the pruner each have their part; one that does not use the history has none.
Everything is stored together before the first proposal uses it, so that a proposal's artifact is in
the database whatever happens next.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from tuner.curves.belief import CurveBelief
from tuner.history.learning_curves.curve_prior import CurveReceipt
from tuner.history.learning_curves.early import EarlyRanks
from tuner.proposals.artifact import Artifact, join, split
from tuner.storage import tables

_a = tables.artifacts


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What the history gives a study at one point in time.

    Attributes:
        artifact: for the sampler; None: it starts cold.
        summary: one sentence per metric.
        sources: receipts for everything examined, as JSON values.
        shares: by metric, how each source contributed to the artifact (`Contribution`), and how
            much of the variation within a study the studies have in common (`likeness`).
        problem: why nothing could be learned, if that failed.
        version: of the history used, see `learning.history_version`.
        took_s: seconds that it took to compute.
        belief: for the pruner; None: it prunes nothing.
        curves: receipt for `belief`; None: the pruner does not use the history.
        early: the point from which ranks predict the end, for a first rung; None: no pruner needs
            it.
        known: for a hypermodel, its number of parameters at that time; None: its space is declared.
    """

    artifact: Artifact | None
    summary: Mapping[str, str]
    sources: tuple[Mapping[str, Any], ...] = ()
    shares: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problem: str = ""
    version: str = ""
    took_s: float = 0.0
    belief: CurveBelief | None = None
    curves: CurveReceipt | None = None
    early: EarlyRanks | None = None
    known: int | None = None

    @property
    def key(self) -> str | None:
        """The key of the artifact."""
        return None if self.artifact is None else self.artifact.key

    @property
    def text(self) -> str:
        """The text of the event for it."""
        return _whole_text(self.receipt())

    def receipt(self) -> dict[str, Any]:
        """Return the receipt that is stored beside the artifact."""
        return {
            "artifact": self.key,
            "summary": dict(self.summary),
            "sources": [dict(source) for source in self.sources],
            "shares": {metric: dict(shares) for metric, shares in self.shares.items()},
            "problem": self.problem,
            "version": self.version,
            "took_s": round(self.took_s, 3),
            "curves": None if self.curves is None else self.curves.to_json(),
            "early": None if self.early is None else asdict(self.early),
            "known": self.known,
        }


def lesson_text(summary: Mapping[str, str], problem: str) -> str:
    """Return a lesson as one sentence, or one per metric."""
    if problem:
        return f"starts cold: the history cannot be used: {problem}"
    if len(summary) == 1:
        return next(iter(summary.values()))
    return "; ".join(f"{metric}: {text}" for metric, text in summary.items())


def _whole_text(receipt: Mapping[str, Any]) -> str:
    """Return a stored receipt's text on sampler and pruner, without those using no history."""
    text = lesson_text(receipt["summary"], receipt["problem"])
    curves = receipt.get("curves")
    parts = [text, curves["summary"] if curves is not None and not receipt["problem"] else ""]
    return "; ".join(part for part in parts if part)


def artifact_row(study_id: int, key: str | None) -> str:
    """Return the key of a row: two studies may learn the same from the history."""
    return f"{study_id}/{key or 'none'}"


def store_lesson(connection: sa.Connection, study_id: int, lesson: Lesson, now: float) -> None:
    """Store what a study learned; storing the same again replaces its receipt."""
    row = {
        "study_id": study_id,
        "content": join(lesson.artifact, lesson.belief),
        "receipt_json": json.dumps(lesson.receipt(), allow_nan=False),
        "created": now,
    }
    key = artifact_row(study_id, lesson.key)
    changed = connection.execute(_a.update().where(_a.c.key == key).values(**row))
    if changed.rowcount == 0:
        connection.execute(_a.insert().values(key=key, **row))


@dataclass(frozen=True, kw_only=True)
class StoredLesson:
    """The newest lesson of a study, as stored in the database."""

    version: str
    artifact: Artifact | None
    belief: CurveBelief | None
    early: EarlyRanks | None
    text: str
    known: int | None


def load_lesson(connection: sa.Connection, study_id: int) -> StoredLesson | None:
    """Return what a study learned last; None: nothing yet, or nothing this release can read."""
    row = connection.execute(
        sa.select(_a).where(_a.c.study_id == study_id).order_by(_a.c.created.desc()).limit(1)
    ).first()
    if row is None:
        return None
    try:
        receipt = json.loads(row.receipt_json)
        head, curves = split(bytes(row.content))
        artifact = Artifact.from_bytes(head) if head else None
        belief = CurveBelief.from_bytes(curves) if curves else None
        early = receipt.get("early")
        return StoredLesson(
            version=receipt["version"],
            artifact=artifact,
            belief=belief,
            early=None if early is None else EarlyRanks(**early),
            text=_whole_text(receipt),
            known=receipt.get("known"),
        )
    except (ValueError, TypeError, KeyError, AttributeError, zlib.error):
        # Damaged, or from another release: it is learned anew.
        return None


def digest(text: str) -> str:
    """Return a short fingerprint of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
