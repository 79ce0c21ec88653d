"""Code submitted again: what is the same study, what is refused, and the ways on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from tests.support.archives import make_archive
from tests.support.service_process import TOKEN
from tests.support.study_lab import Lab
from tuner.client import ApiClient
from tuner.refusal import ChangedError
from tuner.service.service import Service
from tuner.settings import load_settings
from tuner.storage import open_storage, tables

CODE = "import helpers\n\n\ndef train(run):\n    return helpers.f(run)\n"
FILES = {"objectives.py": CODE, "helpers.py": "def f(run):\n    return 1.0\n", "notes.md": "1"}


def store(lab: Lab, changes: dict[str, str] | None = None) -> str:
    """Store the code of this study with changed files; return its hash."""
    # A comment of its own: what other tests store is another snapshot.
    files = {**FILES, "objectives.py": f"# {lab.name}\n{CODE}", **(changes or {})}
    content = make_archive(files)
    digest = hashlib.sha256(content).hexdigest()
    assert lab.service.call("PUT", f"/code/{digest}", content=content).status_code == 204
    return digest


def submit(lab: Lab, code: str | None, **more: Any) -> httpx.Response:
    spec = lab.spec(**more.pop("spec", {}))
    return lab.service.call("POST", "/studies", {"spec": spec, "code": code, **more})


def running_code(lab: Lab) -> str:
    """Return the code that the next trial runs."""
    held = lab.claim()
    held.complete(0.5)
    code: str = held.assignment["code"]
    return code


def test_other_files_end_nothing_and_trials_go_on_with_those_of_the_study(lab: Lab) -> None:
    first = store(lab)
    submit(lab, first)
    changed = store(
        lab, {"notes.md": "2", "more.py": "x = 1", "helpers.py": FILES["helpers.py"] + "# !"}
    )
    answer = submit(lab, changed)

    assert answer.status_code == 200
    assert answer.json() == {
        "study": lab.study,
        "state": "running",
        "created": False,
        "changes": [],
        "not_taken": {"code": [], "other_files": ["more.py", "notes.md"]},
    }
    assert running_code(lab) == first
    assert lab.events("study-edited") == []


def test_other_files_are_taken_when_they_are_asked_for(lab: Lab) -> None:
    submit(lab, store(lab))
    changed = store(lab, {"notes.md": "2"})
    answer = submit(lab, changed, use_code="new").json()

    (change,) = answer["changes"]
    assert (change["new"], change["detail"]) == (changed, ["notes.md: other content"])
    assert "not_taken" not in answer
    assert running_code(lab) == changed
    assert submit(lab, changed).json()["changes"] == []


def test_a_change_of_code_is_refused_with_files_lines_and_the_ways_on(lab: Lab) -> None:
    first = store(lab)
    submit(lab, first)
    answer = submit(lab, store(lab, {"helpers.py": "def f(run):\n    return 2.0\n"}))

    assert answer.status_code == 409
    said = answer.json()["detail"].splitlines()
    assert said[:2] == [
        f"study {lab.study} exists and its code differs:",
        "  helpers.py: line 2 changed (1 line)",
    ]
    assert [line.split("  ")[1] for line in said[3:]] == [
        "tuner run SPEC --code old",
        "tuner run SPEC --code new",
        f"tuner run SPEC --as {lab.name}-2",
    ]
    assert running_code(lab) == first


def test_the_old_code_goes_on_and_the_new_one_is_for_trials_from_now_on(lab: Lab) -> None:
    first = store(lab)
    submit(lab, first, spec={"parallel": 1})
    changed = store(lab, {"helpers.py": "def f(run):\n    return 2.0\n"})
    old = submit(lab, changed, spec={"parallel": 1}, use_code="old").json()
    ran_old = running_code(lab)
    new = submit(lab, changed, spec={"parallel": 1}, use_code="new").json()

    assert old["not_taken"] == {"code": ["helpers.py: line 2 changed (1 line)"], "other_files": []}
    assert ran_old == first
    assert new["changes"][0]["detail"] == ["helpers.py: line 2 changed (1 line)"]
    codes = {lab.show(trial["trial"])["code"] for trial in lab.trials() if trial["trial"] > 1}
    assert codes | {running_code(lab)} <= {first, changed}
    assert submit(lab, changed, spec={"parallel": 1}).json()["changes"] == []
    (event,) = lab.events("study-edited")
    assert event["text"] == "code: helpers.py: line 2 changed (1 line)"


def test_what_a_trial_has_imported_counts_from_then_on(lab: Lab) -> None:
    plugins = {"plugins/a.py": "x = 1", "plugins/b.py": "x = 1"}
    submit(lab, store(lab, plugins))
    lab.claim().complete(0.5, modules=["objectives.py", "plugins/a.py", "x" * 400])

    other = submit(lab, store(lab, {**plugins, "plugins/b.py": "x = 2"}))
    same = submit(lab, store(lab, {**plugins, "plugins/a.py": "x = 1  # one"}))
    changed = submit(lab, store(lab, {**plugins, "plugins/a.py": "x = 2"}))
    assert [other.status_code, same.status_code, changed.status_code] == [200, 200, 409]
    assert "plugins/a.py: line 1 changed" in changed.json()["detail"]


def test_the_sibling_is_the_next_free_number(lab: Lab) -> None:
    others = [Lab(lab.service, f"{lab.name}-{n}") for n in (2, 3)]
    try:
        for one in (lab, *others):
            submit(one, store(lab), spec={"history": "none"})
        changed = store(lab, {"helpers.py": "def f(run): return 3.0"})
        with ApiClient(lab.service.url, TOKEN) as api, pytest.raises(ChangedError) as caught:
            api.submit(others[0].spec(history="none"), code=changed)
    finally:
        for one in others:
            one.close()

    assert caught.value.refusal.sibling == f"{lab.name}-4"
    assert caught.value.refusal.learns is False


def test_a_change_of_more_than_code_offers_a_study_of_its_own_alone(lab: Lab) -> None:
    submit(lab, store(lab))
    changed = store(lab, {"helpers.py": "def f(run): return 3.0"})
    refused = submit(lab, changed, spec={"objective": "objectives:other"}, data="0" * 64)

    said = refused.json()["detail"]
    assert 'objective: "objectives:train" (there) → "objectives:other" (new)' in said
    assert "helpers.py: lines 1" in said or "helpers.py: line 1" in said
    assert "data: the files that data.paths names are others" in said
    assert "--code" not in said
    assert "0" * 64 not in said
    assert f"tuner run SPEC --as {lab.name}-2" in said


def test_the_client_raises_the_refusal_with_its_parts(lab: Lab) -> None:
    submit(lab, store(lab))
    changed = store(lab, {"helpers.py": "def f(run): return 3.0"})
    with (
        ApiClient(lab.service.url, TOKEN) as api,
        pytest.raises(ChangedError) as caught,
    ):
        api.submit(lab.spec(), code=changed)

    assert caught.value.refusal.sibling == f"{lab.name}-2"
    said = caught.value.refusal.message("tuner submit", "'a b.yaml'", f"{lab.name}-1")
    assert f"tuner submit 'a b.yaml' --as {lab.name}-1 --code old " in said


def test_a_snapshot_that_no_study_took_is_forgotten_after_a_while(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path / 'tuner.db'}", create=True)
    service = Service(storage, load_settings({}))
    digests = []
    for name in ("unused", "used", "fresh"):
        content = make_archive({f"{name}.py": ""})
        digests.append(hashlib.sha256(content).hexdigest())
        service.put_code(digests[-1], content)
    unused, used, fresh = digests
    spec = {
        "project": "p",
        "study": "s",
        "objective": "toy:train",
        "budget": {"trials": 1},
        "metric": {"name": "score", "goal": "maximize"},
        "search_space": {"x": {"type": "bool"}},
    }
    service.submit(spec, code=used)
    table = tables.snapshots
    with storage.begin() as connection:
        old = table.update().where(table.c.hash.in_([unused, used]))
        connection.execute(old.values(created=table.c.created - 4000))
    content = make_archive({"next.py": ""})
    service.put_code(hashlib.sha256(content).hexdigest(), content)
    with storage.read() as connection:
        kept = set(connection.execute(sa.select(table.c.hash)).scalars())
    storage.close()

    assert kept == {used, fresh, hashlib.sha256(content).hexdigest()}
