"""A psycopg cursor that does not describe the same columns again and again."""

from __future__ import annotations

from typing import Any

import psycopg
from typing_extensions import override

#: Maximum number of distinct results remembered; the service's statements have a few hundred.
_MOST = 2000

_descriptions: dict[tuple[Any, ...], list[psycopg.Column]] = {}


class PostgresCursor(psycopg.Cursor[Any]):
    """A cursor whose results share their descriptions.

    SQLAlchemy reads the description of every result, and for statements that it knows only checks
    whether there is one. psycopg creates an object for each column: for a row with 30 columns that
    takes as long as the rest of the call.
    """

    @property
    @override
    def description(self) -> list[psycopg.Column] | None:
        """The columns of the present result; None if it has none."""
        result = self.pgresult
        if result is None or result.nfields == 0:
            return super().description
        columns = range(result.nfields)
        form = (*map(result.fname, columns), *map(result.ftype, columns))
        known = _descriptions.get(form)
        if known is None:
            known = super().description or []
            if len(_descriptions) < _MOST:
                _descriptions[form] = known
        return known
