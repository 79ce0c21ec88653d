"""Why a pruner stopped a trial."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.proposals.pruners.marks import read_mark
from tuner.proposals.pruners.wording import stop_text


def stop_document(connection: sa.Connection, optuna_id: int) -> dict[str, Any] | None:
    """Return why a pruner condemned a trial: `text`, and the numbers behind it.

    None: no pruner did, or it was one of an earlier release, which stored no reason.
    """
    found = read_mark(connection, optuna_id)
    if found is None:
        return None
    key, mark = found
    return {"text": stop_text(key, mark), **mark}
