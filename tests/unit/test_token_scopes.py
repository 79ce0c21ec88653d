"""Every route x every scope x own, other and all projects x expired and revoked: who gets in.

The routes are those of the API's own description: one that is not in the table below fails here.
"""

from __future__ import annotations

import functools
import json
import time
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.api_app import TOKEN, Sent, api, api_storage
from tests.support.patience import clock
from tuner.security.identity import Scope
from tuner.server.access import OPEN_PATHS
from tuner.storage import tables

STUDY = "/v1/studies/{project}/{study}"
TRIAL = f"{STUDY}/trials/{{number}}"
#: What each route needs. `whole`: what it shows or does is nobody's project's.
ROUTES: dict[tuple[str, str], tuple[str, bool]] = {
    ("GET", "/v1/config"): ("work", False),
    ("GET", "/v1/code/{digest}"): ("work", False),
    ("POST", "/v1/claim"): ("work", False),
    ("POST", "/v1/beat"): ("work", False),
    ("POST", "/v1/attempts/{attempt}/report"): ("work", False),
    ("POST", "/v1/attempts/{attempt}/finish"): ("work", False),
    ("PUT", "/v1/code/{digest}"): ("submit", False),
    ("POST", "/v1/studies"): ("submit", False),
    ("GET", "/v1/studies"): ("read", False),
    ("GET", STUDY): ("read", False),
    ("PATCH", STUDY): ("submit", False),
    ("DELETE", STUDY): ("admin", False),
    ("GET", f"{STUDY}/events"): ("read", False),
    ("POST", f"{STUDY}/pause"): ("submit", False),
    ("POST", f"{STUDY}/resume"): ("submit", False),
    ("POST", f"{STUDY}/stop"): ("submit", False),
    ("POST", f"{STUDY}/cancel"): ("submit", False),
    ("POST", f"{STUDY}/retry"): ("submit", False),
    ("GET", f"{STUDY}/best"): ("read", False),
    ("GET", f"{STUDY}/trials"): ("read", False),
    ("GET", f"{STUDY}/explanation"): ("read", False),
    ("GET", f"{STUDY}/importance"): ("read", False),
    ("GET", f"{STUDY}/proposals"): ("read", False),
    # It needs all projects as well, which its path does not say.
    ("GET", f"{STUDY}/artifacts/{{digest}}"): ("read", True),
    ("GET", TRIAL): ("read", False),
    ("GET", f"{TRIAL}/log"): ("read", False),
    ("GET", f"{TRIAL}/explanation"): ("read", False),
    ("POST", f"{TRIAL}/cancel"): ("submit", False),
    ("GET", "/v1/workers"): ("read", False),
    ("GET", "/v1/demand"): ("read", False),
    ("POST", "/v1/workers/{name}/test"): ("admin", True),
    ("POST", "/v1/workers/{name}/drain"): ("admin", True),
    ("GET", "/v1/history"): ("read", False),
    ("GET", "/v1/history/rejected"): ("read", True),
    ("GET", "/v1/history/imports"): ("read", True),
    ("GET", "/v1/history/{key}/runs"): ("read", True),
    ("DELETE", "/v1/history/{key}"): ("admin", True),
    ("POST", "/v1/history"): ("submit", True),
    ("POST", "/v1/history/imports/{number}/runs"): ("submit", True),
    ("POST", "/v1/history/imports/{number}/finish"): ("submit", True),
    ("GET", "/v1/tokens"): ("admin", True),
    ("POST", "/v1/tokens"): ("admin", True),
    ("DELETE", "/v1/tokens/{token}"): ("admin", True),
    ("GET", "/metrics"): ("read", True),
}
HELD_BY = {"read": {"read", "submit", "admin"}, "submit": {"submit", "admin"}}
SPEC = {
    "objective": "toy:train",
    "metric": {"name": "score", "goal": "maximize"},
    "search_space": {"x": {"type": "float", "low": 0.0, "high": 1.0}},
    "budget": {"trials": 3},
}


@functools.cache
def tokens() -> dict[str, str]:
    """Return the secrets of tokens by name: `read-good`, `read-mine` and so on."""
    secrets = {}
    for scope in Scope:
        for kind in ("good", "expired", "revoked", "mine", "theirs"):
            where = [kind] if kind in ("mine", "theirs") else None
            body = {"name": f"{scope}-{kind}", "scopes": [scope], "projects": where}
            made = json.loads(send("POST", "/v1/tokens", TOKEN, {**body, "expires_s": 600}).content)
            secrets[made["name"]] = made["token"]
    t = tables.tokens
    with api_storage().begin() as connection:
        over = api_storage().now(connection) - 1
        connection.execute(t.update().where(t.c.name.endswith("-expired")).values(expires=over))
    # What the server knows of the last ones is forgotten with each that it revokes.
    for scope in Scope:
        assert send("DELETE", f"/v1/tokens/{scope}-revoked", TOKEN).status == 200
    return secrets


def token(scope: str, kind: str = "good") -> str:
    return tokens()[f"{scope}-{kind}"]


def send(method: str, path: str, secret: str, body: Any = None) -> Sent:
    content = [] if body is None else [json.dumps(body).encode()]
    headers = [("authorization", f"Bearer {secret}")]
    if body is not None:
        headers.append(("content-length", str(len(content[0]))))
    return Sent(method, path, *headers, body=content)


