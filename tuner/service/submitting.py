"""Making a study of a spec, and what may change of it later. Inside the caller's transaction."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.events import record_event
from tuner.coordinator.lifecycle import set_state
from tuner.errors import SpecError, StudyError
from tuner.service.control import is_cancelled
from tuner.spec import Change, StudySpec, compare, identity, is_raised, parse_spec, show_change
from tuner.storage import optuna_rows, tables


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What is submitted.

    Attributes:
        spec: the checked spec.
        code: SHA-256 of a snapshot that was stored before, or None.
        data: fingerprint of the declared data, or None.
        git: `{commit, dirty}` of the spec's folder, or None; noted with every trial.
    """

    spec: StudySpec
    code: str | None = None
    data: str | None = None
    git: dict[str, Any] | None = None


def require_code(connection: sa.Connection, code: str | None) -> None:
    """Check that a snapshot is there.

    Raises:
        SpecError: it is not.
    """
    table = tables.snapshots
    if code is None:
        return
    if connection.execute(sa.select(table.c.hash).where(table.c.hash == code)).first() is None:
        raise SpecError(f"code: {code[:80]}: store the snapshot first (PUT /v1/code/…)")


def create_study(connection: sa.Connection, sent: Sent, now: float) -> sa.Row[Any]:
    """Insert a study that runs; return its row."""
    spec = sent.spec.with_sampler_named()
    if spec.sampler.seed is None:
        spec = spec.with_seed(secrets.randbelow(2**32))
    optuna_id = optuna_rows.insert_study(connection, spec.name, [m.goal for m in spec.metrics])
    row = connection.execute(
        tables.studies.insert()
        .values(
            project=spec.project,
            name=spec.study,
            state="running",
            optuna_id=optuna_id,
            identity=identity(spec, sent.code, sent.data),
            code=sent.code,
            data=sent.data,
            git_json=json.dumps(sent.git),
            seed=spec.sampler.seed,
            image=spec.image,
            created=now,
            started=now,
            running_since=now,
            **_columns(spec),
        )
        .returning(tables.studies)
    ).one()
    record_event(connection, now, "study-created", f"study {spec.name}", study_id=row.id)
    return row


def resubmit(
    connection: sa.Connection,
    study: sa.Row[Any],
    sent: Sent,
    now: float,
    *,
    new_code: bool = False,
) -> list[Change]:
    """Apply what a submission of an existing study changes; return the changes.

    Args:
        new_code: other code is accepted too, for the trials that are proposed from now on.

    Raises:
        StudyError: it differs in more than may change.
    """
    old = parse_spec(json.loads(study.spec_json))
    changed, refused = compare(old, sent.spec)
    if study.code != sent.code:
        (changed if new_code else refused).append(Change(key="code", old=study.code, new=sent.code))
    if study.data != sent.data:
        refused.append(Change(key="data", old=study.data, new=sent.data))
    if refused:
        raise StudyError(_refusal(sent.spec.name, refused))
    spec = sent.spec.with_sampler_named(old.sampler.name)
    if spec.sampler.seed is None:
        spec = spec.with_seed(study.seed)
    if study.code != sent.code:
        s = tables.studies
        values = {"code": sent.code, "git_json": json.dumps(sent.git)}
        values["identity"] = identity(spec, sent.code, sent.data)
        connection.execute(s.update().where(s.c.id == study.id).values(**values))
    apply_spec(connection, study, old, spec, changed, now)
    return changed


def apply_spec(
    connection: sa.Connection,
    study: sa.Row[Any],
    old: StudySpec,
    new: StudySpec,
    changed: list[Change],
    now: float,
) -> None:
    """Store a changed spec, and let a study that has reached its budget go on with a larger one."""
    if not changed:
        return
    s = tables.studies
    connection.execute(
        s.update().where(s.c.id == study.id).values(revision=s.c.revision + 1, **_columns(new))
    )
    text = "; ".join(change.text for change in changed)
    record_event(connection, now, "study-edited", text, study_id=study.id)
    maximize = new.metrics[0].goal == "maximize"
    is_over = study.state in ("finished", "stopping") and not is_cancelled(study)
    if is_over and is_raised(old.budget, new.budget, maximize=maximize):
        # Whether the new limit is not reached either, the coordinator finds out at once.
        set_state(connection, study, "running", "", now)


def _columns(spec: StudySpec) -> dict[str, Any]:
    """Return the columns of a study that hold its spec, whole and in part."""
    return {
        "spec_json": json.dumps(spec.to_json()),
        "priority": spec.priority,
        "parallel": spec.parallel,
        "device": "gpu" if spec.trial.gpus else "cpu",
    }


def _refusal(study: str, refused: list[Change]) -> str:
    lines = [f"study {study} exists and differs in what may not change:"]
    lines += [
        f"  {c.key}: {show_change(c.old)} (there) → {show_change(c.new)} (new)" for c in refused
    ]
    if [change.key for change in refused] == ["code"]:
        lines.append(
            "give the study another name, or take this change back; if it mends failed trials: "
            f"tuner retry {study} --failed --spec SPEC"
        )
    else:
        lines.append("give the study another name, or take these changes back")
    return "\n".join(lines)
