"""Restores a backup such that its studies continue: running trials run again at no cost."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from tuner.protocol import LEASE_S
from tuner.roots import Place, UnfitError
from tuner.service.files.retention import CHECKPOINTS
from tuner.storage import Storage, tables
from tuner.storage.backups.format import Header
from tuner.storage.backups.reading import BackupFile
from tuner.storage.backups.restore import replace, staged
from tuner.trials.ending.attempts import Ending, end_attempt
from tuner.trials.states import OPEN, AttemptState, TrialState
from tuner.trials.store.attempts import delay_ready, leased
from tuner.trials.store.columns import words
from tuner.trials.store.events import record_event
from tuner.trials.store.studies import next_numbers, study_of
from tuner.trials.store.workers import mark_all_gone

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a restore has done in addition to restoring the rows."""

    #: Number of trials that were running when the backup was made.
    restarted_trials: int = 0
    #: Number of checkpoint folders that belong to trials unknown to the backup.
    renamed_checkpoints: int = 0


def check(backup: BackupFile, folder: Path, *, advance: Callable[[int], None]) -> None:
    """Read a backup to its end and check that it could be restored; raises as `staged` does."""
    with staged(backup, folder, advance=advance):
        """Nothing is wrong with it."""


def restore(
    storage: Storage,
    backup: BackupFile,
    folder: Path,
    checkpoint_root: Path,
    *,
    force: bool,
    advance: Callable[[int], None] = lambda _rows: None,
    grace_s: float = LEASE_S,
) -> Restored:
    """Replace the content of a database with a backup, in one transaction.

    Attempts that were running when the backup was made end as lost, as if the worker had been asked
    to leave, which counts against nobody. Their trials wait `grace_s` for a worker that is still
    executing one and continues it; then they run again.

    Args:
        storage: not in use by any service; raises as `staged` and `replace` do.
        backup: not read yet, except for its header.
        folder: a folder with room for a copy of the content.
        checkpoint_root: checkpoints of trials unknown to the backup are renamed there, so that no
            new trial with the same number continues from them.
        force: replace even a database with studies.
        advance: called with the number of rows that were read, later of rows written.
        grace_s: in seconds.

    Raises:
        OSError: checkpoints cannot be renamed; the database has been restored.
    """
    voided = 0

    def finish(connection: sa.Connection, now: float) -> None:
        nonlocal voided
        voided = _void_running(connection, backup.header, now, grace_s)
        _note_absence(connection, now)
        _tell(connection, backup.header, now)

    with staged(backup, folder, advance=advance) as staging:
        replace(storage, staging, backup.header, force=force, finish=finish, advance=advance)
    return Restored(
        restarted_trials=voided, renamed_checkpoints=_set_aside(storage, checkpoint_root)
    )


def _void_running(connection: sa.Connection, header: Header, now: float, grace_s: float) -> int:
    running = leased(connection)
    ending = Ending(
        state=TrialState.FAIL,
        cause="preempted",
        error=f"the database was restored from a backup of {header.made}",
        attempt_state=AttemptState.LOST,
    )
    for attempt in running:
        study = study_of(connection, attempt)
        end_attempt(connection, study, attempt, ending, now, retries=0)
        delay_ready(connection, attempt.study_id, attempt.number, now + grace_s)
    return len(running)


def _note_absence(connection: sa.Connection, now: float) -> None:
    """Mark workers as absent until they are heard of, and files as not written."""
    mark_all_gone(connection, now)
    # The log root may be another one, or newer or older than the backup: every folder is checked
    # again, and what is missing is written from the database.
    connection.execute(tables.attempts.update().values(filed=False))
    connection.execute(tables.studies.update().values(filed=-1))
    connection.execute(tables.unfiled.delete())


def _tell(connection: sa.Connection, header: Header, now: float) -> None:
    s = tables.studies
    text = f"the database was restored from a backup of {header.made}"
    for study_id in connection.execute(
        sa.select(s.c.id).where(s.c.state.in_(words(OPEN)))
    ).scalars():
        record_event(connection, now, "restored", text, study_id=study_id)


def _set_aside(storage: Storage, root: Path) -> int:
    """Rename the checkpoints of future trial numbers; return how many there were."""
    with storage.read() as connection:
        studies = next_numbers(connection)
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    renamed = sum(
        _set_aside_of(root, name, number, f"-before-{stamp}") for name, number in studies.items()
    )
    if renamed:
        logger.info("checkpoints set aside", extra={"folders": renamed, "stamp": stamp})
    return renamed


def _set_aside_of(root: Path, study: str, next_number: int, suffix: str) -> int:
    try:
        folder = Place(root, study).open()
    except (FileNotFoundError, UnfitError):
        return 0  # what is not a folder holds no checkpoints: nobody follows a link there
    with folder:
        matches = (CHECKPOINTS.fullmatch(entry.name) for entry in folder.entries())
        # A list, because names must not change while they are being read.
        found = [match[0] for match in matches if match and int(match[1]) >= next_number]
        for name in found:
            folder.rename(name, f"{name}{suffix}")
    return len(found)
