"""The attempt of a script in the hands of its process: outages, orders, and the loss of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import MakeService
from tests.support.patience import clock
from tests.support.service_process import TOKEN, ServiceProcess
from tests.support.study_lab import Lab
from tuner.errors import ForbiddenError, SetupError
from tuner.keras.service.held import Held
from tuner.keras.service.link import ServiceLink, settings_of
from tuner.keras.service.study import ServiceStudy
from tuner.protocol import Finish

pytestmark = pytest.mark.slow


class Script(Lab):
    """A study, and the process that executes it: this one."""

    def __init__(self, service: ServiceProcess, token: str = TOKEN) -> None:
        super().__init__(service)
        self.said: list[str] = []
        self.mine = ServiceStudy(
            self.study, ServiceLink(self.study, settings_of(service.url, token), os.environ)
        )
        self.mine.say = self.said.append

    def external(self, **changes: Any) -> dict[str, Any]:
        """Make the study, as an oracle does."""
        spec = self.spec(objective="external", **changes)
        del spec["image"]
        return self.mine.submit(spec)

    def take(self, asker: str = "tuner0") -> Held:
        """Claim until there is a trial."""
        deadline = clock() + 30
        while clock() < deadline:
            claimed = self.mine.claim(asker)
            if claimed is not None:
                return claimed.held
        raise AssertionError(f"no trial: {self.status()}")

    def close(self) -> None:
        self.mine.service.close()
        super().close()


def complete(value: float) -> Finish:
    return Finish(token="", outcome="complete", values=[value], metrics={"score": value})


@pytest.fixture
def script(service: ServiceProcess) -> Iterator[Script]:
    script = Script(service)
    yield script
    script.close()


@pytest.fixture(scope="module")
def service(make_service: MakeService) -> Iterator[ServiceProcess]:
    with make_service("sqlite") as service:
        yield service


def test_what_was_reported_while_the_server_was_away_arrives_with_the_result(
    make_service: MakeService,
) -> None:
    with make_service("sqlite") as service:
        script = Script(service)
        script.external(budget={"trials": 1})
        held = script.take()
        held.report(1, 0.25, {})
        script.wait(lambda: script.show(0)["reports"], "the first report")
        service.kill()

        held.report(2, 0.5, {"other": 2.0})
        done: list[Any] = []
        waiting = threading.Thread(
            target=lambda: done.append(held.finish(complete(0.5), script.said.append))
        )
        waiting.start()
        assert script_says(script, "waits for the service")
        service.start()
        waiting.join(60)

        assert done[0].is_outcome
        steps = [(report["step"], report["value"]) for report in script.show(0)["reports"]]
        assert steps == [(1, 0.25), (2, 0.5)]
        assert script.wait_closed()["best"]["objective"] == 0.5
        script.close()


def script_says(script: Script, text: str) -> bool:
    deadline = clock() + 30
    while clock() < deadline:
        if any(text in said for said in script.said):
            return True
    return False


def test_a_claim_that_was_not_answered_gets_its_trial_when_it_is_sent_again(
    make_service: MakeService,
) -> None:
    with make_service("sqlite") as service:
        script = Script(service)
        script.external(budget={"trials": 1})
        service.kill()
        assert script.mine.claim("tuner0") is None
        assert "does not answer" in script.said[-1]
        service.start()

        assert script.take().finish(complete(1.0), script.said.append) is not None
        assert [len(script.attempts(0)), script.wait_closed()["state"]] == [1, "finished"]
        script.close()


def test_a_trial_that_a_user_cancels_is_told_to_end_and_its_result_is_not_wanted(
    script: Script,
) -> None:
    script.external()
    held = script.take()

    script.do(f"trials/{held.assignment.trial}/cancel")
    held.report(1, 0.5, {})
    held.wait_judged(30)

    assert held.wants_end
    assert held.finish(complete(0.5), script.said.append) is None
    assert held.lost
    assert script.show(held.assignment.trial)["cause"] == "cancelled"


def test_a_process_that_was_taken_for_dead_learns_that_its_trial_is_anothers(
    make_service: MakeService,
) -> None:
    with make_service("sqlite", lease_s=3.0) as service:
        script = Script(service)
        script.external(budget={"trials": 1})
        asleep = script.take()
        # As a process that was stopped for longer than its lease: its thread says nothing.
        asleep._stop()
        script.wait(lambda: script.attempts(0)[0][0] == "lost", "the lease ends")
        heir = script.take("another")
        assert heir.assignment.params == asleep.assignment.params
        assert heir.finish(complete(1.0), script.said.append) is not None

        assert asleep.finish(complete(2.0), script.said.append) is None
        assert "has an outcome" in asleep.lost or "called off" in asleep.lost
        assert script.show(0)["objective"] == 1.0
        script.close()


def test_an_attempt_keeps_its_lease_for_as_long_as_its_process_lives(
    make_service: MakeService,
) -> None:
    with make_service("sqlite", lease_s=3.0) as service:
        script = Script(service)
        script.external(budget={"trials": 1})
        held = script.take()
        started = clock()
        script.wait(lambda: clock() - started > 8, "two leases pass")

        assert held.finish(complete(1.0), script.said.append) is not None
        assert script.attempts(0) == [("done", None)]
        script.close()


def test_a_trial_that_is_given_back_costs_no_budget_and_comes_first(script: Script) -> None:
    script.external(budget={"trials": 1})
    held = script.take()

    held.give_back()
    held.give_back()

    again = script.take()
    assert (again.assignment.trial, again.assignment.attempt_no) == (held.assignment.trial, 2)
    assert script.status()["budget"]["used"] == 0
    assert again.finish(complete(1.0), script.said.append) is not None


def test_a_report_that_is_refused_does_not_end_the_training(script: Script) -> None:
    script.external()
    held = script.take()

    held.report(20_000_000, 0.5, {})
    held.wait_judged(30)

    assert not held.wants_end
    assert held.finish(complete(0.5), script.said.append) is not None


def test_a_result_that_is_refused_fails_its_trial_with_the_reason(script: Script) -> None:
    script.external()
    held = script.take()
    wrong = Finish(token="", outcome="complete", values=[1.0, 2.0])

    assert held.finish(wrong, script.said.append) is not None
    shown = script.show(held.assignment.trial)
    assert (shown["state"], shown["cause"]) == ("FAIL", "error")
    assert "the service refused the result" in shown["error"]


def test_a_study_that_was_paused_is_gone_on_with_by_the_next_script(script: Script) -> None:
    script.external()
    script.do("pause")
    assert not script.mine.is_over("tuner0")
    assert "tuner resume" in script.said[-1]

    script.external()

    assert script.status()["state"] == "running"


def test_a_study_that_is_over_is_told_with_the_way_on(script: Script) -> None:
    script.external(budget={"trials": 1})
    assert not script.mine.is_over("tuner0")
    script.take().finish(complete(1.0), script.said.append)
    script.wait_closed()

    assert script.mine.is_over("tuner0")
    assert "is finished" in script.said[-1]
    assert "max_trials" in script.said[-1]


def test_a_token_without_the_scope_to_work_is_told_which_it_lacks(service: ServiceProcess) -> None:
    body = {"name": "submitter", "scopes": ["submit"], "projects": None, "expires_s": None}
    token = service.post("/tokens", {**body, "image": None})["token"]
    script = Script(service, token)
    script.external()

    with pytest.raises(ForbiddenError, match="work"):
        script.mine.claim("tuner0")
    script.close()


def test_a_token_that_is_none_names_the_setting(service: ServiceProcess) -> None:
    script = Script(service, "nonsense")

    with pytest.raises(SetupError, match="TUNER_TOKEN"):
        script.external()
    script.close()


def test_a_process_that_a_user_drains_waits_for_no_further_trial(script: Script) -> None:
    script.external(budget={"trials": 3})
    held = script.take()
    (row,) = [row for row in script.service.get("/workers") if row["image"] == script.study]
    script.service.post(f"/workers/{row['name']}/drain")

    assert held.finish(complete(1.0), script.said.append) is not None
    assert script.mine.claim("tuner0") is None
    assert script.mine.is_over("tuner0")
    assert "drained by a user" in script.said[-1]


def test_who_has_left_is_not_proposed_for(script: Script) -> None:
    script.external(budget={"trials": 3})
    script.take().finish(complete(1.0), script.said.append)
    script.mine.leave()

    rows = script.service.get("/workers")
    assert [row["state"] for row in rows if row["image"] == script.study] == ["stopping"]
