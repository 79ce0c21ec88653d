"""Clocks of server and client that are apart: when it is said, and what."""

from __future__ import annotations

import email.utils
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tuner.cli.main import main
from tuner.protocol import VERSION, clock_off_s, clocks_text
from tuner.security.trust import explain_tls

NOW = 1_796_000_000.0


def date(seconds: float) -> str:
    return email.utils.formatdate(seconds, usegmt=True)


@pytest.mark.parametrize(("theirs", "off"), [(NOW, 0.0), (NOW + 90, 88.0), (NOW - 3600, -3600.0)])
def test_the_time_that_an_answer_took_is_not_taken_for_a_difference(
    theirs: float, off: float
) -> None:
    assert clock_off_s(date(theirs), NOW, NOW + 2) == off


@pytest.mark.parametrize("text", [None, "", "yesterday", "Mon, 99 Foo 99999 99:99:99 GMT"])
def test_what_is_no_date_says_nothing(text: str | None) -> None:
    assert clock_off_s(text, NOW, NOW) == 0.0
    assert clocks_text("http://s", text, NOW, NOW) == ""


def test_clocks_that_are_seconds_apart_are_not_worth_a_word() -> None:
    assert clocks_text("http://s", date(NOW + 60), NOW, NOW) == ""


def test_clocks_that_are_hours_apart_are_told_with_both_times_and_the_harm() -> None:
    text = clocks_text("https://tuner.example", date(NOW + 8 * 3600), NOW, NOW)

    assert text.startswith(
        "the clocks differ by 8 hours: here it is 2026-11-30 00:53 UTC, at the server "
        "https://tuner.example it is 2026-11-30 08:53 UTC; set the one that is wrong"
    )
    for harmed in ("certificates", "token", "logs", "trials are safe"):
        assert harmed in text
    assert "30 minutes" in clocks_text("u", date(NOW - 1800), NOW, NOW)
    assert "400 days" in clocks_text("u", date(NOW + 400 * 86400), NOW, NOW)


@pytest.mark.parametrize("said", ["certificate has expired", "certificate is not yet valid"])
def test_a_certificate_of_another_time_may_be_the_own_clocks_fault(said: str) -> None:
    text = explain_tls(f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {said}")

    assert "UTC now, this machine's clock is what is wrong" in text
    assert "authority" not in text


class _Server(ThreadingHTTPServer):
    """A Tuner server whose clock is so far ahead."""

    off_s = 0.0


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.path.startswith("/v1/demand"):
            self.send_error(404)
            return
        health = {"service": "tuner", "protocol": VERSION, "release": "0", "pid": 1}
        body = json.dumps(health if self.path == "/v1/health" else []).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return date((time.time() if timestamp is None else timestamp) + self.server.off_s)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server() -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def list_workers(
    server: _Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """Run the command against a server; return what it prints and what it says beside that."""
    monkeypatch.setenv("TUNER_API_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("TUNER_TOKEN", "t")
    with pytest.raises(SystemExit) as ended:
        main(["workers", "list", "--json"])
    assert ended.value.code == 0
    said = capsys.readouterr()
    return said.out, said.err


def test_the_first_command_says_once_that_the_clocks_differ_and_does_its_work(
    server: _Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.off_s = 8 * 3600.0
    out, err = list_workers(server, capsys, monkeypatch)

    assert out == "[]\n"
    assert err.startswith("warning: the clocks differ by 8 hours: here it is ")
    assert err.count("the clocks differ") == 1


def test_clocks_that_agree_are_not_mentioned(
    server: _Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list_workers(server, capsys, monkeypatch) == ("[]\n", "")


def test_a_server_that_does_not_know_of_demand_is_not_said_to_want_no_worker(
    server: _Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNER_API_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("TUNER_TOKEN", "t")
    with pytest.raises(SystemExit) as ended:
        main(["workers", "demand"])

    assert ended.value.code == 2
    assert "this server is of a release that does not say" in capsys.readouterr().err
