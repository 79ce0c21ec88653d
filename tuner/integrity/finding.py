"""One thing that is wrong in a database: what it is, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

#: What kind of thing is wrong; a contract, as scripts read it.
FindingKind = Literal[
    "file",
    "schema",
    "value",
    "spec",
    "optuna-study",
    "optuna-trial",
    "shared-id",
    "trial",
    "attempt",
    "report",
    "artifact",
    "code",
    "dangling",
    "worker",
    "history",
]

#: Mends it in the transaction that is given, at the database's time that is given.
Mend = Callable[[sa.Connection, float], object]

#: Numbers that are named one by one.
NAMED = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Finding:
    """Something that is wrong.

    Attributes:
        kind: what kind of thing it is.
        study: its name; None: it is no study's.
        text: what is wrong, in words.
        mend: mends it; None: only a user can.
        does: what `mend` does, or what a user can do.
    """

    kind: FindingKind
    text: str
    does: str
    study: str | None = None
    mend: Mend | None = None


def writes(statement: sa.Update | sa.Delete) -> Mend:
    """Return what mends something with one statement."""
    return lambda connection, _now: connection.execute(statement)


def numbers(found: Sequence[int]) -> str:
    """Return `trial 3`, or `trials 3, 4, 5, 8, 9 and 12 more`."""
    named = ", ".join(map(str, found[:NAMED]))
    more = len(found) - NAMED
    plural = "s" if len(found) != 1 else ""
    return f"trial{plural} {named}" + (f" and {more} more" if more > 0 else "")
