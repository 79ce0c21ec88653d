"""Describes in a few words what is wrong with a study for which a step has just failed."""

from __future__ import annotations

import sqlalchemy as sa

from tuner.errors import UnavailableError
from tuner.integrity.raw import raw_study
from tuner.integrity.study import check_study
from tuner.storage import Storage, tables
from tuner.storage.engines.outage import is_damage

#: Maximum number of trials of a study examined while others wait: `tuner db check` does the rest.
MOST_TRIALS = 2000


def diagnose(storage: Storage, study_id: int) -> str:
    """Return what is wrong with a study, in words; empty: nothing was found.

    Raises:
        UnavailableError: the database cannot be reached.
    """
    t = tables.trials
    trials = sa.select(sa.func.count()).where(t.c.study_id == study_id)
    try:
        with storage.read() as connection:
            study = raw_study(connection, study_id)
            if study is None or connection.execute(trials).scalar_one() > MOST_TRIALS:
                return ""
            found = list(check_study(connection, study, storage.now(connection)))
    except UnavailableError as exc:
        if not is_damage(exc.__cause__):
            raise
        return ""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return found[0].text + more if found else ""
