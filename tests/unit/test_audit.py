"""What `make audit` says and how it exits; the tools themselves run in a slow test."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typing_extensions import override

from tests.acceptance.environments import ROOT, Environment
from tests.audit.__main__ import CLEAN, FOUND, LOCK, NOT_AUDITED, judge, report
from tests.audit.advisories import Audit, accepted, ask, read_answers
from tests.audit.pins import Pin, locks, read_pins

A, B = Pin("a", "1.0"), Pin("b-c", "2.0")
PINS = {A: ["one.lock"], B: ["one.lock", "two.lock"]}


def answer(*rows: dict[str, Any]) -> list[tuple[str, str]]:
    return [(json.dumps({"dependencies": list(rows), "fixes": []}), "")]


def row(pin: Pin, *ids: str) -> dict[str, Any]:
    vulns = [{"id": id, "aliases": [f"CVE-{id}"], "fix_versions": ["9"]} for id in ids]
    return {"name": pin.name, "version": pin.version, "vulns": vulns}


def skipped(pin: Pin) -> dict[str, Any]:
    return {"name": pin.name, "skip_reason": "could not be audited: not found"}


def judged(*rows: dict[str, Any], known: frozenset[str] = frozenset()) -> tuple[str, int]:
    lines, code = judge(read_answers([A, B], answer(*rows), known), PINS)
    return "\n".join(lines), code


def test_good_is_only_what_was_looked_at_as_a_whole() -> None:
    assert judged(row(A), row(B)) == ("2 packages of the locks audited, 0 advisories", CLEAN)
    # pip-audit itself exits with 0 for each of these.
    text, code = judged(skipped(A), skipped(B))
    assert code == NOT_AUDITED
    assert text.startswith("NOT AUDITED: no advisory service could be reached")
    assert judged(row(A), skipped(B)) == ("NOT AUDITED: 1 of 2 packages: b-c==2.0", NOT_AUDITED)
    assert judged(row(A)) == ("NOT AUDITED: 1 of 2 packages: b-c==2.0", NOT_AUDITED)
    assert judged()[1] == NOT_AUDITED
    other = row(Pin("b-c", "3.0"))
    assert judged(row(A), other)[1] == NOT_AUDITED, "another version is another package"


def test_an_advisory_is_named_with_the_locks_that_hold_its_package() -> None:
    text, code = judged(row(A), row(B, "X-1"))

    assert code == FOUND
    assert "b-c==2.0 (one.lock, two.lock): X-1, fixed in 9" in text
    assert judged(skipped(A), row(B, "X-1"))[1] == FOUND, "what was found is not hidden by the rest"
    for known in ("X-1", "CVE-X-1"):
        assert judged(row(A), row(B, "X-1"), known=frozenset({known}))[1] == CLEAN


@pytest.mark.parametrize("printed", ["", "[]", "null", '{"dependencies": 3', "Traceback"])
def test_an_answer_that_is_none_is_no_audit(printed: str) -> None:
    audit = read_answers(
        [A], [(printed, "WARNING: x\nERROR: no route to the service")], frozenset()
    )
    lines, code = judge(audit, {A: ["one.lock"]})

    assert code == NOT_AUDITED
    assert "no route to the service" in lines[0]


def test_a_lock_without_packages_is_no_audit() -> None:
    assert judge(Audit(), {})[1] == NOT_AUDITED


def test_what_was_accepted_counts_again_after_its_day(tmp_path: Path) -> None:
    file = tmp_path / "accepted.toml"
    file.write_text('[[accepted]]\nid = "X-1"\nwhy = "not called"\nuntil = 2027-01-31\n')

    assert accepted(file, datetime.date(2027, 1, 31)) == {"X-1"}
    assert accepted(file, datetime.date(2027, 2, 1)) == frozenset()
    file.write_text(file.read_text().replace("not called", " "))
    with pytest.raises(AssertionError, match="says why"):
        accepted(file)
    accepted()


def test_every_package_of_every_lock_is_asked_for() -> None:
    pins = read_pins(locks())
    text = "".join(file.read_text() for file in locks())

    assert len(locks()) >= 7
    assert sum(map(len, pins.values())) == len(
        re.findall(r"^[A-Za-z0-9][^\s]*==", text, re.MULTILINE)
    )
    assert any(pin.name == "tensorflow" for pin in pins), "of the GPU's lock too"


def test_what_went_wrong_stands_on_the_page_of_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    report(["2 packages audited"], is_loud=False)
    assert not page.exists()
    report(["NOT AUDITED: nothing"], is_loud=True)

    assert "NOT AUDITED" in page.read_text()
    assert "*** NOT AUDITED: nothing\n" in capsys.readouterr().out


def run_of_ci(code: int, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the part of .ci/run that judges the audit's exit code."""
    script = (ROOT / ".ci" / "run").read_text()
    part = script[script.index("audited()") : script.index("# End of audited")]
    return subprocess.run(
        ["sh", "-euc", f"{part}\naudited {code}\necho went on"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_ci_goes_on_unaudited_but_says_it_and_a_finding_ends_it() -> None:
    assert run_of_ci(CLEAN).stdout == "went on\n"
    unaudited = run_of_ci(NOT_AUDITED)
    assert unaudited.returncode == 0
    assert "DEPENDENCIES WERE NOT AUDITED" in unaudited.stdout
    assert run_of_ci(NOT_AUDITED, TUNER_REQUIRE_AUDIT="1").returncode == NOT_AUDITED
    for code in (FOUND, 2, 127):
        done = run_of_ci(code)
        assert (done.returncode, "went on" in done.stdout) == (code, False)


class Advisories(BaseHTTPRequestHandler):
    """Answers as an OSV service: one advisory against one package."""

    against: ClassVar[dict[str, str]] = {}

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = asked["package"]["name"].lower()
        vulns = []
        if self.against.get(name) == asked["version"]:
            affected = {
                "package": {"name": name, "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}],
                "versions": [asked["version"]],
            }
            vulns.append(
                {
                    "id": "PYSEC-2026-9",
                    "modified": "2026-01-01T00:00:00Z",
                    "published": "2026-01-01T00:00:00Z",
                    "summary": "made up for a test",
                    "affected": [affected],
                }
            )
        body = json.dumps({"vulns": vulns} if vulns else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Advisories)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_the_tool_asks_a_service_and_its_answer_is_read_both_ways(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = Environment(LOCK, ROOT).python
    options = ["--vulnerability-service", "osv", "--osv-url", service]
    pins = read_pins([ROOT / "requirements-server.lock"])
    target = next(pin for pin in pins if pin.name == "fastapi")

    assert judge(ask(python, pins, tmp_path, options), pins)[1] == CLEAN
    monkeypatch.setattr(Advisories, "against", {target.name: target.version})
    lines, code = judge(ask(python, pins, tmp_path, options), pins)
    assert code == FOUND
    assert any("PYSEC-2026-9" in line and "fastapi" in line for line in lines)

    nobody = ["--vulnerability-service", "osv", "--osv-url", "http://127.0.0.1:9/v1/query"]
    lines, code = judge(ask(python, pins, tmp_path, nobody), pins)
    assert code == NOT_AUDITED
    assert lines[0].startswith("NOT AUDITED: no advisory service could be reached")


def test_an_exception_from_bandit_says_why() -> None:
    for file in [*(ROOT / "tuner").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]:
        for line in file.read_text().splitlines():
            if "nosec" in line:
                assert re.search(r"# nosec B\d{3}  # \w.{4,}", line), f"{file}: {line.strip()}"
