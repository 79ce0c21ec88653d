"""Keeps the own run of each study up to date, and removes checkpoints that nobody needs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tuner.documents.document import JsonObject
from tuner.exporters import Paper, StudyWriter
from tuner.exporters.study import LEADERBOARD_TAG, STUDY_RUN
from tuner.roots import Place
from tuner.service.answers.times import iso
from tuner.service.answers.wording import receipt_markdown
from tuner.service.files.retention import remove_checkpoints, spare_checkpoints
from tuner.service.files.schedule import Due, Schedule
from tuner.service.files.study_folder import StudyFolder, is_outdated, write_events, write_papers
from tuner.service.insights.computing import Insights, Wish
from tuner.service.insights.form import INSIGHTS_FILE, important
from tuner.service.insights.leaderboard import leaderboard_markdown
from tuner.service.insights.summary import STUDY_FILE, full_order, study_summary
from tuner.service.roots import unfiled
from tuner.service.roots.care import Care
from tuner.service.roots.hands import Late, StuckError
from tuner.service.roots.unfiled import Subject
from tuner.storage import Storage, tables
from tuner.trials.specs import read_spec
from tuner.trials.store.trials import trials_of
from tuner.trials.study import Study
from tuner.trials.study_states import OPEN


class StudyFiler:
    """Files studies. Not for several threads.

    Args:
        storage: the truth.
        log_root, checkpoint_root: shared with the workers.
        care: how it is tried.
        insights: into the studies; None: there are none.
    """

    def __init__(
        self,
        storage: Storage,
        log_root: Path,
        checkpoint_root: Path,
        care: Care,
        insights: Insights | None = None,
    ) -> None:
        self._storage = storage
        self._log_root = log_root
        self._checkpoint_root = checkpoint_root
        self._care = care
        self._schedule = Schedule()
        self._insights = Insights(None) if insights is None else insights
        #: Studies that ended before this server led and whose files lack that.
        self._outdated: set[int] = set()
        #: Of each study its files, and up to which result they know it.
        self._folders: dict[int, tuple[StudyFolder, int]] = {}
        #: Of each study, when it last learnt and whether it was over, as its run says it.
        self._explained: dict[int, tuple[float | None, bool]] = {}
        #: Of each study, after which result its checkpoints were looked at.
        self._thinned: dict[int, int] = {}

    def file(self, *, last: bool = False) -> None:
        """File what is new and due; raises as `Care.of`.

        Args:
            last: whether this server files for the last time: then nothing waits for its turn.
        """
        fresh = self._with_results()
        self._find_outdated()
        for study, due in self._due(last=last):
            subject = Subject(kind="study", study_id=study.id)
            if not self._care.hands.is_stuck(subject):
                with self._care.of(subject, self._log_root):
                    self._file(study, subject, due)
        for study in fresh:
            self._thinned[study.id] = study.told
            self._thin_out(study)
        for study in self._again():
            self._thin_out(study)

    def await_insights(self, timeout_s: float) -> bool:
        """Wait for insights into studies that have ended; return whether there are new ones."""
        self._insights.wait_for_ended(timeout_s)
        return bool(self._insights.fresh())

    def take_late(self, late: Late, subject: Subject) -> None:
        """Take in that something was done, or failed, when nobody waited for it any more."""
        if isinstance(late.result, StudyFolder):
            # Another one, made meanwhile or later, reads what this one has written.
            late.result.writer.close()
        if late.error is None:
            self._care.done(subject)
        else:
            is_log = subject.kind == "study"
            root = self._log_root if is_log else self._checkpoint_root
            self._care.failed(subject, late.error, root)

    def drop_writers(self) -> None:
        """Close all files: what another server writes meanwhile is read again by the next ones."""
        for folder, _ in self._folders.values():
            folder.writer.close()
        self._folders.clear()
        self._schedule.forget()
        self._outdated.clear()
        self._insights.forget()
        self._explained.clear()
        self._thinned.clear()

    def _with_results(self) -> Sequence[sa.Row[Any]]:
        """Return the studies with results after which checkpoints were not looked at."""
        s = tables.studies
        query = sa.select(s.c.id, s.c.told).where(s.c.told > s.c.filed)
        with self._storage.read() as connection:
            found = connection.execute(query).all()
            fresh = [row.id for row in found if self._thinned.get(row.id) != row.told]
            return _rows(connection, fresh)

    def _find_outdated(self) -> None:
        """Have studies that ended before this server led be filed, where their files lack that.

        A server may have ended between a study's end and its filing, and earlier releases wrote
        less. A folder that is not there any more stays away.
        """
        with self._storage.read() as connection:
            rows = _rows(connection, self._schedule.earlier(connection))
        for study in rows:
            subject = Subject(kind="study", study_id=study.id)
            what = f"the folder of {study.project}/{study.name}"
            with self._care.of(subject, self._log_root):
                look = partial(is_outdated, self._place(study), study.state)
                if self._care.hands.do(subject, what, look):
                    self._outdated.add(study.id)

    def _due(self, *, last: bool) -> list[tuple[sa.Row[Any], Due]]:
        """Return the studies that are filed now."""
        with self._storage.read() as connection:
            news = self._outdated | self._insights.fresh()
            due = self._schedule.due(connection, news, last=last)
            waits = unfiled.not_due(connection, "study", self._storage.now(connection))
            now = {item.study_id: item for item in due if item.study_id not in waits}
            return [(row, now[row.id]) for row in _rows(connection, list(now))]

    def _again(self) -> Sequence[sa.Row[Any]]:
        """Return the studies whose checkpoints could not be removed before."""
        s = tables.studies
        with self._storage.read() as connection:
            due = unfiled.due_studies(connection, "checkpoints", self._storage.now(connection))
            if not due:
                return []
            return connection.execute(sa.select(s).where(s.c.id.in_(due))).all()

    def _file(self, study: sa.Row[Any], subject: Subject, due: Due) -> None:
        hands = self._care.hands
        what = f"the folder of {study.project}/{study.name}"
        known = len(read_spec(study.spec_json).space)
        self._close_outgrown(study.id, known)
        if study.id not in self._folders:
            opened = hands.do(subject, what, partial(self._open, study))
            self._folders[study.id] = (opened, 0)
        # Whatever goes wrong, the next writer begins with what is in the files.
        folder, told = self._folders.pop(study.id)
        try:
            self._add_objectives(folder.writer, study.id, told)
            self._add_history(folder.writer, study)
            self._add_leaderboard(folder.writer, study)
            if known or study.state not in OPEN:  # else no column can be declared yet
                hands.do(subject, what, partial(write_events, folder))
            with self._storage.begin() as connection:
                s = tables.studies
                connection.execute(s.update().where(s.c.id == study.id).values(filed=study.told))
            # Afterwards: the curves need fewer of the study's rows, and none that may be damaged.
            insights = self._insights.of(study.id)
            summary, updated = self._summary(study, insights)
            hands.do(subject, what, partial(write_papers, folder, summary, insights, updated))
        except StuckError as exc:
            if not exc.is_begun:
                folder.writer.close()
            raise  # else the call that hangs has the writer, and `take_late` closes it
        except BaseException:
            folder.writer.close()
            raise
        self._care.done(subject)
        self._insights.taken(study.id, insights, is_over=study.state not in OPEN)
        self._want_insights(study)
        self._schedule.filed(due, study.state)
        self._outdated.discard(study.id)
        if study.state in OPEN:
            self._folders[study.id] = (folder, study.told)
        else:
            folder.writer.close()
            self._explained.pop(study.id, None)
            self._thinned.pop(study.id, None)

    def _thin_out(self, study: sa.Row[Any]) -> None:
        subject = Subject(kind="checkpoints", study_id=study.id)
        if self._care.hands.is_stuck(subject):
            return
        with self._care.of(subject, self._checkpoint_root):
            with self._storage.read() as connection:
                spare = spare_checkpoints(connection, study, read_spec(study.spec_json))
            if not spare:
                return
            what = f"the checkpoints of {study.project}/{study.name}"
            remove = partial(remove_checkpoints, self._checkpoint_root, study, spare)
            self._care.hands.do(subject, what, remove)
            self._care.done(subject)

    def _open(self, study: sa.Row[Any]) -> StudyFolder:
        spec = read_spec(study.spec_json)
        writer = StudyWriter(
            self._log_root,
            spec.name,
            spec.space,
            [{"name": metric.name, "goal": metric.goal} for metric in spec.metrics],
            trials=study.next_number,
            is_growing=spec.finds_space,
        )
        place = self._place(study)
        return StudyFolder(
            writer=writer,
            summary=Paper(place, STUDY_FILE),
            insights=Paper(place, INSIGHTS_FILE),
            known=len(spec.space),
        )

    def _close_outgrown(self, study_id: int, known: int) -> None:
        """Have a run be begun anew whose columns, TensorBoard's first, are not all any more."""
        if study_id in self._folders and self._folders[study_id][0].known != known:
            self._folders.pop(study_id)[0].writer.close()
            self._explained.pop(study_id, None)

    def _place(self, study: sa.Row[Any]) -> Place:
        return Place(self._log_root, f"{study.project}/{study.name}").below(STUDY_RUN)

    def _want_insights(self, study: sa.Row[Any]) -> None:
        name, is_over = f"{study.project}/{study.name}", study.state not in OPEN
        wish = Wish(study_id=study.id, name=name, told=study.told, is_over=is_over)
        self._insights.want(wish)

    def _summary(self, study: sa.Row[Any], insights: JsonObject | None) -> tuple[JsonObject, str]:
        """Return the content of the study's summary, and its time."""
        spec = read_spec(study.spec_json)
        with self._storage.read() as connection:
            now = self._storage.now(connection)
            order = important(insights)
            return study_summary(connection, study, spec, order, now), iso(now) or ""

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

    def _add_leaderboard(self, writer: StudyWriter, study: sa.Row[Any]) -> None:
        spec = read_spec(study.spec_json)
        order = full_order(spec.space.parameters, important(self._insights.of(study.id)))
        # A trial that cannot be read costs the table, and not the curves.
        with contextlib.suppress(ValueError), self._storage.read() as connection:
            text = leaderboard_markdown(connection, study, spec, order)
            if text:
                writer.explain(text, LEADERBOARD_TAG)

    def _add_history(self, writer: StudyWriter, study: sa.Row[Any]) -> None:
        """Have the study's run say what it learnt from history; at its end, what that gained."""
        a = tables.artifacts
        query = sa.select(sa.func.max(a.c.created)).where(a.c.study_id == study.id)
        with self._storage.read() as connection:
            learnt = connection.execute(query).scalar()
            version = (learnt, study.state not in OPEN)
            if learnt is None or self._explained.get(study.id) == version:
                return
            trials = trials_of(connection, study.id)
        # scipy takes a quarter of a second to import, which a study without history does without.
        from tuner.service.explanations.explaining import explain_study

        learner, is_over = Study.of(study), study.state not in OPEN
        found = explain_study(self._storage, learner, trials, limit=0, gain=is_over)
        writer.explain(receipt_markdown(found))
        self._explained[study.id] = version


def _rows(connection: sa.Connection, studies: list[int]) -> Sequence[sa.Row[Any]]:
    s = tables.studies
    if not studies:
        return []
    return connection.execute(sa.select(s).where(s.c.id.in_(studies)).order_by(s.c.id)).all()
