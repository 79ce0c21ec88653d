"""The number of GPUs of studies and workers as SQL (for a single one: `kinds.owned_gpus`)."""

from __future__ import annotations

import sqlalchemy as sa


def gpus_of(table: sa.FromClause) -> sa.ColumnElement[int]:
    """Return the number of GPUs of the rows of studies or workers.

    The device decides whether it is above zero: a server of an earlier release knows nothing else.
    """
    one = sa.case((table.c.gpus > 1, table.c.gpus), else_=1)
    return sa.case((table.c.device == "gpu", one), else_=0)
