"""What a hypermodel's trial finds, on its way to the server and into the run's files; no Keras."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tuner.protocol import MAX_FOUND, Assignment, Found, Report
from tuner.roots import Place
from tuner.tfevents import read_run
from workers.agent.outbox import Outbox
from workers.hyper.loading import load_hypermodel
from workers.hyper.problem import HypermodelError
from workers.objective.session import Session
from workers.records.files import AttemptFiles
from workers.trial.channel import Channel, ChannelError, ChannelLink
from workers.trial.heard import HeardFound, hear

WHOLE = {"type": "int", "low": 1, "high": 8}


def found(name: str, value: Any = None, **definition: Any) -> Found:
    return Found(name=name, source=f"the {name}", definition={**WHOLE, **definition}, value=value)


class Server:
    """Keeps the reports that it gets."""

    def __init__(self) -> None:
        self.reports: list[Report] = []

    def report(self, attempt: str, report: Report) -> Any:
        self.reports.append(report)
        return "reply"


def outbox_of(server: Server) -> Outbox:
    return Outbox(server, "s1-t0-a1", "0" * 32)  # type: ignore[arg-type]


def test_what_a_trial_finds_goes_to_the_server_at_once_and_once() -> None:
    server = Server()
    outbox = outbox_of(server)
    outbox.add_found([found("units"), found("rate", 3)])
    outbox.add_found([found("units", 4)])

    assert outbox.due_at() == 0.0
    outbox.post(10.0)
    assert outbox.found == []
    assert outbox.due_at() == float("inf")
    assert [(item.name, item.value) for item in server.reports[0].found] == [
        ("rate", 3),
        ("units", 4),
    ]
    outbox.add_found([found("late", 1)])
    assert outbox.due_at() > 10.0, "a trial that names one after the other does not flood a server"


def test_what_is_found_and_not_posted_yet_travels_with_the_finish() -> None:
    outbox = outbox_of(Server())
    outbox.add_found([found("units", 4)])

    assert outbox.fits_one_message()
    assert [item.name for item in outbox.found] == ["units"]


def test_a_trial_that_finds_without_end_costs_neither_worker_nor_server_more() -> None:
    server = Server()
    outbox = outbox_of(server)
    for start in range(0, 2 * MAX_FOUND, 100):
        outbox.add_found([found(f"p{start + index}") for index in range(100)])

    assert len(outbox.found) == MAX_FOUND
    while outbox.found:
        outbox.post(0.0)
    outbox.add_found([found("one_more")])
    assert outbox.found == []


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "found"},
        {"kind": "found", "found": [{"name": "units"}]},
        {"kind": "found", "found": [found("no word").to_json()]},
        {"kind": "found", "found": [found("units", values=["x" * 200_000]).to_json()]},
        {"kind": "found", "found": [found("units").to_json()] * (MAX_FOUND + 1)},
    ],
)
def test_what_is_no_finding_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(ChannelError):
        hear(message)


def test_a_trial_tells_its_worker_in_messages_that_the_server_takes() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        session = Session(link=ChannelLink(Channel(theirs)))
        many = [found(f"p{index}", values=["x" * 5000]) for index in range(25)]
        session.tell_found(many)
        heard = [hear(message) for message in Channel(ours).receive()]

    assert len(heard) == 2
    assert [item for part in heard if isinstance(part, HeardFound) for item in part.found] == many


def test_the_runs_record_waits_for_the_parameters_that_a_hypermodel_names(tmp_path: Path) -> None:
    assignment = Assignment(
        attempt="s1-t0-a1",
        study="demo/hyper",
        trial=0,
        attempt_no=1,
        params={"given": 2},
        seed=1,
        objective="hypermodel:models:Model",
        metrics=[{"name": "score", "goal": "maximize"}],
        run_dir="run",
        checkpoint_dir="trial",
    )
    files = AttemptFiles(tmp_path, assignment)
    files.open({"params": {"given": 2}}, 1.0)
    files.add_found([found("units", 4), found("inactive"), found("given", 3)])
    files.add_point(1, 0.5, {}, 2.0)
    files.add_found([found("late", 7)])
    files.close()

    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["params"] == {"given": 2, "units": 4, "late": 7}
    run = read_run(Place(tmp_path / "run"))
    assert run["hparams"] == {"given": 2, "units": 4}, "TensorBoard takes the record once"
    assert run["scalars"]["score"], "and the first point comes after it"


def test_a_worker_without_keras_tuner_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "keras_tuner", None)

    with pytest.raises(HypermodelError, match=r"needs KerasTuner.*pip install keras-tuner"):
        load_hypermodel("models:Model", None)
