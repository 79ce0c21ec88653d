"""Restoring a backup so that its studies go on: what was running runs again, for nothing."""

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
    """What a restore has done besides putting the rows back."""

    #: Those that were running when the backup was made.
    restarted_trials: int = 0
    #: Folders of checkpoints that belong to trials which the backup does not know.
    renamed_checkpoints: int = 0


def check(backup: BackupFile, folder: Path, *, advance: Callable[[int], None]) -> None:
    """Read a backup to its end and see that it could be restored; errors as `staged`."""
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
    """Replace everything in a database with a backup, in one transaction.

    Attempts that ran when the backup was made end as lost, as if the worker had been asked to
    leave: that counts against nobody. Their trials wait `grace_s` for a worker that still executes
    one and goes on with it; then they run again.

    Args:
        storage: which no service uses; errors as `staged` and `replace`.
        backup: not read yet, except for its header.
        folder: where there is room for a copy of the content.
        checkpoint_root: checkpoints of trials that the backup does not know are renamed there, so
            that no other trial with such a number goes on from them.
        force: also when the database holds studies.
        advance: told how many more rows were read, and then how many more were written.
        grace_s: seconds.

    Raises:
        OSError: checkpoints cannot be renamed; the database was restored.
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
    """Take no worker for present that has not been heard of, and no file for written."""
    mark_all_gone(connection, now)
    # The log root may be another one, or younger or older than the backup: every folder is looked
    # at again, and what is missing is written from the database.
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
    """Rename the checkpoints of trials that are yet to come; return how many there were."""
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
        # A list, since names must not change while they are being read.
        found = [match[0] for match in matches if match and int(match[1]) >= next_number]
        for name in found:
            folder.rename(name, f"{name}{suffix}")
    return len(found)
