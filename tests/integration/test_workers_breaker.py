"""A worker that fails trial after trial goes out of service, and comes back once it is sound."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.integration.cause_fleet import attempts, open_fleet
from tests.support.protocol_worker import Held, ProtocolWorker
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import Lab

MakeService = Callable[..., AbstractContextManager[ServiceProcess]]
#: Longer than a busy machine holds up a thread of these tests, which beat by hand.
LEASE_S = 2.4
#: From the removal to the first self-test; then twice, four times, … as long.
WAIT_S = 1.5 * LEASE_S


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, make_service: MakeService) -> Iterator[ServiceProcess]:
    """A server that has a worker tested again while a test can wait."""
    with make_service(request.param, lease_s=LEASE_S) as service:
        yield service


def row(lab: Lab, worker: ProtocolWorker) -> dict[str, Any]:
    """Return what `tuner workers list` says of a worker, which has just beaten."""
    assert worker.beat().status_code == 200
    rows = {row["name"]: row for row in lab.service.get("/workers")}
    found: dict[str, Any] = rows[worker.name]
    return found


def fail_trials(lab: Lab, worker: ProtocolWorker, cause: str, count: int) -> list[int]:
    """Have a worker fail distinct trials; return their numbers."""
    numbers: list[int] = []
    while len(numbers) < count:
        held = worker.claim()
        assert held.fail(cause, f"Traceback\nno luck with {cause}").status_code == 200
        numbers.append(held.trial)
        assert len(set(numbers)) == len(numbers)
    return numbers


def fail_elsewhere(lab: Lab, worker: ProtocolWorker, cause: str = "rejected") -> str:
    """Have a worker fail a trial of another study, which ends then; return the study's name."""
    lab.do("pause")
    other = Lab(lab.service)
    other.image = lab.image
    other.submit(budget={"trials": 6})
    fail_trials(other, worker, cause, 1)
    other.do("cancel")
    lab.do("resume")
    return other.study


def take_out(lab: Lab) -> tuple[ProtocolWorker, int, str]:
    """Return a worker out of service, its trial and the other study of which it failed one.

    A sound worker is there to run the trial.
    """
    lab.submit(budget={"trials": 6}, parallel=4)
    bad, good = lab.worker("bad"), lab.worker("good")
    busy = good.claim()
    (number,) = fail_trials(lab, bad, "rejected", 1)
    other = fail_elsewhere(lab, bad)
    assert busy.complete(0.5).status_code == 200
    return bad, number, other


def wait_test(lab: Lab, worker: ProtocolWorker) -> float:
    """Beat until the server asks for a self-test; return how long that took."""
    begun = time.monotonic()
    lab.wait(lambda: worker.beat().json()["self_test"], "a self-test is due")
    return time.monotonic() - begun


def say_tested(worker: ProtocolWorker, found: str) -> dict[str, Any]:
    """Tell the result of a self-test; return the answer."""
    answer: dict[str, Any] = worker.beat({"state": "idle", "self_test": found}).json()
    return answer


def respawn(lab: Lab, held: Held) -> ProtocolWorker:
    """Return the next process under the worker's name, after its first word."""
    old = held.worker
    worker = ProtocolWorker(lab.service, name=old.name, image=lab.image, pid=old.pid + 1)
    lab.workers.append(worker)
    worker.beat()
    return worker


def test_trials_of_two_studies_in_a_row_take_a_worker_out_with_the_reason(lab: Lab) -> None:
    bad, number, other = take_out(lab)
    listed = row(lab, bad)

    assert listed["state"] == "out of service"
    assert listed["out_since"] is not None
    assert listed["reason"] == (
        f"2 trials in a row failed here: {lab.study} trial {number} (rejected: no luck with "
        f"rejected); {other} trial 0 (rejected: no luck with rejected)"
    )
    assert [e["text"] for e in lab.events("worker-out")] == [
        f"worker {bad.name} is out of service: {listed['reason']}"
    ]
    assert bad.beat().json()["reason"] == listed["reason"]
    assert bad.beat().json()["drain"] is False


