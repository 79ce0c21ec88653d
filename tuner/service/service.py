"""What users can do. Submitting is idempotent: submitting the same study again returns it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tuner.archives import ArchiveError, check_archive
from tuner.documents.submission import Deleted, Edited, Retried, SpecChange, Submitted
from tuner.documents.workers import Drained, Tested
from tuner.errors import NotFoundError, SpecError, StudyError
from tuner.refusal import CodeChoice
from tuner.service.answers.reach import require_reach
from tuner.service.roots.removing import remove_study
from tuner.service.studies.code import require_code, store_code
from tuner.service.studies.control import Control, describe, is_cancelled
from tuner.service.studies.deleting import delete_study
from tuner.service.studies.retrying import retry_failed
from tuner.service.studies.submitting import Resubmission, Sent, apply_spec, create_study, resubmit
from tuner.spec import Change, StudySpec, compare, edit_spec, parse_spec
from tuner.storage import tables
from tuner.storage.engines.conflict import again_after_conflict
from tuner.trials.specs import read_spec
from tuner.trials.store.studies import find_study, find_study_row, hold_named
from tuner.trials.study import Study

#: Inside `Service`, the name `list` is a method.
Changes = list[Change]
#: Maximum size of a snapshot, which holds code, not data.
MAX_SNAPSHOT_BYTES = 64 << 20


class Service(Control):
    """The functions of the command line, on the database."""

    @again_after_conflict
    def put_code(self, digest: str, content: bytes) -> None:
        """Store a code snapshot under its SHA-256; an existing one is unchanged.

        Raises:
            SpecError: the digest does not match the content, or the content is too large or not an
                archive that every worker can unpack.
        """
        if len(content) > MAX_SNAPSHOT_BYTES:
            raise SpecError(f"code: {len(content)} bytes: at most {MAX_SNAPSHOT_BYTES}")
        if hashlib.sha256(content).hexdigest() != digest:
            raise SpecError("code: the content does not have this SHA-256")
        try:
            check_archive(content)
        except ArchiveError as exc:
            raise SpecError(f"code: the snapshot cannot be unpacked: {exc}") from exc
        with self._storage.begin() as connection:
            store_code(connection, digest, content, self._storage.now(connection))

    @again_after_conflict
    def submit(
        self,
        spec: dict[str, Any],
        code: str | None = None,
        data: str | None = None,
        git: dict[str, Any] | None = None,
        use_code: CodeChoice | None = None,
    ) -> Submitted:
        """Create a study, or continue the one with the same identity.

        Args:
            spec: as `StudySpec.to_json` gives it.
            code: SHA-256 of a snapshot that was stored before, or None.
            data: fingerprint of the declared data, or None.
            git: `{commit, dirty}` of the spec's folder, or None; recorded with every trial.
            use_code: if the study has other code: continue with the `old`, or run the `new` from
                now on; None: refuse.

        Raises:
            SpecError: the spec is wrong, or the snapshot does not exist.
            ChangedError: a study of this name exists and differs in something that may not change.
            ForbiddenError: the study, or one that its history names, belongs to another project.
        """
        sent = Sent(spec=parse_spec(spec), code=code, data=data, git=git)
        require_reach(sent.spec)
        done = Resubmission(changes=[], not_taken=None)
        with self._storage.begin() as connection:
            require_code(connection, code)
            now = self._storage.now(connection)
            existing = hold_named(connection, sent.spec.name)
            if existing is None:
                create_study(connection, sent, now)
            else:
                done = resubmit(connection, existing, sent, now, choice=use_code)
            state = _state(connection, sent.spec)
        self._on_change()
        submitted: Submitted = {
            "study": sent.spec.name,
            "state": state,
            "created": existing is None,
            "changes": _documents(done.changes),
        }
        left = done.not_taken
        if left is not None and (left.code or left.others):
            submitted["not_taken"] = {"code": list(left.code), "other_files": list(left.others)}
        return submitted

    @again_after_conflict
    def edit(self, study: str, changes: dict[str, Any]) -> Edited:
        """Change budget, parallel, pruner, priority and trial limits of a study.

        A larger budget reopens a study that has reached its limit. Limits of a trial apply to
        attempts that start afterwards, a pruner to all.

        Args:
            study: the study's name.
            changes: new values by key, as `tuner.spec.edit_spec` takes them.

        Raises:
            SpecError: a key or value is wrong; nothing was changed.
            StudyError: the study was cancelled.
        """
        with self._storage.begin() as connection:
            known = find_study(connection, study, hold="change")
            _refuse_cancelled(known)
            old = read_spec(known.spec_json)
            new = edit_spec(old, changes)
            require_reach(new)
            made, _ = compare(old, new)
            apply_spec(connection, known, old, new, made, self._storage.now(connection))
            state = _state(connection, new)
        self._on_change()
        return {"study": study, "state": state, "changes": _documents(made)}

    @again_after_conflict
    def retry(
        self,
        study: str,
        *,
        spec: dict[str, Any] | None = None,
        code: str | None = None,
        data: str | None = None,
        git: dict[str, Any] | None = None,
    ) -> Retried:
        """Propose the configurations of failed trials again, as new trials ahead of others.

        Args:
            study: the study's name.
            spec: the study's spec with corrected code: `code`, `data` and `git` as in `submit`.
                Trials that are proposed from now on run that code; existing ones keep theirs.
            code: see `spec`.
            data: see `spec`.
            git: see `spec`.

        Returns:
            `retried`: numbers of the failed trials whose configuration is being tried again;
            `changes`: what the spec has changed, including the code.

        Raises:
            SpecError: the spec is wrong or that of another study, or the snapshot does not exist.
            StudyError: the study was cancelled, or (`ChangedError`) the spec differs in something
                that may not change.
        """
        sent = None
        if spec is not None:
            sent = Sent(spec=parse_spec(spec), code=code, data=data, git=git)
            if sent.spec.name != study:
                raise SpecError(f"the spec is that of {sent.spec.name}, not of {study}")
            require_reach(sent.spec)
        changes: Changes = []
        with self._storage.begin() as connection:
            known = find_study(connection, study, hold="change")
            _refuse_cancelled(known)
            now = self._storage.now(connection)
            if sent is not None:
                require_code(connection, sent.code)
                changes = resubmit(connection, known, sent, now, choice="new").changes
            numbers = retry_failed(connection, find_study(connection, study), now)
        self._on_change()
        return {"retried": numbers, "changes": _documents(changes)}

    @again_after_conflict
    def delete(self, study: str) -> Deleted:
        """Delete a study: rows, logs and checkpoints. Running trials lose their right to report.

        Returns:
            `log_dirs`: the removed folders; `kept`: path and reason for each folder that still
            exists.
        """
        with self._storage.begin() as connection:
            # A damaged study can be deleted as well.
            row = find_study_row(connection, study, hold="delete")
            delete_study(connection, study, row.id, row.optuna_id)
        self._on_change()
        done = remove_study(self._roots(), row.project, row.name, self._removing_hands)
        return {"deleted": True, "log_dirs": done.removed, "kept": done.kept}

    @again_after_conflict
    def drain(self, name: str) -> Drained:
        """Make a worker leave when its current trial has ended.

        Raises:
            NotFoundError: there is no such worker.
        """
        self._set_worker(name, drain=True)
        return {"worker": name, "state": "draining"}

    def test(self, name: str) -> Tested:
        """Make a worker test itself as soon as it is idle; it is back in service if it passes.

        Raises:
            NotFoundError: there is no such worker.
        """
        self._set_worker(name, test_after=0.0)
        return {"worker": name, "state": "test due"}

    def _set_worker(self, name: str, **values: Any) -> None:
        w = tables.workers
        with self._storage.begin() as connection:
            changed = connection.execute(w.update().where(w.c.name == name).values(**values))
        if changed.rowcount == 0:
            known = ", ".join(worker["name"] for worker in self.workers()) or "none"
            raise NotFoundError(f"there is no worker {name[:100]!r}; known: {known}")

    def _roots(self) -> tuple[Path, Path]:
        return (self._settings.log_root, self._settings.checkpoint_root)


def _state(connection: sa.Connection, spec: StudySpec) -> str:
    s = tables.studies
    query = sa.select(s.c.state).where(s.c.project == spec.project, s.c.name == spec.study)
    return str(connection.execute(query).scalar_one())


def _refuse_cancelled(study: Study) -> None:
    if is_cancelled(study):
        raise StudyError(f"{describe(study)}, which is final; submit it under another name")


def _documents(changes: Changes) -> list[SpecChange]:
    return [_document(change) for change in changes]


def _document(change: Change) -> SpecChange:
    document: SpecChange = {"key": change.key, "old": change.old, "new": change.new}
    if change.detail:
        document["detail"] = list(change.detail)
    return document
