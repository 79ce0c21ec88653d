"""Whatever others wrote, no command lets it steer the terminal that it runs on.

All commands of the program are tried: one that is added falls under these tests as it is.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import typer

from tests.support.history.database import METRIC, complete, history_database
from tests.support.terminal import ENDLESS, HOSTILE, on_a_terminal, raw_marks
from tuner.cli.app import app
from tuner.history import HistoricTrial
from tuner.storage import tables

CLI = Path(__file__).parents[2] / "tuner" / "cli"
STUDY, TRIAL = "vision/s", "0"
#: Text that the program itself reads again: what stands there is checked when it is written.
STRUCTURE = {
    *("id", "name", "project", "state", "key", "cause", "run_dir", "device", "hash", "token"),
    *("kind", "wanted", "worker", "special", "stamp", "digest", "outcome_attempt", "code"),
    *("finish_digest", "attempt", "holder", "image_verified"),
}


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of the program, by how it is typed."""
    for name, command in group.commands.items():
        typed = (*before, name)
        if hasattr(command, "commands"):
            yield from commands(command, typed)
        else:
            yield typed, command


COMMANDS = dict(commands(typer.main.get_command(app)))
#: These ask no server.
HERE = {("down",), ("board",)}
#: These end only when they are told to, or start what does: they are tried with what they refuse.
LASTING = {
    *(("run",), ("serve",), ("submit",), ("check",), ("board",)),
    *(("workers", "up"), ("workers", "autoscale")),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which every free text was written by somebody evil."""
    home = tmp_path_factory.mktemp("home")
    with history_database(home) as base:
        space = {
            "x": {"type": "categorical", "values": ["a", "b"]},
            "y": {"type": "float", "low": 0.0, "high": 1.0},
        }
        rows = [
            complete(
                {"x": HOSTILE, "y": 0.5},
                float(n),
                proposal_json=json.dumps({"sampler": HOSTILE, "told": 0, "pending": [], "seed": 1}),
                metrics_json=json.dumps({"score": float(n), HOSTILE: 1.0}),
                **({"state": "fail", "objective": None, "cause": "error"} if n == 3 else {}),
            )
            for n in range(4)
        ]
        base.add_study("s", rows, search_space=space, metric=METRIC)
        earlier = HistoricTrial(key="r1", params={"x": "a"}, metrics={"score": 1.0})
        base.add_import("imported", [earlier])
        with base.storage.begin() as connection:
            plant(connection)
    (home / "history.db").rename(home / "tuner.db")
    run = home / "logs" / "vision" / "s" / "trial_00000-20261122T231005Z"
    run.mkdir(parents=True)
    (run / "output.log").write_bytes(b"\xff\x1b[31mred\x1b[0m " + HOSTILE.encode())
    return home


def plant(connection: sa.Connection) -> None:
    """Add a worker, attempts and events, and write evil into every free text of every table."""
    study = connection.execute(sa.select(tables.studies.c.id)).scalar_one()
    connection.execute(tables.studies.update().values(state="finished"))
    facts = {"host": "h", "pid": 1, "device": "cpu", "first_seen": 1e9, "last_seen": 4e9}
    out = {"state": "idle", "out_reason": "out", "out_since": 1e9, "drain_reason": ""}
    connection.execute(
        tables.workers.insert().values(name="w1", device_id="0", image="i", **facts, **out)
    )
    for number in range(4):
        state = "failed" if number == 3 else "done"
        connection.execute(
            tables.attempts.insert().values(
                id=f"a{number}",
                study_id=study,
                number=number,
                no=1,
                state=state,
                worker="w1",
                host="h",
                run_dir=f"{STUDY}/trial_{number:05}-20261122T231005Z",
                created=1e9,
                claimed=1e9,
                finished=1e9,
            )
        )
        event = {"time": 1e9, "kind": "submitted", "text": "t", "actor": "somebody"}
        connection.execute(tables.events.insert().values(study_id=study, number=number, **event))
    for table in tables.metadata.sorted_tables:
        free = [
            column.name
            for column in table.columns
            if isinstance(column.type, sa.Text | sa.String)
            and column.name not in STRUCTURE
            and not column.name.endswith("_json")
        ]
        if free:
            connection.execute(table.update().values(dict.fromkeys(free, HOSTILE)))


@pytest.fixture
def environ(home: Path, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
        "TUNER_HOME": str(home),
    }


@pytest.fixture(scope="module")
def evil_server() -> Iterator[str]:
    """The URL of a server that answers everything with evil."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = json.dumps({"detail": HOSTILE, "error": HOSTILE, "message": HOSTILE}).encode()
            self.send_response(422 if "health" not in self.path else 200)
            if "health" in self.path:
                body = json.dumps(
                    {"service": "tuner", "release": HOSTILE, "protocol": HOSTILE}
                ).encode()
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self.answer
            raise AttributeError(name)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def arguments(command: tuple[str, ...], study: str, other: str) -> list[str]:
    """What a command takes, typed: a study, a trial, a number, or something else."""
    known = {"STUDY": study, "TRIAL": TRIAL, "N": "0"}
    params = COMMANDS[command].params
    names = [p.metavar or p.name.upper() for p in params if p.param_type_name == "argument"]
    # Into no file of this folder.
    options = ["-o", os.devnull] if command == ("report",) else []
    return [*options, *(known.get(name, other) for name in names)]


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in LASTING], ids=" ".join)
def test_what_a_study_holds_steers_no_terminal(
    command: tuple[str, ...], environ: dict[str, str], tmp_path: Path
) -> None:
    args = [*command, *arguments(command, STUDY, str(tmp_path / HOSTILE))]

    _, said = on_a_terminal(args, environ, typed=b"n\n", width=4000)

    assert raw_marks(said, with_colours=command == ("logs",)) == [], said
    assert "an error of Tuner's own" not in said
    # What reads like a tag of our screens is text: neither a style nor a link.
    # A long text is cut, wherever its folder's name has it.
    assert said.count("\\U000e0041") == said.count("\\U000e0041[/e")
    assert ENDLESS not in said


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_is_typed_steers_no_terminal(
    command: tuple[str, ...], environ: dict[str, str], tmp_path: Path
) -> None:
    args = [*command, *arguments(command, HOSTILE, HOSTILE), f"--{HOSTILE}"]

    status, said = on_a_terminal(args, environ)

    assert status != 0
    assert raw_marks(said) == [], said
    assert ENDLESS not in said


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in HERE], ids=" ".join)
def test_what_a_server_answers_steers_no_terminal(
    command: tuple[str, ...], environ: dict[str, str], evil_server: str, tmp_path: Path
) -> None:
    args = [*command, *arguments(command, STUDY, str(tmp_path / HOSTILE))]

    _, said = on_a_terminal(
        args, {**environ, "TUNER_API_URL": evil_server, "TUNER_TOKEN": "t"}, typed=b"n\n"
    )

    assert raw_marks(said) == [], said


