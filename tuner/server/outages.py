"""What a client is told when the database does not answer: enough to act, but not where it is.

The database's own message names hosts, ports and users; it goes to the server's log.
"""

from __future__ import annotations

import logging
import sqlite3

import sqlalchemy as sa

logger = logging.getLogger(__name__)

#: PostgreSQL's codes (appendix "PostgreSQL Error Codes" of its manual) for what a person can
#: repair.
_STATES = {
    "25006": "it is read-only",
    "28P01": "it refuses the server's password",
    "28000": "it refuses the server",
    "3D000": "it does not exist",
    "42501": "the server may not use its tables",
    "53100": "its disk is full",
    "53200": "it has no memory left",
    "53300": "it has too many connections",
    "57014": "a statement took too long",
    "57P01": "it is being shut down",
    "57P03": "it is starting or being shut down",
}


def outage_text(exc: BaseException, request_id: str) -> str | None:
    """Return what a client is told about a database error, or one caused by it.

    None: `exc` is of another kind. The details are logged.
    """
    error = exc if isinstance(exc, sa.exc.SQLAlchemyError) else exc.__cause__
    if not isinstance(error, sa.exc.SQLAlchemyError):
        return None
    origin = getattr(error, "orig", None)
    details = {"error": str(origin or error)[:500], "request_id": request_id}
    logger.warning("database error", extra=details)
    if isinstance(origin, sqlite3.Error):
        # SQLite's messages name no file: "database or disk is full", "database is locked".
        return f"the database is not available: {origin}; try again"
    why = _STATES.get(getattr(origin, "sqlstate", None) or "")
    what = f"the database is not available: {why}" if why else "the database is not available"
    return f"{what}; try again, the server's log tells more of {request_id}"