def test_a_studys_events_say_nothing_of_the_trials_of_another_project(lab: Lab) -> None:
    lab.submit(budget={"trials": 6}, parallel=4)
    bad = lab.worker("bad")
    fail_trials(lab, bad, "rejected", 1)
    lab.do("pause")
    other = Lab(lab.service)
    other.image, other.study = lab.image, f"secret/{other.name}"
    other.submit(project="secret")
    fail_trials(other, bad, "rejected", 1)
    other.do("cancel")

    (told,) = lab.events("worker-out")
    assert "secret" not in told["text"]
    assert f"{lab.study} trial 0 (rejected: " in told["text"]
    assert told["text"].endswith("; a trial of another project")
    assert other.study in row(lab, bad)["reason"], "who runs the service is told all"


def test_a_worker_out_of_service_gets_nothing_and_its_trials_run_elsewhere(lab: Lab) -> None:
    bad, number, _ = take_out(lab)
    good = lab.workers[1]
    while lab.status()["state"] == "running":
        assert bad.try_claim() is None
        held = good.try_claim(wait_s=0.3)
        if held is not None:
            assert held.complete(0.5).status_code == 200

    assert lab.wait_closed()["counts"]["complete"] == 6
    workers = [a["worker"] for a in lab.show(number)["attempt_list"]]
    assert workers == [bad.name, good.name]


@pytest.mark.parametrize("cause", ["lost", "rejected", "storage"])
def test_trials_of_one_study_alone_have_a_worker_test_itself_and_stay_in_service(
    lab: Lab, cause: str
) -> None:
    lab.submit(budget={"trials": 6}, parallel=4)
    lab.worker("other").claim()
    worker = lab.worker("worker")
    fail_trials(lab, worker, cause, 2)
    assert worker.try_claim() is None, "it gets nothing before its self-test has spoken"
    assert worker.beat().json()["self_test"] is True
    assert say_tested(worker, "")["reason"] == ""

    assert row(lab, worker)["state"] == "idle"
    assert lab.events("worker-out") == []
    assert worker.claim().complete(0.5).status_code == 200


def test_a_self_test_that_fails_after_two_trials_takes_the_worker_out_with_both_reasons(
    lab: Lab,
) -> None:
    lab.submit(budget={"trials": 6}, parallel=4)
    lab.worker("other").claim()
    worker = lab.worker("worker")
    first, second = fail_trials(lab, worker, "rejected", 2)
    say_tested(worker, "log root /logs cannot be written")

    assert row(lab, worker)["reason"] == (
        f"2 trials in a row failed here: {lab.study} trial {first} (rejected: no luck with "
        f"rejected); {lab.study} trial {second} (rejected: no luck with rejected); its self-test "
        "failed: log root /logs cannot be written"
    )


def test_nobody_waits_for_a_worker_out_of_service(lab: Lab) -> None:
    bad, _, _ = take_out(lab)
    good = lab.workers[1]
    held = good.claim()
    while held.assignment["attempt_no"] > 1:  # one that the other worker has failed already
        held.complete(0.5)
        held = good.claim()
    held.fail("oom", "too large")

    def claims_it_again() -> bool:
        bad.beat()
        again = good.try_claim()
        if again is not None and again.trial != held.trial:
            again.complete(0.5)
        return again is not None and again.trial == held.trial

    assert lab.wait(claims_it_again, "the trial runs again where it failed"), "no other can run it"
    assert held.trial in [event["trial"] for event in lab.events("attempt-same-worker")]


def test_a_failed_self_test_keeps_it_out_and_a_passed_one_brings_it_back_on_probation(
    lab: Lab,
) -> None:
    bad, _, _ = take_out(lab)
    assert bad.beat().json()["self_test"] is False, "not at once"
    assert wait_test(lab, bad) > 0.5 * WAIT_S
    reason = "log root /logs cannot be written: Permission denied"
    assert say_tested(bad, reason)["reason"] == f"its self-test failed: {reason}"
    assert row(lab, bad)["reason"] == f"its self-test failed: {reason}"
    assert wait_test(lab, bad) > 1.5 * WAIT_S, "it waits twice as long"
    assert say_tested(bad, "")["reason"] == ""
    assert row(lab, bad)["state"] == "idle"
    assert len(lab.events("worker-back")) == 1

    fail_trials(lab, bad, "rejected", 1)
    assert row(lab, bad)["state"] == "out of service", "on probation one trial is enough"
    assert "a trial failed here again" in row(lab, bad)["reason"]
    assert bad.beat().json()["self_test"] is False
    assert say_tested(bad, "")["reason"] != "", "a result that nobody waits for changes nothing"


