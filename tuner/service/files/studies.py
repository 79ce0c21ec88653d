"""Keeps each study's own run up to date, and removes checkpoints that are no longer needed."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from tuner.documents.study_folder.insights import InsightsDocument
from tuner.documents.study_folder.summary import SummaryDocument
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
from tuner.trials.store.filing import results_to_file, values_since
from tuner.trials.store.studies import read_study, set_study
from tuner.trials.store.trials import trials_of
from tuner.trials.study import Study


class StudyFiler:
    """Files studies. Not thread-safe.

    Args:
        log_root, checkpoint_root: shared with the workers.
        care: handles errors.
        insights: into the studies.
    """

    def __init__(
        self,
        storage: Storage,
        log_root: Path,
        checkpoint_root: Path,
        care: Care,
        insights: Insights,
    ) -> None:
        self._storage = storage
        self._log_root = log_root
        self._checkpoint_root = checkpoint_root
        self._care = care
        self._schedule = Schedule()
        self._insights = insights
        #: Studies that ended before this server led and whose files lack their end.
        self._outdated: set[int] = set()
        #: For each study, its files and the last result that they include.
        self._folders: dict[int, tuple[StudyFolder, int]] = {}
        #: For each study, when it last learned from history and whether it had ended, as filed.
        self._explained: dict[int, tuple[float | None, bool]] = {}
        #: For each study, the result after which its checkpoints were last checked.
        self._thinned: dict[int, int] = {}

    def file(self, *, last: bool = False) -> None:
        """File what is new and due; raises as `Care.of` does.

        Args:
            last: whether this server files for the last time, so that nothing waits for its turn.
        """
        fresh = self._with_results()
        self._find_outdated()
        for due in self._due(last=last):
            subject = Subject(kind="study", study_id=due.study_id)
            if not self._care.hands.is_stuck(subject):
                with self._care.of(subject, self._log_root):
                    study = self._read(due.study_id)
                    if study is not None:
                        self._file(study, subject, due)
        self._thinned |= fresh
        for study_id in [*fresh, *self._again()]:
            self._thin_out(study_id)

    def await_insights(self, timeout_s: float) -> bool:
        """Wait for insights into studies that have ended; return whether there are new ones."""
        self._insights.wait_for_ended(timeout_s)
        return bool(self._insights.fresh())

    def take_late(self, late: Late, subject: Subject) -> None:
        """Process a late success or failure."""
        if isinstance(late.result, StudyFolder):
            # Another writer, made meanwhile or later, reads what this one has written.
            late.result.writer.close()
        if late.error is None:
            self._care.done(subject)
        else:
            is_log = subject.kind == "study"
            root = self._log_root if is_log else self._checkpoint_root
            self._care.failed(subject, late.error, root)

    def drop_writers(self) -> None:
        """Close all files, so that the next writers read what another server writes meanwhile."""
        for folder, _ in self._folders.values():
            folder.writer.close()
        self._folders.clear()
        self._schedule.forget()
        self._outdated.clear()
        self._insights.forget()
        self._explained.clear()
        self._thinned.clear()

    def _read(self, study_id: int) -> Study | None:
        """Return a study; None: it was deleted just now.

        Each is read separately, so that one with a damaged row does not keep others from being
        filed.
        """
        with self._storage.read() as connection:
            return read_study(connection, study_id)

    def _with_results(self) -> dict[int, int]:
        """Return the ids of studies with results since their checkpoints were last checked."""
        with self._storage.read() as connection:
            found = results_to_file(connection)
        return {id: told for id, told in found.items() if self._thinned.get(id) != told}

    def _find_outdated(self) -> None:
        """Schedule studies that ended before this server led, if their files lack the end.

        A server may have stopped between a study's end and its filing, and earlier releases wrote
        less. A folder that was removed is not created again.
        """
        with self._storage.read() as connection:
            earlier = self._schedule.earlier(connection)
        for study_id in earlier:
            subject = Subject(kind="study", study_id=study_id)
            with self._care.of(subject, self._log_root):
                study = self._read(study_id)
                if study is None:
                    continue
                what = f"the folder of {study.full_name}"
                look = partial(is_outdated, self._place(study), study.state.value)
                if self._care.hands.do(subject, what, look):
                    self._outdated.add(study.id)

    def _due(self, *, last: bool) -> list[Due]:
        """Return the studies to file now."""
        with self._storage.read() as connection:
            news = self._outdated | self._insights.fresh()
            due = self._schedule.due(connection, news, last=last)
            waits = unfiled.not_due(connection, "study", self._storage.now(connection))
            return [item for item in due if item.study_id not in waits]

    def _again(self) -> set[int]:
        """Return the ids of the studies whose checkpoints could not be removed before."""
        with self._storage.read() as connection:
            return unfiled.due_studies(connection, "checkpoints", self._storage.now(connection))

    def _file(self, study: Study, subject: Subject, due: Due) -> None:
        hands = self._care.hands
        what = f"the folder of {study.full_name}"
        known = len(read_spec(study.spec_json).space)
        self._close_outgrown(study.id, known)
        if study.id not in self._folders:
            opened = hands.do(subject, what, partial(self._open, study))
            self._folders[study.id] = (opened, 0)
        # If anything fails, the next writer starts from what is in the files.
        folder, told = self._folders.pop(study.id)
        try:
            self._add_objectives(folder.writer, study.id, told)
            self._add_history(folder.writer, study)
            self._add_leaderboard(folder.writer, study)
            if known or not study.state.is_open:  # else no column can be declared yet
                hands.do(subject, what, partial(write_events, folder))
            with self._storage.begin() as connection:
                set_study(connection, study.id, filed=study.told)
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
        self._insights.taken(study.id, insights, is_over=not study.state.is_open)
        self._want_insights(study)
        self._schedule.filed(due, study.state)
        self._outdated.discard(study.id)
        if study.state.is_open:
            self._folders[study.id] = (folder, study.told)
        else:
            folder.writer.close()
            self._explained.pop(study.id, None)
            self._thinned.pop(study.id, None)

    def _thin_out(self, study_id: int) -> None:
        subject = Subject(kind="checkpoints", study_id=study_id)
        if self._care.hands.is_stuck(subject):
            return
        with self._care.of(subject, self._checkpoint_root):
            study = self._read(study_id)
            if study is None:
                return
            with self._storage.read() as connection:
                spare = spare_checkpoints(connection, study.id, read_spec(study.spec_json))
            if not spare:
                return
            what = f"the checkpoints of {study.full_name}"
            remove = partial(remove_checkpoints, self._checkpoint_root, study.full_name, spare)
            self._care.hands.do(subject, what, remove)
            self._care.done(subject)

    def _open(self, study: Study) -> StudyFolder:
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
        """Close a run that needs more columns: TensorBoard reads only a run's first columns."""
        if study_id in self._folders and self._folders[study_id][0].known != known:
            self._folders.pop(study_id)[0].writer.close()
            self._explained.pop(study_id, None)

    def _place(self, study: Study) -> Place:
        return Place(self._log_root, study.full_name).below(STUDY_RUN)

    def _want_insights(self, study: Study) -> None:
        wish = Wish(
            study_id=study.id,
            name=study.full_name,
            told=study.told,
            is_over=not study.state.is_open,
        )
        self._insights.want(wish)

    def _summary(
        self, study: Study, insights: InsightsDocument | None
    ) -> tuple[SummaryDocument, str]:
        """Return the content of the study's summary, and its time."""
        spec = read_spec(study.spec_json)
        with self._storage.read() as connection:
            now = self._storage.now(connection)
            order = important(insights)
            return study_summary(connection, study, spec, order, now), iso(now) or ""

    def _add_objectives(self, writer: StudyWriter, study_id: int, told: int) -> None:
        with self._storage.read() as connection:
            results = values_since(connection, study_id, told)
        for number, values in results:
            writer.add(number, values)

    def _add_leaderboard(self, writer: StudyWriter, study: Study) -> None:
        spec = read_spec(study.spec_json)
        order = full_order(spec.space.parameters, important(self._insights.of(study.id)))
        # A trial that cannot be read costs the table, but not the curves.
        with contextlib.suppress(ValueError), self._storage.read() as connection:
            text = leaderboard_markdown(connection, study.id, spec, order)
            if text:
                writer.explain(text, LEADERBOARD_TAG)

    def _add_history(self, writer: StudyWriter, study: Study) -> None:
        """Add to the study's run what it learned from history, and at its end what that gained."""
        a = tables.artifacts
        query = sa.select(sa.func.max(a.c.created)).where(a.c.study_id == study.id)
        with self._storage.read() as connection:
            learnt = connection.execute(query).scalar()
            version = (learnt, not study.state.is_open)
            if learnt is None or self._explained.get(study.id) == version:
                return
            trials = trials_of(connection, study.id)
        # Importing scipy takes a quarter of a second, which a study without history does not need.
        from tuner.service.explanations.explaining import explain_study

        is_over = not study.state.is_open
        found = explain_study(self._storage, study, trials, limit=0, gain=is_over)
        writer.explain(receipt_markdown(found))
        self._explained[study.id] = version
