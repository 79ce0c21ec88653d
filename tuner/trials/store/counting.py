"""How many GPUs the rows of studies and workers have, as SQL (of one: `kinds.owned_gpus`)."""

from __future__ import annotations

import sqlalchemy as sa


def gpus_of(table: sa.FromClause) -> sa.ColumnElement[int]:
    """Return the number of GPUs of the rows of studies or workers.

    The device decides whether it is more than none: a server of an earlier release knows only that.
    """
    one = sa.case((table.c.gpus > 1, table.c.gpus), else_=1)
    return sa.case((table.c.device == "gpu", one), else_=0)