def test_a_success_ends_the_probation(lab: Lab) -> None:
    bad, _, _ = take_out(lab)
    wait_test(lab, bad)
    say_tested(bad, "")
    bad.claim().complete(0.5)
    fail_trials(lab, bad, "rejected", 1)

    assert row(lab, bad)["state"] == "idle"


def test_a_user_may_have_it_tested_at_once(lab: Lab) -> None:
    bad, _, _ = take_out(lab)
    document = lab.service.post(f"/workers/{bad.name}/test")

    assert document == {"worker": bad.name, "state": "test due"}
    assert bad.beat().json()["self_test"] is True
    assert say_tested(bad, "") == {
        "order": "continue",
        "drain": False,
        "self_test": False,
        "reason": "",
    }
    sound = lab.workers[1]
    lab.service.post(f"/workers/{sound.name}/test")
    assert sound.beat().json()["self_test"] is True, "one in service as well"
    assert say_tested(sound, "GPU 'X' does not answer")["reason"] == "GPU 'X' does not answer"
    assert row(lab, sound)["state"] == "out of service"
    assert lab.service.call("POST", "/workers/nobody/test").status_code == 404


def test_one_trial_that_fails_again_and_again_does_not_speak_against_its_worker(lab: Lab) -> None:
    lab.submit(budget={"trials": 1}, trial={"retries": 2})
    only = lab.worker("only")
    for _ in range(3):
        only.claim().fail("rejected", "no such module")

    assert row(lab, only)["state"] == "idle"
    assert [event["trial"] for event in lab.events("attempt-same-worker")] == [0, 0]


def test_a_success_between_two_failures_clears_the_worker(lab: Lab) -> None:
    lab.submit(budget={"trials": 6}, parallel=3)
    worker, other = lab.worker("worker"), lab.worker("other")
    other.claim()
    fail_trials(lab, worker, "rejected", 1)
    worker.claim().complete(0.5)
    fail_trials(lab, worker, "rejected", 1)

    assert row(lab, worker)["state"] == "idle"


def test_a_slot_whose_processes_die_one_after_the_other_is_one_bad_worker(lab: Lab) -> None:
    lab.submit(budget={"trials": 6}, parallel=4)
    lab.claim("other").beat()
    first = lab.claim("slot")
    first.beat()
    second_process = respawn(lab, first)
    assert row(lab, second_process)["state"] == "idle", "an operator may have killed it"
    second = second_process.claim()
    assert second.trial != first.trial
    second.beat()
    third_process = respawn(lab, second)
    assert third_process.beat().json()["self_test"] is True
    say_tested(third_process, "the trial's process died of SIGBUS")

    listed = row(lab, third_process)
    assert (listed["state"], listed["pid"]) == ("out of service", 3)
    assert "2 trials in a row failed here" in listed["reason"]
    assert "(lost: " in listed["reason"]


def test_an_attempt_that_was_lost_for_a_while_only_is_forgiven(lab: Lab) -> None:
    lab.submit(budget={"trials": 6}, parallel=4)
    held = lab.claim("slow")
    lab.wait_lost(held)
    assert held.beat().json()["order"] == "continue", "it takes its attempt back"
    held.fail("error", "ValueError: its own fault")
    fail_trials(lab, held.worker, "rejected", 1)

    assert row(lab, held.worker)["state"] == "idle"


def test_memory_that_others_have_speaks_against_a_worker_once_they_succeed(lab: Lab) -> None:
    lab.submit(budget={"trials": 6}, parallel=4)
    small, large = lab.worker("small"), lab.worker("large")
    busy = large.claim()
    numbers = fail_trials(lab, small, "oom", 2)
    assert row(lab, small)["state"] == "idle", "the configurations may be too large for all"
    busy.complete(0.5)
    for _ in numbers:
        held = large.claim()
        assert held.trial in numbers
        held.complete(0.5)
    assert row(lab, small)["state"] == "idle", "all of one study, so its self-test is to speak"
    assert small.beat().json()["self_test"] is True
    say_tested(small, "64 MB of memory cannot be had")

    assert row(lab, small)["state"] == "out of service"
    assert "(oom: no luck with oom)" in row(lab, small)["reason"]


