"""What users can do. Submitting is idempotent: the same study again is the same study."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.events import record_event
from tuner.coordinator.lifecycle import set_state
from tuner.errors import NotFoundError, SpecError, StudyError
from tuner.service.control import Control
from tuner.service.finding import find_study
from tuner.service.views import Document
from tuner.spec import Change, StudySpec, compare, identity, parse_spec
from tuner.storage import optuna_rows, tables

#: Inside `Service`, the name `list` is a verb.
Changes = list[Change]
#: A snapshot holds code, not data.
MAX_SNAPSHOT_BYTES = 64 << 20


class Service(Control):
    """The verbs of the command line, on the database."""

    def put_code(self, digest: str, content: bytes) -> None:
        """Store a code snapshot under its SHA-256; a known one is left as it is.

        Raises:
            SpecError: the digest is not that of the content, or the content is too large.
        """
        if len(content) > MAX_SNAPSHOT_BYTES:
            raise SpecError(f"code: {len(content)} bytes: at most {MAX_SNAPSHOT_BYTES}")
        if hashlib.sha256(content).hexdigest() != digest:
            raise SpecError("code: the content does not have this SHA-256")
        table = tables.snapshots
        with self._storage.begin() as connection:
            known = connection.execute(sa.select(table.c.hash).where(table.c.hash == digest))
            if known.first() is None:
                now = self._storage.now(connection)
                connection.execute(table.insert().values(hash=digest, content=content, created=now))

    def submit(
        self,
        spec: dict[str, Any],
        code: str | None = None,
        data: str | None = None,
        git: dict[str, Any] | None = None,
    ) -> Document:
        """Create a study, or go on with the one of the same identity.

        Args:
            spec: as `StudySpec.to_json` gives it.
            code: SHA-256 of a snapshot that was stored before, or None.
            data: fingerprint of the declared data, or None.
            git: `{commit, dirty}` of the spec's folder, or None; noted with every trial.

        Raises:
            SpecError: the spec is wrong, or the snapshot is not there.
            StudyError: a study of this name exists and differs in more than may change.
        """
        parsed = parse_spec(spec)
        with self._storage.begin() as connection:
            self._require_code(connection, code)
            existing = self._find(connection, parsed)
            if existing is None:
                document = self._create(connection, parsed, code, data, git)
            else:
                document = self._resubmit(connection, existing, parsed, code, data)
        self._on_change()
        return document

    def delete(self, study: str) -> Document:
        """Delete a study: rows, logs and checkpoints. Running trials lose their right to report.

        Returns:
            `log_dirs`: the folders that were removed.
        """
        with self._storage.begin() as connection:
            row = find_study(connection, study, hold=True)
            for table in (tables.reports, tables.attempts, tables.trials, tables.events):
                connection.execute(table.delete().where(table.c.study_id == row.id))
            connection.execute(tables.studies.delete().where(tables.studies.c.id == row.id))
            optuna_rows.delete_study(connection, row.optuna_id)
            self._drop_unused_code(connection, row.code)
        self._on_change()
        folders = [root / row.project / row.name for root in self._roots() if root.exists()]
        removed = [str(folder) for folder in folders if folder.exists()]
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        return {"deleted": True, "log_dirs": removed}

    def drain(self, name: str) -> Document:
        """Have a worker leave when its present trial has ended.

        Raises:
            NotFoundError: there is no such worker.
        """
        w = tables.workers
        with self._storage.begin() as connection:
            changed = connection.execute(w.update().where(w.c.name == name).values(drain=True))
        if changed.rowcount == 0:
            known = ", ".join(worker["name"] for worker in self.workers()) or "none"
            raise NotFoundError(f"there is no worker {name[:100]!r}; known: {known}")
        return {"worker": name, "state": "draining"}

    def _roots(self) -> tuple[Any, ...]:
        return (self._settings.log_root, self._settings.checkpoint_root)

    def _find(self, connection: sa.Connection, spec: StudySpec) -> sa.Row[Any] | None:
        s = tables.studies
        return connection.execute(
            sa.select(s)
            .where(s.c.project == spec.project, s.c.name == spec.study)
            .with_for_update()
        ).first()

    def _require_code(self, connection: sa.Connection, code: str | None) -> None:
        table = tables.snapshots
        if code is None:
            return
        if connection.execute(sa.select(table.c.hash).where(table.c.hash == code)).first() is None:
            raise SpecError(f"code: {code[:80]}: store the snapshot first (PUT /v1/code/…)")

    def _create(
        self,
        connection: sa.Connection,
        spec: StudySpec,
        code: str | None,
        data: str | None,
        git: dict[str, Any] | None,
    ) -> Document:
        if spec.sampler.seed is None:
            spec = spec.with_seed(secrets.randbelow(2**32))
        now = self._storage.now(connection)
        optuna_id = optuna_rows.insert_study(connection, spec.name, [m.goal for m in spec.metrics])
        row = connection.execute(
            tables.studies.insert()
            .values(
                project=spec.project,
                name=spec.study,
                state="running",
                optuna_id=optuna_id,
                spec_json=json.dumps(spec.to_json()),
                identity=identity(spec, code, data),
                code=code,
                data=data,
                git_json=json.dumps(git),
                seed=spec.sampler.seed,
                device="gpu" if spec.trial.gpus else "cpu",
                image=spec.image,
                priority=spec.priority,
                created=now,
                started=now,
                running_since=now,
            )
            .returning(tables.studies)
        ).one()
        record_event(connection, now, "study-created", f"study {spec.name}", study_id=row.id)
        return {"study": spec.name, "state": row.state, "created": True, "changes": []}

    def _resubmit(
        self,
        connection: sa.Connection,
        row: sa.Row[Any],
        spec: StudySpec,
        code: str | None,
        data: str | None,
    ) -> Document:
        old = parse_spec(json.loads(row.spec_json))
        changed, refused = compare(old, spec)
        if row.code != code:
            refused.append(Change(key="code", old=row.code, new=code))
        if row.data != data:
            refused.append(Change(key="data", old=row.data, new=data))
        if refused:
            raise StudyError(_refusal(spec.name, refused))
        if spec.sampler.seed is None:
            spec = spec.with_seed(row.seed)
        state = self._apply(connection, row, spec, changed)
        changes = [{"key": c.key, "old": c.old, "new": c.new} for c in changed]
        return {"study": spec.name, "state": state, "created": False, "changes": changes}

    def _apply(
        self, connection: sa.Connection, row: sa.Row[Any], spec: StudySpec, changed: Changes
    ) -> str:
        now = self._storage.now(connection)
        s = tables.studies
        if changed:
            connection.execute(
                s.update()
                .where(s.c.id == row.id)
                .values(
                    spec_json=json.dumps(spec.to_json()),
                    priority=spec.priority,
                    device="gpu" if spec.trial.gpus else "cpu",
                    revision=row.revision + 1,
                )
            )
            text = "; ".join(f"{c.key}: {_show(c.old)} → {_show(c.new)}" for c in changed)
            record_event(connection, now, "study-edited", text, study_id=row.id)
        reopened = row.state in ("finished", "stopping") and changed
        if reopened:
            # Whether the budget is really larger now, the coordinator finds out at once.
            set_state(connection, row, "running", "", now)
        return "running" if reopened else str(row.state)

    def _drop_unused_code(self, connection: sa.Connection, code: str | None) -> None:
        s, table = tables.studies, tables.snapshots
        if code is None:
            return
        if connection.execute(sa.select(s.c.id).where(s.c.code == code).limit(1)).first() is None:
            connection.execute(table.delete().where(table.c.hash == code))


def _refusal(study: str, refused: Changes) -> str:
    lines = [f"study {study} exists and differs in what may not change:"]
    lines += [f"  {c.key}: {_show(c.old)} (there) → {_show(c.new)} (new)" for c in refused]
    lines.append("give the study another name, or take these changes back")
    return "\n".join(lines)


def _show(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:197] + "..."
