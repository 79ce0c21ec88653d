"""No route, present or to come, is reached or reads a body before the token is looked at."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn
from uvicorn.server import ServerState

from tests.support.api_app import POWERLESS, TOKEN, Sent, api, book, operations
from tuner.server import limits
from tuner.server.access import OPEN_PATHS, AccessMiddleware
from tuner.server.http.connections import Doorkeeper
from tuner.server.http.wire import Wire
from tuner.server.limits import MAX_BODY_BYTES

CHUNK = b"[" * (8 << 20)
OPERATIONS = operations()
CLOSED = [(method, path) for method, path in OPERATIONS if path not in OPEN_PATHS]
ANNOUNCED = ("content-length", str(20 << 20))


def bearer(token: str) -> tuple[str, str]:
    return "authorization", f"Bearer {token}"


def test_the_description_knows_all_routes() -> None:
    assert len(CLOSED) >= 40


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_without_a_token_no_route_asks_for_its_body(method: str, path: str) -> None:
    sent = Sent(method, path, ANNOUNCED, body=[CHUNK] * 3)

    assert sent.asked == 0
    assert sent.headers["connection"] == "close"
    if (method, path) in CLOSED:
        assert sent.status == 401
        assert sent.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_every_route_names_a_scope_and_looks_at_it_before_the_body(method: str, path: str) -> None:
    sent = Sent(method, path, bearer(POWERLESS), ANNOUNCED, body=[CHUNK] * 3)

    # A route whose body is read by the framework, without a bound, would have asked for it here.
    assert (sent.status, sent.asked) == (403, 0)


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_no_route_reads_more_than_any_body_may_have(method: str, path: str) -> None:
    large = ("content-length", str(MAX_BODY_BYTES + 1))
    announced = Sent(method, path, bearer(TOKEN), large, body=[CHUNK] * 99)
    endless = Sent(method, path, bearer(TOKEN), ("transfer-encoding", "chunked"), body=[CHUNK] * 99)

    assert (announced.status, announced.asked) == (413, 0)
    assert endless.asked <= MAX_BODY_BYTES // len(CHUNK) + 1


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", TOKEN)],
        [("authorization", "Bearer")],
        [("authorization", f"Basic {TOKEN}")],
        [bearer(TOKEN[:-1])],
        [bearer(TOKEN + "x")],
        [bearer(TOKEN)] * 2,
        [("cookie", f"token={TOKEN}")],
    ],
    ids=str,
)
def test_nothing_but_one_good_bearer_token_passes(headers: list[tuple[str, str]]) -> None:
    assert Sent("GET", "/v1/nowhere", *headers).status == 401


def test_a_good_token_passes_whatever_the_case_of_its_kind() -> None:
    assert Sent("GET", "/v1/nowhere", ("authorization", f"bearer {TOKEN}")).status == 404


@pytest.mark.parametrize("path", sorted(OPEN_PATHS))
def test_only_get_and_head_are_open(path: str) -> None:
    assert Sent("POST", path).status == 401
    assert Sent("GET", path).status in (200, 503)


def test_a_flood_waits_its_turn_and_is_told_so_and_takes_nothing_from_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # So slow that no machine is slow enough for one more.
    monkeypatch.setattr(limits, "STRANGER_RATE", limits.Rate(per_s=0.001, burst=3))
    monkeypatch.setattr(limits, "STRANGER_WAIT_S", 0.01)
    monkeypatch.setattr(limits, "TOKEN_RATE", limits.Rate(per_s=0.001, burst=2))
    app = AccessMiddleware(api(), tokens=book())

    def ask(token: str = "", client: str = "192.0.2.1", path: str = "/v1/nowhere") -> Sent:
        return Sent("GET", path, bearer(token), client=client, app=app)

    assert [ask().status for _ in range(5)] == [401, 401, 401, 429, 429]
    assert 500 < int(ask().headers["retry-after"]) <= 1000
    assert ask(client="192.0.2.2").status == 401, "another address has its own"
    assert ask(path="/healthz").status == 200, "a probe is never refused"
    assert [ask(TOKEN).status for _ in range(3)] == [404, 404, 429]
    assert 500 < int(ask(TOKEN).headers["retry-after"]) <= 1000
    assert ask(POWERLESS).status == 404, "another token has its own"


def test_who_keeps_asking_for_the_documentation_waits_behind_probes_and_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "OPEN_AGAIN_RATE", limits.Rate(per_s=0.001, burst=2))
    monkeypatch.setattr(limits, "STRANGER_WAIT_S", 0.01)
    app = AccessMiddleware(api(), tokens=book())

    def ask(path: str = "/openapi.json", client: str = "192.0.2.1") -> int:
        return Sent("GET", path, client=client, app=app).status

    assert [ask() for _ in range(3)] == [200, 200, 429]
    assert ask(client="192.0.2.2") == 200, "another address has its own"
    assert ask("/readyz") in (200, 503), "a probe is never refused"


def test_a_probe_is_favoured_once_on_each_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OPEN_AGAIN_RATE", limits.Rate(per_s=0.001, burst=1))
    monkeypatch.setattr(limits, "STRANGER_WAIT_S", 0.01)
    app = AccessMiddleware(api(), tokens=book())
    kept = wire()

    statuses = [Sent("GET", "/healthz", app=app, wire=kept).status for _ in range(3)]

    assert statuses == [200, 200, 429]
    assert Sent("GET", "/healthz", app=app, wire=wire()).status == 200


def wire() -> Wire:
    config = uvicorn.Config(api(), ws="none", proxy_headers=False)
    return Wire(
        Doorkeeper(10),
        config=config,
        server_state=ServerState(),
        app_state={},
        _loop=asyncio.new_event_loop(),
    )