def test_the_texts_of_a_study_are_shown_written_out(environ: dict[str, str]) -> None:
    places = {
        "show": (STUDY, "3"),
        "best": (STUDY,),
        "events": (STUDY,),
        "logs": (STUDY, TRIAL),
        "workers list": (),
        "history list": (),
    }

    shown = {
        command: on_a_terminal([*command.split(), *args], environ, width=400)[1]
        for command, args in places.items()
    }

    assert [command for command, said in shown.items() if "\\u202e" not in said] == []
    assert "\x1b[31mred\x1b[0m" in shown["logs"], "the colours of a trial stay"
    assert "\\xff" in shown["logs"]


def test_a_pipe_gets_the_very_bytes_of_a_log_and_so_does_a_terminal_that_asks(
    environ: dict[str, str], home: Path
) -> None:
    log = next(home.glob("logs/*/*/*/output.log")).read_bytes()
    piped = subprocess.run(
        [sys.executable, "-m", "tuner", "logs", STUDY, TRIAL],
        env={**os.environ, **environ},
        capture_output=True,
        check=True,
    )

    _, raw = on_a_terminal(["logs", STUDY, TRIAL, "--raw"], environ)

    assert piped.stdout == log
    # The terminal's own driver makes \r\n of \n; there is none in this log.
    assert raw.encode(errors="surrogateescape").endswith(log)


@pytest.mark.parametrize(
    "command", ["status", "best", "show", "events", "logs", "list", "workers list"]
)
def test_json_on_a_terminal_is_escaped(command: str, environ: dict[str, str]) -> None:
    args = {"show": [STUDY, "3"], "logs": [STUDY, TRIAL], "list": [], "workers list": []}.get(
        command, [STUDY]
    )

    status, said = on_a_terminal([*command.split(), *args, "--json"], environ)

    assert status == 0, said
    assert raw_marks(said) == []
    json.loads(said)


def test_the_spec_of_a_hostile_sweep_steers_no_terminal(
    environ: dict[str, str], tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep.yaml"
    values = {"values": [HOSTILE, "calm"]}
    document = {"program": HOSTILE, "method": "grid", "parameters": {HOSTILE: values}}
    # JSON is YAML.
    sweep.write_text(json.dumps(document))

    status, said = on_a_terminal(["convert", str(sweep)], environ)

    assert status == 0, said
    assert "search_space:" in said
    assert raw_marks(said) == []


def test_nothing_is_printed_past_what_writes_out() -> None:
    """Two modules print: the consoles' and that of the last word; all else goes through them."""
    past = re.compile(
        r"(?<![\w.])print\(|sys\.std(?:out|err)\.(?:write|buffer)|typer\.s?echo\((?!err=True\))|click\.echo|\)\.out\("
    )
    found = {
        str(path.relative_to(CLI)): past.findall(path.read_text())
        for path in CLI.rglob("*.py")
        if path.name not in ("output.py", "main.py")
    }

    # The release; a backup, which no terminal gets; a page and JSON, in which what would steer one
    # is written out already; and a token of our own making.
    assert {name: sorted(set(calls)) for name, calls in found.items() if calls} == {
        "app.py": ["typer.echo("],
        "commands/database.py": ["sys.stdout.buffer"],
        "commands/report.py": ["sys.stdout.buffer"],
        "printing.py": ["sys.stdout.write"],
        "commands/token.py": ["sys.stdout.write"],
    }
