"""One fault in a database: what it is, and how to repair it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

#: Kinds of faults; a contract, because scripts read them.
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

#: Repairs the fault in the given transaction, at the given time of the database.
Mend = Callable[[sa.Connection, float], object]

#: Maximum number of numbers that are listed individually.
NAMED = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Finding:
    """A fault that was found.

    Attributes:
        kind: the kind of fault.
        study: its name; None if no study is concerned.
        text: what is wrong, in words.
        mend: repairs it; None: only a user can.
        does: what `mend` does, or what a user can do.
    """

    kind: FindingKind
    text: str
    does: str
    study: str | None = None
    mend: Mend | None = None


def writes(statement: sa.Update | sa.Delete) -> Mend:
    """Return a repair that executes one statement."""
    return lambda connection, _now: connection.execute(statement)


def numbers(found: Sequence[int]) -> str:
    """Return `trial 3`, or `trials 3, 4, 5, 8, 9 and 12 more`."""
    named = ", ".join(map(str, found[:NAMED]))
    more = len(found) - NAMED
    plural = "s" if len(found) != 1 else ""
    return f"trial{plural} {named}" + (f" and {more} more" if more > 0 else "")
