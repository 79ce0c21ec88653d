"""Checks that what a study learned from the history can be unpacked."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator

import sqlalchemy as sa

from tuner.curves.belief import CurveBelief
from tuner.integrity.finding import Finding, writes
from tuner.integrity.raw import RawRow, raw_select
from tuner.proposals.artifact import Artifact, split
from tuner.storage import tables
from tuner.trials.study import Study

_a = tables.artifacts


def check_artifacts(connection: sa.Connection, study: Study) -> Iterator[Finding]:
    """Yield the artifacts of a study that this release cannot unpack."""
    query = raw_select(_a).where(_a.c.study_id == study.id).execution_options(yield_per=10)
    for row in connection.execute(query).mappings():
        problem = _problem(dict(row))
        if problem:
            yield Finding(
                kind="artifact",
                study=study.full_name,
                text=f"what it learnt from history cannot be unpacked: {problem}",
                does="it is removed, and learnt again",
                mend=writes(_a.delete().where(_a.c.key == row["key"])),
            )


def _problem(row: RawRow) -> str:
    try:
        if not isinstance(json.loads(row["receipt_json"]), dict):
            return "its receipt is not an object"
        head, curves = split(bytes(row["content"]))
        if head:
            Artifact.from_bytes(head)
        if curves:
            CurveBelief.from_bytes(curves)
    except (ValueError, TypeError, KeyError, RecursionError, zlib.error) as exc:
        return str(exc)[:200] or type(exc).__name__
    return ""
