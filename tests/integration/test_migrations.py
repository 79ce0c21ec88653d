"""A database of an earlier revision keeps what its studies had when it is brought up to date."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import sqlalchemy as sa

from tests.support.archives import make_archive
from tests.support.databases.lab import copy_as
from tuner.service.service import Service
from tuner.settings import load_settings
from tuner.spec import parse_spec
from tuner.storage import Storage, open_storage, tables

SPEC = {
    "project": "old",
    "objective": "toy:train",
    "metric": {"name": "score", "goal": "maximize"},
    "search_space": {"x": {"type": "bool"}},
    "budget": {"trials": 3},
}
GIT = {"commit": "a" * 40, "dirty": False}


def test_trials_of_before_run_the_code_of_their_study(database_url: str, tmp_path: Path) -> None:
    newer = f"sqlite:///{tmp_path / 'newer.db'}"
    storage = open_storage(newer, create=True)
    code = make_studies(storage)
    storage.close()
    # Revision 0002 knew neither the code of a trial nor `parallel` in a column.
    copy_as(newer, database_url, "0002")
    storage = open_storage(database_url, create=True)

    s, t = tables.studies, tables.trials
    with storage.read() as connection:
        parallel = connection.execute(sa.select(s.c.parallel).order_by(s.c.id)).scalars().all()
        trials = connection.execute(sa.select(t.c.code, t.c.git_json).order_by(t.c.study_id)).all()
    storage.close()
    assert parallel == [3, None]
    assert [(row.code, json.loads(row.git_json)) for row in trials] == [(code, GIT), (None, None)]


def make_studies(storage: Storage) -> str:
    """Make a study with code and one without, each with a trial; return the code's hash."""
    service = Service(storage, load_settings({}))
    content = make_archive({"objectives.py": ""})
    code = hashlib.sha256(content).hexdigest()
    service.put_code(code, content)
    with_code = parse_spec({**SPEC, "study": "with-code", "parallel": 3}).to_json()
    service.submit(with_code, code=code, git=GIT)
    service.submit(parse_spec({**SPEC, "study": "without"}).to_json())
    with storage.begin() as connection:
        for study in connection.execute(sa.select(tables.studies)).all():
            row = {
                "study_id": study.id,
                "number": 0,
                "state": "waiting",
                "params_json": "{}",
                "seed": 1,
                "proposal_json": "{}",
                "optuna_id": 1,
                "created": 1.0,
            }
            connection.execute(tables.trials.insert(), row)
    return code
