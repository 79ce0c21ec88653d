"""Keeps the own run of each study up to date, and removes checkpoints that nobody needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.lifecycle import OPEN
from tuner.exporters import StudyWriter
from tuner.service import unfiled
from tuner.service.care import Care
from tuner.service.hands import Late, StuckError
from tuner.service.retention import remove_checkpoints, spare_checkpoints
from tuner.service.specs import Specs
from tuner.service.unfiled import Subject
from tuner.service.wording import receipt_markdown
from tuner.storage import Storage, tables


class StudyFiler:
    """Files studies. Not for several threads.

    Args:
        storage: the truth.
        log_root, checkpoint_root: shared with the workers.
        care: how it is tried.
        specs: of the studies.
    """

    def __init__(
        self, storage: Storage, log_root: Path, checkpoint_root: Path, care: Care, specs: Specs
    ) -> None:
        self._storage = storage
        self._log_root = log_root
        self._checkpoint_root = checkpoint_root
        self._care = care
        self._specs = specs
        #: Of each study its writer, and up to which result it has been told.
        self._writers: dict[int, tuple[StudyWriter, int]] = {}
        #: Of each study, when it last learnt and whether it was over, as its run says it.
        self._explained: dict[int, tuple[float | None, bool]] = {}
        #: Of each study, after which result its checkpoints were looked at.
        self._thinned: dict[int, int] = {}

    def file(self) -> None:
        """File what is new; raises as `Care.of`."""
        for study, is_due in self._changed():
            subject = Subject(kind="study", study_id=study.id)
            if is_due and not self._care.hands.is_stuck(subject):
                with self._care.of(subject, self._log_root):
                    self._file(study, subject)
            if self._thinned.get(study.id) != study.told:
                self._thinned[study.id] = study.told
                self._thin_out(study)
        for study in self._again():
            self._thin_out(study)

    def take_late(self, late: Late, subject: Subject) -> None:
        """Take in that something was done, or failed, when nobody waited for it any more."""
        if isinstance(late.result, StudyWriter):
            # Another one, made meanwhile or later, reads what this one has written.
            late.result.close()
        if late.error is None:
            self._care.done(subject)
        else:
            is_log = subject.kind == "study"
            root = self._log_root if is_log else self._checkpoint_root
            self._care.failed(subject, late.error, root)

    def drop_writers(self) -> None:
        """Close all files: what another server writes meanwhile is read again by the next ones."""
        for writer, _ in self._writers.values():
            writer.close()
        self._writers.clear()
        self._explained.clear()
        self._thinned.clear()

    def _changed(self) -> Sequence[tuple[sa.Row[Any], bool]]:
        """Return the studies with results that are not filed, and whether to file them now."""
        s = tables.studies
        # One that is over is looked at once more: its last result may have been filed before.
        ended = sa.and_(s.c.id.in_(list(self._writers)), s.c.state.not_in(OPEN))
        with self._storage.read() as connection:
            query = sa.select(s).where(sa.or_(s.c.told > s.c.filed, ended)).order_by(s.c.id)
            studies = connection.execute(query).all()
            waits = unfiled.not_due(connection, "study", self._storage.now(connection))
        return [(study, study.id not in waits) for study in studies]

    def _again(self) -> Sequence[sa.Row[Any]]:
        """Return the studies whose checkpoints could not be removed before."""
        s = tables.studies
        with self._storage.read() as connection:
            due = unfiled.due_studies(connection, "checkpoints", self._storage.now(connection))
            if not due:
                return []
            return connection.execute(sa.select(s).where(s.c.id.in_(due))).all()

    def _file(self, study: sa.Row[Any], subject: Subject) -> None:
        hands = self._care.hands
        what = f"the folder of {study.project}/{study.name}"
        if study.id not in self._writers:
            opened = hands.do(subject, what, partial(self._open_writer, study))
            self._writers[study.id] = (opened, 0)
        # Whatever goes wrong, the next writer begins with what is in the files.
        writer, told = self._writers.pop(study.id)
        try:
            self._add_objectives(writer, study.id, told)
            self._add_history(writer, study)
            hands.do(subject, what, partial(_write, writer))
        except StuckError as exc:
            if not exc.is_begun:
                writer.close()
            raise  # else the call that hangs has the writer, and `take_late` closes it
        except BaseException:
            writer.close()
            raise
        with self._storage.begin() as connection:
            s = tables.studies
            connection.execute(s.update().where(s.c.id == study.id).values(filed=study.told))
            unfiled.forgive(connection, subject)
        if study.state in OPEN:
            self._writers[study.id] = (writer, study.told)
        else:
            writer.close()
            self._explained.pop(study.id, None)
            self._thinned.pop(study.id, None)

    def _thin_out(self, study: sa.Row[Any]) -> None:
        subject = Subject(kind="checkpoints", study_id=study.id)
        if self._care.hands.is_stuck(subject):
            return
        with self._care.of(subject, self._checkpoint_root):
            with self._storage.read() as connection:
                spare = spare_checkpoints(connection, study, self._specs.of(study))
            if not spare:
                return
            what = f"the checkpoints of {study.project}/{study.name}"
            remove = partial(remove_checkpoints, self._checkpoint_root, study, spare)
            self._care.hands.do(subject, what, remove)
            self._care.done(subject)

    def _open_writer(self, study: sa.Row[Any]) -> StudyWriter:
        spec = self._specs.of(study)
        return StudyWriter(
            self._log_root,
            spec.name,
            spec.space,
            [{"name": metric.name, "goal": metric.goal} for metric in spec.metrics],
            trials=study.next_number,
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


def _write(writer: StudyWriter) -> StudyWriter:
    writer.write()
    return writer
