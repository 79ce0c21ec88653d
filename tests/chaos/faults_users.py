"""Users who mean well: one deletes the rows of a study by a script of his own."""

from __future__ import annotations

import contextlib
import random

import httpx
import optuna
import sqlalchemy as sa

from tests.chaos.faults import DATABASE, LOGS, SERVERS, Fault, FaultKind
from tests.chaos.stack import Stack
from tests.chaos.studies import OBJECTIVES, VICTIM
from tuner.snapshot import make_snapshot
from tuner.storage import tables

#: SQLite lets him, unless he asks it not to.
ORPHANS = "trials, but not what belongs to them"
#: What he deletes, in Optuna's tables.
ROWS = {
    "the study": None,
    ORPHANS: "DELETE FROM trials WHERE study_id = :id",
    "parameters": "DELETE FROM trial_params WHERE trial_id IN "
    "(SELECT trial_id FROM trials WHERE study_id = :id)",
    "directions": "DELETE FROM study_directions WHERE study_id = :id",
    "values": "DELETE FROM trial_values WHERE trial_id IN "
    "(SELECT trial_id FROM trials WHERE study_id = :id)",
}  # fmt: skip


class DeleteRows(Fault):
    """A study of its own loses its rows; then the study is deleted, from behind a planted link."""

    needs = frozenset({SERVERS, DATABASE, LOGS})
    patience_s = 15.0

    def __init__(self, stack: Stack, chance: random.Random) -> None:
        super().__init__(stack, chance)
        self._what = chance.choice([w for w in ROWS if w != ORPHANS or stack.kind == "sqlite"])
        self._links = chance.random() < 0.5
        self._is_deleted = False

    def begin(self) -> bool:
        service = self.stack.lead
        snapshot = make_snapshot(OBJECTIVES)
        with contextlib.suppress(httpx.TransportError):
            service.call("PUT", f"/code/{snapshot.sha256}", content=snapshot.data)
            spec = VICTIM.spec(1000, self.chance.randrange(2**31))
            answer = service.call("POST", "/studies", {"spec": spec, "code": snapshot.sha256})
            self.said = self._what
            return answer.status_code == 200
        return False

    def has_struck(self) -> bool:
        """Delete once some trials have ended; a study that is gone must then be paused."""
        s, t = tables.studies, tables.trials
        try:
            if self._is_deleted:
                state = self.stack.select(sa.select(s.c.state).where(s.c.project == VICTIM.project))
                return self._what != "the study" or [row.state for row in state] == ["paused"]
            found = self.stack.select(
                sa.select(s.c.optuna_id, sa.func.count(t.c.number))
                .join(t, t.c.study_id == s.c.id)
                .where(s.c.project == VICTIM.project, t.c.state == "complete")
                .group_by(s.c.optuna_id)
            )
            if not found or found[0][1] < 2:
                return False
            self._delete(found[0].optuna_id)
            self._is_deleted = True
        except (sa.exc.DBAPIError, optuna.exceptions.StorageInternalError):
            """Next time."""
        return False

    def end(self) -> None:
        project = self.stack.log_root.path / VICTIM.project
        if self._links and project.is_dir() and not project.is_symlink():
            project.rename(project.with_name("victims-aside"))
            project.symlink_to(self.stack.guard.path)
        try:
            self._delete_study()
        finally:
            if project.is_symlink():
                project.unlink()
                project.with_name("victims-aside").rename(project)

    def _delete(self, optuna_id: int) -> None:
        statement = ROWS[self._what]
        if statement is None:
            with contextlib.suppress(KeyError):  # it is gone already
                optuna.delete_study(study_name=VICTIM.full_name, storage=self.stack.database_url)
            return
        with self.stack.writing() as connection:
            connection.execute(sa.text(statement), {"id": optuna_id})

    def _delete_study(self) -> None:
        service = self.stack.lead
        with contextlib.suppress(httpx.TransportError):
            service.call("POST", f"/studies/{VICTIM.full_name}/cancel")
            answer = service.call("DELETE", f"/studies/{VICTIM.full_name}")
            if answer.status_code not in (200, 404):
                self.stack.violations.append(
                    f"{self._what}: the study cannot be deleted: {answer.text[:200]}"
                )


KINDS: dict[str, FaultKind] = {
    "user deletes rows of his study": FaultKind(
        make=DeleteRows, lasts=(1.0, 3.0), takes_trials=True
    ),
}
