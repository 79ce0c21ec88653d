from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tuner.client import ApiClient
from tuner.errors import (
    NotFoundError,
    SetupError,
    SpecError,
    StudyError,
    TunerError,
    UnavailableError,
)
from tuner.service.service import Service

#: What the server's routes ask when another verb has failed.
NO_VERBS = {"find_fault"}
VERBS = [
    name
    for name, _ in inspect.getmembers(Service, inspect.isfunction)
    if name[0] != "_" and name not in NO_VERBS
]


@pytest.mark.parametrize("verb", VERBS)
def test_the_client_has_every_verb_of_the_service_with_the_same_arguments(verb: str) -> None:
    ours = inspect.signature(getattr(ApiClient, verb)).parameters
    theirs = inspect.signature(getattr(Service, verb)).parameters

    assert list(ours) == list(theirs)
    assert {n: p.default for n, p in ours.items()} == {n: p.default for n, p in theirs.items()}


class _Answer(BaseHTTPRequestHandler):
    """Answers `/v1/studies/<status>/x` with that status and a problem document."""

    def do_GET(self) -> None:
        status = int(self.path.split("/")[3])
        body = b'{"title": "t", "detail": "what is wrong"}' if status != 599 else b"<html>"
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, SpecError),
        (401, SetupError),
        (404, NotFoundError),
        (409, StudyError),
        (413, SpecError),
        (422, SpecError),
        (500, UnavailableError),
        (503, UnavailableError),
    ],
)
def test_a_problem_document_becomes_the_error_it_stands_for(
    url: str, status: int, kind: type[TunerError]
) -> None:
    with ApiClient(url, "token") as api, pytest.raises(kind, match="what is wrong") as error_info:
        api.status(f"{status}/x")

    assert type(error_info.value) is kind


def test_a_server_that_fails_without_a_problem_document_is_unavailable(url: str) -> None:
    with ApiClient(url, "token") as api, pytest.raises(UnavailableError, match="599"):
        api.status("599/x")


def test_nobody_answering_is_unavailable() -> None:
    with ApiClient("http://127.0.0.1:9", None) as api, pytest.raises(UnavailableError):
        api.health()
