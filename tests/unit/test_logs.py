"""Every line of a JSON log is JSON, and every line of a text log is one record."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.terminal import HOSTILE, raw_marks
from tuner.errors import SetupError
from tuner.runtime.logs import JsonFormatter, TextFormatter, parse_log_format


def record(message: str = "trial ended", exc_info: Any = None, **extra: Any) -> logging.LogRecord:
    return logging.getLogger("tuner.part").makeRecord(
        "tuner.part", logging.WARNING, __file__, 1, message, (), exc_info, extra=extra
    )


def parse(line: str) -> dict[str, Any]:
    """Return a line as strict JSON."""
    assert "\n" not in line

    def refuse(name: str) -> None:
        raise ValueError(name)

    document: dict[str, Any] = json.loads(line, parse_constant=refuse)
    return document


def test_a_record_becomes_an_object_with_its_facts() -> None:
    line = parse(JsonFormatter().format(record(study="vision/mlp", trial=7, attempt="s1-t7-a1")))

    moment = datetime.fromisoformat(line.pop("time"))
    assert moment.tzinfo == UTC
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert line == {
        "level": "warning",
        "logger": "tuner.part",
        "message": "trial ended",
        "study": "vision/mlp",
        "trial": 7,
        "attempt": "s1-t7-a1",
    }


@pytest.mark.parametrize(
    "value",
    [math.nan, [1.0, -math.inf], {("a", 1): 2}, {1, 2}, b"\xff", "a\nb\x00\udc80", object(), ...],
    # Not `repr`: tests run side by side must have the same names in each process.
    ids=["nan", "list", "dict", "set", "bytes", "controls", "object", "ellipsis"],
)
def test_whatever_is_logged_the_line_is_json(value: Any) -> None:
    line = parse(JsonFormatter().format(record(fact=value)))

    assert line["message"] == "trial ended"
    assert "fact" in line


def test_a_fact_takes_the_place_of_no_field() -> None:
    line = parse(JsonFormatter().format(record(level="x", time="x", logger="x", color_message="x")))

    assert line["level"] == "warning"
    assert line["logger"] == "tuner.part"
    assert "color_message" not in line, "uvicorn's copy of its message"


def test_an_exception_is_a_field_and_follows_a_line_of_text() -> None:
    try:
        raise ValueError("too\nwide")
    except ValueError as exc:
        failed = record(exc_info=(ValueError, exc, exc.__traceback__))

    assert parse(JsonFormatter().format(failed))["exception"].endswith("ValueError: too\nwide")
    head, _, rest = TextFormatter().format(failed).partition("\n")
    assert head.endswith("WARNING tuner.part: trial ended")
    assert rest.startswith("Traceback")


def test_a_fact_in_a_text_line_cannot_pass_for_another_one() -> None:
    line = TextFormatter().format(record(study="a/b", error='x trial=9\n"ERROR', empty=""))

    assert line.endswith('trial ended study=a/b error="x trial=9\\n\\"ERROR" empty=""')


@pytest.mark.parametrize("form", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_what_users_sent_steers_no_terminal_that_shows_the_log(form: logging.Formatter) -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError as exc:
        info = (type(exc), exc, exc.__traceback__)

    line = form.format(record(HOSTILE, exc_info=info, host=HOSTILE))

    assert raw_marks(line) == []


def test_what_ends_a_process_or_a_thread_of_it_steers_no_terminal_either() -> None:
    code = (
        "import sys, threading; from tuner.runtime.logs import configure_logging\n"
        "configure_logging('text')\n"
        "def fail(): raise ValueError(sys.argv[1])\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
        "fail()"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, HOSTILE], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr.count("ValueError: evil") == 2
    assert raw_marks(done.stderr) == []


def test_an_unknown_format_is_refused_with_the_choices() -> None:
    assert parse_log_format(None) == "text"
    with pytest.raises(SetupError, match="TUNER_LOG_FORMAT=yaml: must be text or json"):
        parse_log_format("yaml")