def detail(sent: Sent) -> str:
    return str(json.loads(sent.content)["detail"])


def filled(path: str) -> str:
    example = {"{digest}": "0" * 64, "{number}": "0", "{project}": "mine"}
    return "/".join(example.get(step, step.strip("{}")) for step in path.split("/"))


def test_the_table_names_every_route_that_the_description_knows() -> None:
    described = {
        (method.upper(), path)
        for path, item in api().openapi()["paths"].items()
        for method in item
        if path not in OPEN_PATHS
    }

    assert described == set(ROUTES)


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: str(part))
def test_a_route_lets_in_who_has_its_scope_and_tells_others_which_it_is(
    method: str, path: str
) -> None:
    wanted, _ = ROUTES[method, path]
    for scope in Scope:
        sent = send(method, filled(path), token(scope))
        if scope in HELD_BY.get(wanted, {wanted, "admin"}):
            assert sent.status not in (401, 403), (scope, sent.content)
        else:
            assert sent.status == 403, scope
            assert f"needs a token of scope {wanted};" in detail(sent)


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: str(part))
def test_a_token_for_one_project_reaches_no_other_and_nothing_of_the_whole_service(
    method: str, path: str
) -> None:
    wanted, is_whole = ROUTES[method, path]
    own = send(method, filled(path), token(wanted, "mine"))
    other = send(method, filled(path), token(wanted, "theirs"))

    if is_whole:
        assert (own.status, other.status) == (403, 403)
        assert "for all projects" in detail(own)
    else:
        assert own.status not in (401, 403), own.content
    if "{project}" in path:
        assert other.status == 403
        assert "token for project mine; " in detail(other)


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: str(part))
def test_no_route_takes_a_token_that_has_expired_or_was_revoked(method: str, path: str) -> None:
    wanted, _ = ROUTES[method, path]
    for state, said in (("expired", "has expired"), ("revoked", "was revoked")):
        sent = send(method, filled(path), token(wanted, state))
        assert sent.status == 401
        assert said in detail(sent)
        assert sent.headers["www-authenticate"] == "Bearer"


def test_no_one_learns_from_a_refusal_whether_a_study_of_another_project_exists() -> None:
    put_study("mine", "there")
    secret = token("read", "theirs")

    refusals = {detail(send("GET", f"/v1/studies/mine/{name}", secret)) for name in ("there", "no")}

    assert len(refusals) == 1


def test_lists_and_hints_show_only_the_studies_of_the_tokens_projects() -> None:
    put_study("mine", "listed")
    put_study("theirs", "listed")
    secret = token("read", "theirs")

    listed = json.loads(send("GET", "/v1/studies", secret).content)
    history = json.loads(send("GET", "/v1/history", secret).content)
    missing = send("GET", "/v1/studies/theirs/lsted", secret)

    assert {row["study"].partition("/")[0] for row in listed} == {"theirs"}
    assert all(row["key"].startswith("theirs/") for row in history)
    assert missing.status == 404
    assert "theirs/listed" in detail(missing)
    assert "mine/" not in detail(missing)


def test_a_token_submits_to_its_projects_only_and_names_no_history_of_others() -> None:
    secret = token("submit", "mine")

    def submit(**changes: Any) -> Sent:
        spec = {**SPEC, "project": "mine", "study": "own", **changes}
        return send("POST", "/v1/studies", secret, {"spec": spec})

    assert submit().status == 200
    assert submit(project="theirs").status == 403
    named = submit(study="nosy", history=["theirs/listed"])
    assert named.status == 403
    assert "project theirs" in detail(named)


def test_what_a_token_changes_is_noted_with_its_name() -> None:
    put_study("mine", "noted")
    send("POST", "/v1/studies/mine/noted/pause", token("submit"))

    events = json.loads(send("GET", "/v1/studies/mine/noted/events", TOKEN).content)

    assert events[-1]["actor"] == "somebody (token submit-good)"


def test_the_use_of_a_token_is_taken_down() -> None:
    secret = token("read")
    assert send("GET", "/v1/studies", secret).status == 200
    t = tables.tokens

    def last_used() -> float | None:
        with api_storage().read() as connection:
            query = sa.select(t.c.last_used).where(t.c.name == "read-good")
            return connection.execute(query).scalar_one()

    deadline = clock() + 10
    while last_used() is None:
        assert clock() < deadline, "its use is not noted"
        time.sleep(0.01)


def test_a_workers_token_is_told_the_redis_user_who_can_only_fetch() -> None:
    told = {
        who: json.loads(send("GET", "/v1/config", secret).content)["redis_url"]
        for who, secret in (("worker", token("work")), ("owner", TOKEN))
    }

    assert told == {"worker": "redis://fetch@redis", "owner": "redis://all@redis"}


def test_a_database_holds_no_secret() -> None:
    secret = token("work")

    with api_storage().read() as connection:
        rows = connection.execute(sa.select(tables.tokens)).all()

    assert rows
    assert not any(secret in str(value) for row in rows for value in row)


def put_study(project: str, study: str) -> None:
    spec = {**SPEC, "project": project, "study": study}
    assert send("POST", "/v1/studies", TOKEN, {"spec": spec}).status == 200
