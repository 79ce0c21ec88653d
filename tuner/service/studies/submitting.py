"""Creates a study from a spec and applies later changes, inside the caller's transaction."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.refusal import ChangedError, CodeChoice, Refusal
from tuner.service.studies.code import find_difference
from tuner.service.studies.control import is_cancelled
from tuner.snapshot import CodeDifference
from tuner.spec import (
    Change,
    StudySpec,
    compare,
    identity,
    is_raised,
    keep_found,
    show_change,
)
from tuner.storage import optuna_rows, tables
from tuner.trials.kinds import device_of
from tuner.trials.specs import read_spec, write_spec
from tuner.trials.states import StudyState, TrialState
from tuner.trials.store.events import record_event
from tuner.trials.store.studies import set_study
from tuner.trials.study import Study
from tuner.trials.study_states import set_state

#: Maximum length of the name of a project or a study.
MAX_NAME = 63
#: Maximum number of other files that are named individually.
MAX_OTHERS = 3
#: States in which a larger budget may let a study run again.
_OVER = (StudyState.FINISHED, StudyState.STOPPING)


@dataclass(frozen=True, kw_only=True)
class Resubmission:
    """What a submission did to an existing study.

    Attributes:
        changes: what it has changed.
        not_taken: how the submitted code differs from the code that trials continue with; None: the
            study uses the submitted code.
    """

    changes: list[Change]
    not_taken: CodeDifference | None


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A submission.

    Attributes:
        spec: the checked spec.
        code: SHA-256 of a snapshot that was stored before, or None.
        data: fingerprint of the declared data, or None.
        git: `{commit, dirty}` of the spec's folder, or None; recorded with every trial.
    """

    spec: StudySpec
    code: str | None = None
    data: str | None = None
    git: dict[str, Any] | None = None


def create_study(connection: sa.Connection, sent: Sent, now: float) -> None:
    """Insert a running study."""
    spec = sent.spec.with_sampler_named()
    if spec.sampler.seed is None:
        spec = spec.with_seed(secrets.randbelow(2**32))
    optuna_id = optuna_rows.insert_study(connection, spec.name, [m.goal for m in spec.metrics])
    study_id = connection.execute(
        tables.studies.insert()
        .values(
            project=spec.project,
            name=spec.study,
            state=StudyState.RUNNING.value,
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
        .returning(tables.studies.c.id)
    ).scalar_one()
    record_event(connection, now, "study-created", f"study {spec.name}", study_id=study_id)


def resubmit(
    connection: sa.Connection,
    study: Study,
    sent: Sent,
    now: float,
    *,
    choice: CodeChoice | None = None,
) -> Resubmission:
    """Apply the changes of a submission to an existing study.

    Differences in files that the objective does not import are no obstacle: trials keep the
    study's.

    Args:
        study: locked for a change.
        now: the database's time.
        choice: what to do with other code. None: refuse.

    Raises:
        ChangedError: it differs in something that may not change.
    """
    old = read_spec(study.spec_json)
    changed, refused = compare(old, sent.spec)
    difference = find_difference(connection, study, sent.spec, sent.code)
    takes_code = choice == "new" and study.code != sent.code
    if takes_code:
        changed.append(_code_change(study, sent, difference))
    elif difference.code and choice is None:
        refused.append(_code_change(study, sent, difference))
    if study.data != sent.data:
        detail = ("the files that data.paths names are others than those the study began with",)
        refused.append(Change(key="data", old=study.data, new=sent.data, detail=detail))
    if refused:
        refusal = _refusal(connection, study, sent.spec, refused, difference.code)
        raise ChangedError(refusal)
    spec = keep_found(old, sent.spec).with_sampler_named(old.sampler.name)
    if spec.sampler.seed is None:
        spec = spec.with_seed(study.seed)
    if takes_code:
        marks = {"git_json": json.dumps(sent.git), "identity": identity(spec, sent.code, sent.data)}
        set_study(connection, study.id, code=sent.code, **marks)
    apply_spec(connection, study, old, spec, changed, now)
    return Resubmission(changes=changed, not_taken=None if takes_code else difference)


def apply_spec(
    connection: sa.Connection,
    study: Study,
    old: StudySpec,
    new: StudySpec,
    changed: list[Change],
    now: float,
) -> None:
    """Store a changed spec; reopen a study that has reached its budget if the new one is larger."""
    if not changed:
        return
    s = tables.studies
    connection.execute(
        s.update().where(s.c.id == study.id).values(revision=s.c.revision + 1, **_columns(new))
    )
    text = "; ".join(change.text for change in changed)
    record_event(connection, now, "study-edited", text, study_id=study.id)
    maximize = new.metrics[0].goal == "maximize"
    is_over = study.state in _OVER and not is_cancelled(study)
    if is_over and is_raised(old.budget, new.budget, maximize=maximize):
        # The coordinator will find out immediately whether the new limit is reached as well.
        set_state(connection, study, StudyState.RUNNING, "", now)


def _columns(spec: StudySpec) -> dict[str, Any]:
    """Return the columns of a study that hold its spec, entire and in parts."""
    return {
        "spec_json": write_spec(spec),
        "priority": spec.priority,
        "parallel": spec.parallel,
        "device": device_of(spec),
        "gpus": spec.trial.gpus,
    }


def _code_change(study: Study, sent: Sent, difference: CodeDifference) -> Change:
    others = tuple(f"{path}: other content" for path in difference.others[:MAX_OTHERS])
    detail = difference.code or others or ("comments or format only",)
    if not difference.is_known:
        detail = ()
    return Change(key="code", old=study.code, new=sent.code, detail=detail)


def _refusal(
    connection: sa.Connection,
    study: Study,
    spec: StudySpec,
    refused: list[Change],
    code: tuple[str, ...],
) -> Refusal:
    texts: list[str] = []
    for change in refused:
        if change.key == "code":
            texts += code
        elif change.detail:
            texts.append(change.text)
        else:
            old, new = show_change(change.old), show_change(change.new)
            texts.append(f"{change.key}: {old} (there) → {new} (new)")
    t = tables.trials
    failed = sa.select(t.c.number).where(
        t.c.study_id == study.id, t.c.state == TrialState.FAIL.value, t.c.cause != "cancelled"
    )
    return Refusal(
        study=spec.name,
        texts=tuple(texts),
        code_only=all(change.key == "code" for change in refused),
        sibling=_free_name(connection, spec),
        learns=any(item.auto for item in spec.history),
        failed=connection.execute(failed.limit(1)).first() is not None,
    )


def _free_name(connection: sa.Connection, spec: StudySpec) -> str | None:
    """Return the study's name with the first number that is free in the project."""
    s = tables.studies
    names = connection.execute(sa.select(s.c.name).where(s.c.project == spec.project)).scalars()
    taken = set(names)
    found = re.fullmatch(r"(.+?)-([0-9]{1,6})", spec.study)
    base, first = (found[1], int(found[2]) + 1) if found else (spec.study, 2)
    numbers = range(first, first + len(taken) + 1)
    free = (name for n in numbers if (name := f"{base}-{n}") not in taken)
    name = next(free)
    return name if len(name) <= MAX_NAME else None
