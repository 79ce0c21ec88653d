"""A verb takes effect although its answer was lost and the server was killed right after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.protocol_worker import Held, ProtocolWorker
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import Lab


@dataclass
class Case:
    """One verb on a study of its own."""

    lab: Lab
    verb: str
    #: Which event tells of it, and how many times all in all.
    event: str
    path: str
    body: Any = None
    method: str = "POST"
    events: int = 1
    worker: ProtocolWorker = field(init=False)
    held: Held | None = None

    def __post_init__(self) -> None:
        self.worker = self.lab.worker()

    def send(self) -> Any:
        """Send the request once more; return the answer."""
        path = f"/studies/{self.lab.study}{self.path}"
        answer = self.lab.service.call(self.method, path, self.body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send_and_lose_the_answer(self) -> None:
        path = f"/studies/{self.lab.study}{self.path}"
        self.lab.service.call_and_lose_the_answer(self.method, path, self.body)


def prepare_running(case: Case) -> None:
    case.lab.submit(budget={"trials": 10}, parallel=1)
    case.held = case.worker.claim()


def prepare_paused(case: Case) -> None:
    prepare_running(case)
    case.lab.do("pause")


def prepare_failed(case: Case) -> None:
    case.lab.submit(budget={"trials": 1})
    case.worker.claim().fail("error", "ValueError: no")
    case.lab.wait_closed()


def prepare_finished(case: Case) -> None:
    case.lab.submit(budget={"trials": 1})
    case.worker.claim().complete(0.5)
    case.lab.wait_closed()


def check_pause(case: Case) -> None:
    finish(case)
    assert case.worker.finds_nothing()
    assert case.lab.status()["state"] == "paused"


def check_resume(case: Case) -> None:
    finish(case)
    assert case.worker.claim().trial == 1


def check_stop(case: Case) -> None:
    finish(case)
    assert case.lab.wait_closed()["reason"] == "stopped by the user"


def check_called_off(case: Case) -> None:
    assert case.held is not None
    assert case.held.beat().json()["order"] == "cancel"
    assert case.held.complete(0.5).status_code == 409
    if case.verb == "cancel a trial":
        assert case.worker.claim().trial == 1
    else:
        state = "cancelled" if case.verb == "cancel" else "finished"
        assert case.lab.wait_closed()["state"] == state


def check_retry(case: Case) -> None:
    again = case.worker.claim()
    assert (again.trial, again.params) == (1, case.lab.show(0)["params"])


def check_raised(case: Case) -> None:
    assert [held.trial for held in case.lab.run(case.worker, lambda _: 0.5)] == [1, 2]


def check_lowered(case: Case) -> None:
    finish(case)
    assert case.lab.wait_closed()["reason"] == "budget.trials: 1 trials are done"


def check_parallel(case: Case) -> None:
    assert [case.lab.claim().trial, case.lab.claim().trial] == [1, 2]


def finish(case: Case) -> None:
    assert case.held is not None
    assert case.held.complete(0.5).json()["is_outcome"] is True


Step = Callable[[Case], None]
RAISE = {"changes": {"budget.trials": 3}}
LOWER = {"changes": {"budget.trials": 1}}
WIDEN = {"changes": {"parallel": 3, "priority": 2, "pruner": "asha", "trial.timeout": "1h"}}
CASES: list[tuple[Step, Step, dict[str, Any]]] = [
    (prepare_running, check_pause, {"verb": "pause", "event": "study-paused", "path": "/pause"}),
    (prepare_paused, check_resume, {"verb": "resume", "event": "study-running", "path": "/resume"}),
    (prepare_running, check_stop, {"verb": "stop", "event": "study-stopping", "path": "/stop"}),
    (
        prepare_running,
        check_called_off,
        {"verb": "stop now", "event": "trial-fail", "path": "/stop", "body": {"now": True}},
    ),
    (
        prepare_running,
        check_called_off,
        {"verb": "cancel", "event": "trial-fail", "path": "/cancel"},
    ),
    (
        prepare_running,
        check_called_off,
        {"verb": "cancel a trial", "event": "trial-fail", "path": "/trials/0/cancel"},
    ),
    (prepare_failed, check_retry, {"verb": "retry", "event": "study-retry", "path": "/retry"}),
    (
        prepare_finished,
        check_raised,
        {"verb": "raise", "event": "study-edited", "path": "", "body": RAISE, "method": "PATCH"},
    ),
    (
        prepare_running,
        check_lowered,
        {"verb": "lower", "event": "study-edited", "path": "", "body": LOWER, "method": "PATCH"},
    ),
    (
        prepare_running,
        check_parallel,
        {"verb": "widen", "event": "study-edited", "path": "", "body": WIDEN, "method": "PATCH"},
    ),
]


@pytest.fixture
def cases(own_service: ServiceProcess) -> Iterator[list[tuple[Case, Step]]]:
    """Every verb on a study of its own, ready to be sent; and how to see its effect."""
    with ExitStack() as stack:
        made = []
        for prepare, check, facts in CASES:
            lab = stack.enter_context(closing(Lab(own_service)))
            case = Case(lab, **facts)
            prepare(case)
            made.append((case, check))
        yield made


@pytest.mark.slow
def test_every_verb_survives_a_lost_answer_and_a_kill_right_after_it(
    own_service: ServiceProcess, cases: list[tuple[Case, Step]]
) -> None:
    for case, _ in cases:
        case.send_and_lose_the_answer()
        own_service.kill_and_start()
    repeated = {case.verb: (case.send(), case.send()) for case, _ in cases}
    for case, check in cases:
        before = len(case.lab.events(case.event))
        check(case)
        assert before == case.events, case.verb

    for verb, (first, second) in repeated.items():
        # What was used of the time moves on, and so does a study that is stopping.
        moves_on = (
            {"budget", "state", "finished"} if first.get("state") == "stopping" else {"budget"}
        )
        assert second.get("state") in (first.get("state"), "finished", "cancelled"), verb
        for answer in (first, second):
            for key in moves_on:
                answer.pop(key, None)
        assert first == second, verb
