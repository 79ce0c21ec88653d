"""Sees that every ended trial has its files, once the log root can be written.

Workers write the folders of their attempts. What a killed one could not write, and what a full disk
prevented, is written here from the database; so is each study's own run.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.attempts import ENDED
from tuner.coordinator.lifecycle import OPEN
from tuner.errors import UnavailableError
from tuner.exporters import StudyWriter, repair_run
from tuner.service.records import trial_config, trial_record
from tuner.service.retention import remove_checkpoints
from tuner.service.specs import Specs
from tuner.service.wording import receipt_markdown
from tuner.storage import Storage, tables

logger = logging.getLogger(__name__)

TICK_S = 1.0
#: A worker needs a moment to write the files of an attempt that it has just finished.
GRACE_S = 3.0
#: One that was called off may still be writing until its next beat.
CALLED_OFF_GRACE_S = 15.0
BATCH = 200
MIN_FREE_BYTES = 16 << 20


class Filer:
    """A thread that completes the log root, and knows whether it can be written.

    Args:
        storage: the truth.
        log_root, checkpoint_root: shared with the workers, and with other servers.
        leads: whether this process coordinates: of several servers only that one files.
    """

    def __init__(
        self,
        storage: Storage,
        log_root: Path,
        checkpoint_root: Path,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._leads = leads
        self._storage = storage
        self._log_root = log_root
        self._checkpoint_root = checkpoint_root
        self._problem: str | None = None
        self._specs = Specs()
        self._writers: dict[int, tuple[StudyWriter, int]] = {}
        #: Of each study, when it last learnt and whether it was over, as its run says it.
        self._explained: dict[int, tuple[float | None, bool]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="filer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._probe()
        self._thread.start()

    def stop(self) -> None:
        """Bring the log root up to date once more and end the thread."""
        self._stop.set()
        self._thread.join(timeout=30)
        self._drop_writers()

    def problem(self) -> str | None:
        """Return why the log root or the checkpoint root cannot be written at present, or None."""
        return self._problem

    def _run(self) -> None:
        while not self._stop.wait(TICK_S):
            self._round(GRACE_S)
        self._round(0.0)

    def _round(self, grace_s: float) -> None:
        # A full checkpoint root is no reason not to file; what is filed may free it (`trial.keep`).
        if not self._probe():
            return
        if not self._leads():
            self._drop_writers()
            return
        try:
            self._file_attempts(grace_s)
            self._file_studies()
        except OSError as exc:
            self._problem = f"log root {self._log_root}: {exc.strerror or exc}"
            logger.warning("log root", extra={"problem": self._problem})
        except (UnavailableError, sa.exc.DBAPIError) as exc:
            logger.info("filing waits for the database", extra={"error": str(exc)[:200]})
        except Exception:
            # The thread must outlive its own faults: the next round sees what is still missing.
            logger.exception("filing failed")

    def _probe(self) -> bool:
        """Look at both roots; return whether the log root can be written."""
        no_logs = _unwritable("log root", self._log_root)
        problem = no_logs or _unwritable("checkpoint root", self._checkpoint_root)
        if problem != self._problem:
            logger.warning("storage", extra={"problem": problem or "gone"})
        self._problem = problem
        return no_logs is None

    def _file_attempts(self, grace_s: float) -> None:
        a, t = tables.attempts, tables.trials
        with self._storage.read() as connection:
            now = self._storage.now(connection)
            called_off = now - min(CALLED_OFF_GRACE_S, CALLED_OFF_GRACE_S * grace_s)
            decided = sa.and_(t.c.state.in_(ENDED), a.c.finished < called_off)
            rows = connection.execute(
                sa.select(a)
                .join(t, sa.and_(t.c.study_id == a.c.study_id, t.c.number == a.c.number))
                .where(
                    a.c.filed.is_(False),
                    sa.or_(
                        sa.and_(a.c.state.in_(("done", "failed")), a.c.finished < now - grace_s),
                        sa.and_(a.c.state.in_(("lost", "cancelled", "revoked")), decided),
                    ),
                )
                .order_by(a.c.finished)
                .limit(BATCH)
            ).all()
            work = [self._papers(connection, row) for row in rows if self._has_run(row)]
        for config, record, metrics in work:
            if repair_run(self._log_root, config, record, metrics=metrics):
                logger.info("run repaired", extra={"run": record["run_dir"]})
        if rows:
            with self._storage.begin() as connection:
                connection.execute(
                    a.update().where(a.c.id.in_([row.id for row in rows])).values(filed=True)
                )

    def _has_run(self, attempt: sa.Row[Any]) -> bool:
        # One that was taken back as never begun may have begun all the same.
        return attempt.claimed is not None or (self._log_root / attempt.run_dir).exists()

    def _papers(
        self, connection: sa.Connection, attempt: sa.Row[Any]
    ) -> tuple[dict[str, Any], dict[str, Any], dict[int, dict[str, float]]]:
        s, t = tables.studies, tables.trials
        study = connection.execute(sa.select(s).where(s.c.id == attempt.study_id)).one()
        trial = connection.execute(
            sa.select(t).where(t.c.study_id == study.id, t.c.number == attempt.number)
        ).one()
        r = tables.reports
        reported = connection.execute(
            sa.select(r.c.step, r.c.metrics_json).where(
                r.c.study_id == study.id,
                r.c.number == trial.number,
                r.c.no == attempt.no,
                r.c.metrics_json.is_not(None),
            )
        )
        metrics = {row.step: json.loads(row.metrics_json) for row in reported}
        record = trial_record(connection, study, trial, attempt)
        return trial_config(study, trial, self._specs.of(study)), record, metrics

    def _file_studies(self) -> None:
        s = tables.studies
        # One that is over is looked at once more: its last result may have been filed before.
        ended = sa.and_(s.c.id.in_(list(self._writers)), s.c.state.not_in(OPEN))
        with self._storage.read() as connection:
            query = sa.select(s).where(sa.or_(s.c.told > s.c.filed, ended))
            studies = connection.execute(query).all()
        for study in studies:
            writer, told = self._writers.get(study.id) or (self._open_writer(study), 0)
            self._writers[study.id] = (writer, told)
            self._add_objectives(writer, study.id, told)
            self._add_history(writer, study)
            writer.write()
            self._writers[study.id] = (writer, study.told)
            self._thin_out(study)
            with self._storage.begin() as connection:
                connection.execute(s.update().where(s.c.id == study.id).values(filed=study.told))
            if study.state not in OPEN:
                self._writers.pop(study.id)[0].close()
                self._explained.pop(study.id, None)

    def _drop_writers(self) -> None:
        # What another server writes meanwhile is read again by the next ones.
        for writer, _ in self._writers.values():
            writer.close()
        self._writers.clear()
        self._explained.clear()

    def _thin_out(self, study: sa.Row[Any]) -> None:
        spec = self._specs.of(study)
        try:
            with self._storage.read() as connection:
                remove_checkpoints(connection, self._checkpoint_root, study, spec)
        except OSError as exc:
            # Not a problem of the log root, and tried again with the next result.
            logger.warning("checkpoints not removed", extra={"error": str(exc)})

    def _open_writer(self, study: sa.Row[Any]) -> StudyWriter:
        spec = self._specs.of(study)
        return StudyWriter(
            self._log_root,
            spec.name,
            spec.space,
            [{"name": metric.name, "goal": metric.goal} for metric in spec.metrics],
        )

    def _add_objectives(self, writer: StudyWriter, study_id: int, told: int) -> None:
        t = tables.trials
        with self._storage.read() as connection:
            rows = connection.execute(
                sa.select(t.c.number, t.c.values_json)
                .where(t.c.study_id == study_id, t.c.state == "complete", t.c.told > told)
                .order_by(t.c.number)
            ).all()
        for row in rows:
            writer.add(row.number, [float(value) for value in json.loads(row.values_json)])

    def _add_history(self, writer: StudyWriter, study: sa.Row[Any]) -> None:
        """Have the study's run say what it learnt from history; at its end, what that gained."""
        a, t = tables.artifacts, tables.trials
        query = sa.select(sa.func.max(a.c.created)).where(a.c.study_id == study.id)
        of_study = sa.select(t).where(t.c.study_id == study.id).order_by(t.c.number)
        with self._storage.read() as connection:
            learnt = connection.execute(query).scalar()
            version = (learnt, study.state not in OPEN)
            if learnt is None or self._explained.get(study.id) == version:
                return
            rows = connection.execute(of_study).all()
        # scipy takes a quarter of a second to import, which a study without history does without.
        from tuner.service.explaining import explain_study

        found = explain_study(self._storage, study, rows, limit=0, gain=study.state not in OPEN)
        writer.explain(receipt_markdown(found))
        self._explained[study.id] = version


def _unwritable(what: str, root: Path) -> str | None:
    """Return why nothing can be written to a folder, or None.

    Writes a small file: the only test that also sees quotas and read-only mounts.
    """
    probe = root / f".tuner-probe-{os.getpid()}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        # More than a file system keeps in a directory entry, so that blocks are really taken.
        probe.write_bytes(b"\0" * 65536)
        free = os.statvfs(root)
        probe.unlink()
    except OSError as exc:
        # Where the root is a file, or read-only, this fails as well.
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
        return f"{what} {root} cannot be written: {exc.strerror or exc}"
    if free.f_bavail * free.f_frsize < MIN_FREE_BYTES:
        # Without the exact number: this becomes the study's reason, which must not flicker.
        return f"{what} {root} is full: under {MIN_FREE_BYTES >> 20} MB are left"
    return None
