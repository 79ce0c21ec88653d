"""What a trial may say and the server takes: one set of bounds, checked from both sides."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.protocol import (
    MAX_BODY_BYTES,
    MAX_FOUND,
    MAX_METRICS,
    MAX_NAME_CHARS,
    MAX_STEP,
    Finish,
    Found,
    ProtocolError,
    WorkerInfo,
    check_finish,
    check_found,
    check_points,
    check_study,
    check_worker,
    dumps,
    fitting_found,
    found_problem,
)
from workers import Run
from workers.agent.outbox import Outbox
from workers.objective.result import read_result
from workers.trial.channel import ChannelError
from workers.trial.heard import HeardEnd, HeardPoint, hear

END = {"kind": "end", "outcome": "complete", "values": [0.5]}
POINT = {"kind": "point", "step": 1, "value": 0.5, "metrics": {}, "time": 0.0}
METRICS = st.dictionaries(
    st.text(max_size=2 * MAX_NAME_CHARS), st.floats() | st.integers(-(10**12), 10**12)
)


@given(step=st.integers(1, MAX_STEP), value=st.floats(), metrics=METRICS)
def test_whatever_a_trial_reports_within_the_bounds_is_taken(
    step: int, value: float, metrics: dict[str, float]
) -> None:
    said = {**POINT, "step": step, "value": value, "metrics": metrics}
    heard = hear(json.loads(json.dumps(said)))

    assert isinstance(heard, HeardPoint)
    check_points([heard.point()])


@given(metrics=METRICS, modules=st.lists(st.text(max_size=400), max_size=20), error=st.text())
def test_whatever_a_trial_ends_with_is_taken(
    metrics: dict[str, float], modules: list[str], error: str
) -> None:
    said = {**END, "metrics": metrics, "modules": modules, "error": error}
    heard = hear(json.loads(json.dumps(said)))

    assert isinstance(heard, HeardEnd)
    check_finish(Finish.from_json(json.loads(dumps(heard.finish("0" * 32)))))


def test_the_largest_finish_fits_the_largest_body() -> None:
    wide = "\U0001f600" * MAX_NAME_CHARS
    many = {f"{wide[:-6]}{n:06d}": 1.0 for n in range(2 * MAX_METRICS)}
    end = hear({**END, "metrics": many, "modules": list(many), "error": wide * 100})
    point = hear({**POINT, "metrics": many})
    assert isinstance(end, HeardEnd)
    assert isinstance(point, HeardPoint)
    outbox: Any = Outbox(None, "s1-t0-a1", "0" * 32)  # type: ignore[arg-type]
    outbox.add(point.point())
    while outbox.fits_one_message():
        outbox.add(point.point())
    outbox.points.pop()
    met = [Found(name=f"u{n}", source=wide, definition={"type": "bool"}) for n in range(MAX_FOUND)]
    found = fitting_found(met)
    finish = dataclasses.replace(end.finish("0" * 32), points=outbox.points, found=found)

    assert len(dumps(finish)) < MAX_BODY_BYTES
    check_finish(finish)


FOUND = Found(name="train.units", source="dense units", definition={"type": "bool"}, value=True)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": "../up"}, "found: 'dense units': the name '../up'"),
        ({"name": ""}, "the name ''"),
        ({"name": "n" * 101}, "at most 100 characters"),
        ({"source": ""}, "a source of 0 characters"),
        ({"source": "s" * 301}, "a source of 301 characters, 1 to 300"),
        ({"definition": {"values": ["v" * 500] * 300}}, "more than 100000 bytes"),
    ],
)
def test_a_parameter_that_a_trial_met_has_bounds(change: dict[str, Any], text: str) -> None:
    check_found([FOUND])
    wrong = dataclasses.replace(FOUND, **change)

    with pytest.raises(ProtocolError, match=text) as caught:
        check_found([wrong])
    assert str(caught.value) == found_problem(wrong)
    assert len(str(caught.value)) < 200
    assert fitting_found([wrong, FOUND]) == [FOUND]


def test_parameters_that_a_trial_met_are_sent_in_parts_that_fit() -> None:
    large = {"type": "categorical", "values": ["v" * 400] * 100}
    met = [dataclasses.replace(FOUND, name=f"u{n}", definition=large) for n in range(5)]

    assert fitting_found(met) == met[:2]
    check_found(met[:2])
    with pytest.raises(ProtocolError, match="more than 100000 bytes"):
        check_found(met)
    with pytest.raises(ProtocolError, match="501 parameters: at most 500"):
        check_found([FOUND] * (MAX_FOUND + 1))


def test_a_claim_names_a_study_by_its_project_and_name() -> None:
    check_study(None)
    check_study("vision/cnn")
    for name in ("cnn", "vision/../x", "vision/cnn/2", "v" * 99 + "/c"):
        with pytest.raises(ProtocolError, match="must be project/study"):
            check_study(name)


@pytest.mark.parametrize(
    "change",
    [
        {"step": 1.5},
        {"step": True},
        {"step": "1"},
        {"value": "high"},
        {"value": None},
        {"value": True},
        {"value": 10**400},
        {"metrics": []},
        {"metrics": {"loss": "low"}},
        {"time": None},
        {"kind": "word"},
        {"kind": None},
        {"kind": "end"},
        {"kind": "end", "outcome": "great"},
        {"kind": "end", "outcome": "failed"},
        {"kind": "end", "outcome": "failed", "cause": "luck"},
        {"kind": "end", "outcome": "complete", "values": ["high"]},
        {"kind": "end", "outcome": "complete", "values": 1},
        {"kind": "end", "outcome": "complete", "modules": 1},
    ],
    ids=str,
)
def test_what_user_code_writes_into_the_channel_is_no_message(change: dict[str, Any]) -> None:
    with pytest.raises(ChannelError, match="not a message"):
        hear({**POINT, **change})
    with pytest.raises(ChannelError, match="not a message"):
        hear({"kind": change.get("kind", "point")})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": "../up"}, "worker.name"),
        ({"name": "n" * 81}, "worker.name"),
        ({"pid": -1}, "worker.pid"),
        ({"device_id": "G" * 100_000}, "worker.device_id"),
        ({"image": "i" * 513}, "worker.image"),
        ({"release": "9" * 65}, "worker.release"),
    ],
)
def test_a_worker_says_no_more_of_itself_than_there_is(change: dict[str, Any], text: str) -> None:
    sound = WorkerInfo(name="w-1", host="h", pid=1, device_id="GPU-1", image="a@sha256:0")
    check_worker(sound)

    with pytest.raises(ProtocolError, match=text) as caught:
        check_worker(dataclasses.replace(sound, **change))
    assert len(str(caught.value)) < 200


def test_a_long_name_is_refused_by_report_and_left_out_of_a_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "n" * (MAX_NAME_CHARS + 1)
    run = Run.local({})
    with pytest.raises(ValueError, match=f"a name of {len(name)} letters, at most 300"):
        run.report(1, 0.5, **{name: 1.0})

    result = read_result({"score": 0.5, name: 1.0}, [{"name": "score", "goal": "maximize"}])
    assert (result.values, result.metrics) == ([0.5], {"score": 0.5})
    assert "the result has 2 metrics; the service keeps 1 of them" in capsys.readouterr().err


def test_of_a_thousand_and_more_metrics_the_first_are_kept_and_the_studys_own_always(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = {f"layer_{n}": float(n) for n in range(MAX_METRICS + 500)}
    run = Run.local({})
    run.report(1, 0.5, **many)
    run.report(2, 0.5, **many)
    assert capsys.readouterr().err.count("the report of step 1 has 1500 metrics") == 1

    result = read_result({**many, "score": 0.5}, [{"name": "score", "goal": "maximize"}])
    assert (len(result.metrics), result.metrics["score"]) == (MAX_METRICS, 0.5)
    assert math.isclose(result.metrics["layer_0"], 0.0)