def test_a_log_root_that_only_one_worker_cannot_write_speaks_against_it(lab: Lab) -> None:
    lab.submit(budget={"trials": 6}, parallel=4)
    worker, other = lab.worker("worker"), lab.worker("other")
    other.claim()
    fail_trials(lab, worker, "storage", 1)
    fail_elsewhere(lab, worker, "storage")

    assert row(lab, worker)["state"] == "out of service"
    assert "(storage: no luck with storage)" in row(lab, worker)["reason"]


@pytest.mark.parametrize("cause", ["error", "diverged", "timeout", "cancelled", "preempted"])
def test_failures_of_the_trial_itself_do_not_speak_against_the_worker(lab: Lab, cause: str) -> None:
    lab.submit(budget={"trials": 6}, trial={"retries": 0})
    worker = lab.worker("worker")
    for _ in range(2):
        worker.claim().fail(cause, "its own fault")

    assert row(lab, worker)["state"] == "idle"


@pytest.mark.slow
def test_a_broken_worker_among_three_touches_few_trials_and_comes_back_when_repaired(
    make_service: MakeService,
) -> None:
    """Real workers, in about 20 s: its self-test comes after 9 s, its trials run again after 10."""
    with make_service("sqlite", lease_s=6.0) as service, open_fleet(service) as fleet:
        mount = service.home / "mount"
        mount.write_text("what is there while a volume is not mounted")
        bad = fleet.start("bad", TUNER_LOG_ROOT=str(mount / "logs"))
        name = fleet.name_of(bad)
        good = [fleet.start("good"), fleet.start("good")]
        lab = fleet.submit(*["good"] * 16, search_space=SPACE, start_with=[], parallel=None)
        listed = lab.wait(lambda: is_out(listed_as(service, name)), "it is taken out")
        assert "(storage: the trial was not started: [Errno 20]" in listed["reason"]
        mount.unlink()
        bad.wait_log("worker is back in service", 30)
        assert lab.wait_closed()["counts"]["complete"] == 16

        begun = [attempt for number in range(16) for attempt in attempts(lab, number)]
        failed = [attempt for attempt in begun if attempt["state"] != "done"]
        assert {attempt["worker"] for attempt in failed} == {name}
        assert 2 <= len(failed) <= 3, "few trials were touched, and each of them once"
        numbers = [int(attempt["id"].split("-t")[1].split("-")[0]) for attempt in failed]
        assert all(attempts(lab, number)[-1]["worker"] != name for number in numbers)
        for worker in good:
            worker.terminate()
            worker.wait()
        assert fleet.submit("good").wait_closed()["counts"]["complete"] == 1


def test_a_worker_whose_gpu_does_not_answer_says_so_instead_of_vanishing(
    service: ServiceProcess, lab: Lab
) -> None:
    with open_fleet(service) as fleet:
        worker = fleet.start("gpu", "--device=gpu:GPU-00000000")
        name = fleet.name_of(worker)
        worker.wait_log("worker is out of service")
        worker.wait_log("self-test ended")
        listed = lab.wait(lambda: is_out(listed_as(service, name)), "it is out of service")

        assert "GPU 'GPU-00000000' does not answer" in listed["reason"]
        assert worker.process.poll() is None
        worker.terminate()
        assert worker.wait(15) == 0


SPACE = {
    "case": {"type": "categorical", "values": ["good"]},
    "x": {"type": "float", "low": 0.0, "high": 1.0},
}


def listed_as(service: ServiceProcess, name: str) -> dict[str, Any]:
    """Return the row of a worker; empty while it was not heard of for a whole (short) lease."""
    return next((row for row in service.get("/workers") if row["name"] == name), {})


def is_out(listed: dict[str, Any]) -> dict[str, Any] | None:
    return listed if listed.get("state") == "out of service" else None
