"""A study that starts no trial says why, within 10 s, and starts one as soon as it can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from urllib.parse import quote

import pytest

from tests.support.protocol_worker import ProtocolWorker
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import Lab
from tuner.trials.wait_reasons import BUSY, NO_WORKER, STARTING, UNHEARD

pytestmark = pytest.mark.slow

MakeService = Callable[..., AbstractContextManager[ServiceProcess]]
WITHIN_S = 10.0


@pytest.fixture(params=["sqlite", "postgresql"])
def labs(request: pytest.FixtureRequest, make_service: MakeService) -> Iterator[Callable[[], Lab]]:
    """Makes studies on a server of the test's own, whose workers are all known."""
    made: list[Lab] = []
    with make_service(request.param) as service:

        def make() -> Lab:
            made.append(Lab(service))
            return made[-1]

        yield make
        for lab in made:
            lab.close()


def wait_reason(lab: Lab, text: str, *alive: ProtocolWorker) -> str:
    """Return the reason that the status gives, once it holds `text`, while workers beat."""

    def look() -> str | None:
        for worker in alive:
            worker.beat()
        reason = str(lab.status()["reason"])
        return reason if text in reason else None

    found: str = lab.wait(look, f"a reason with {text!r}", WITHIN_S)
    return found


def test_without_workers_the_status_says_so_until_one_comes(labs: Callable[[], Lab]) -> None:
    lab = labs()
    lab.submit()
    wait_reason(lab, NO_WORKER)
    assert [event["text"] for event in lab.events("study-waiting")] == [
        f"no trial starts: {NO_WORKER}"
    ]
    lab.claim()

    lab.wait(lambda: lab.status()["reason"] == "", "the reason is gone", 5)
    assert lab.events("study-waiting")[-1]["text"] == "trials start again"


def test_each_study_names_what_its_workers_lack(labs: Callable[[], Lab]) -> None:
    sound, of_gpu, of_image, of_bad, of_drained = labs(), labs(), labs(), labs(), labs()
    bad, drained, any_image = of_bad.worker("bad"), of_drained.worker("drained"), sound.worker()
    for worker in (bad, drained, any_image):
        worker.beat()
    bad.beat({"state": "idle", "self_test": "GPU 'X' does not answer"})
    drained.service.post(f"/workers/{drained.name}/drain")
    of_gpu.submit(trial={"gpus": 1})
    of_image.submit()
    of_bad.submit()
    of_drained.submit()
    alive = (bad, drained, any_image)

    gpu = wait_reason(of_gpu, "no gpu worker", *alive)
    image = wait_reason(of_image, "no worker has its image", *alive)
    out = wait_reason(of_bad, "takes no trials", *alive)
    leaves = wait_reason(of_drained, "takes no trials", *alive)
    assert gpu == "no gpu worker is there; the workers that are there: cpu (3)"
    assert of_image.image[:30] in image
    assert sound.image[:30] in image
    assert f"{bad.name} (out of service, GPU 'X' does not answer)" in out
    assert f"{drained.name} (leaves, drained by a user)" in leaves
    assert len(of_gpu.events("study-waiting")) == 1, "a reason is told once"


def test_a_study_without_its_turn_says_that_the_workers_are_busy_and_it_is_no_event(
    labs: Callable[[], Lab],
) -> None:
    first, second = labs(), labs()
    second.image = first.image
    worker = first.worker()
    first.submit()
    held = worker.claim()
    second.submit()
    second.wait(lambda: held.beat() and second.status()["reason"] == BUSY, "it says so", WITHIN_S)
    first.do("pause")
    held.complete(0.5)
    taken = worker.claim()

    assert taken.assignment["study"] == second.study
    second.wait(lambda: second.status()["reason"] == "", "the reason is gone", 5)
    assert second.events("study-waiting") == []


def test_a_trial_that_may_not_start_yet_says_until_when(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    worker = lab.worker()
    worker.claim().fail("storage", "no space left")

    assert "the next attempt waits until" in wait_reason(lab, "waits until", worker)
    assert lab.events("study-waiting") == []


def test_an_exhausted_space_ends_the_study_with_that_reason(lab: Lab) -> None:
    lab.submit(
        search_space={"x": {"type": "categorical", "values": ["a", "b"]}},
        sampler={"name": "grid", "seed": 1},
        budget={"trials": 10},
    )
    lab.run(lab.worker(), lambda _: 0.5)

    assert lab.status()["state"] == "finished"
    assert "search space exhausted" in lab.status()["reason"]
    assert lab.status()["counts"]["complete"] == 2


def test_trials_that_never_count_pause_the_study_and_a_restart_does_not_forget_it(
    labs: Callable[[], Lab],
) -> None:
    lab = labs()
    lab.submit(budget={"trials": 10}, trial={"retries": 0}, parallel=1)
    worker = lab.worker("first")
    worker.claim().complete(0.5)
    for number in range(5):
        # A name each: two trials in a row would take a worker out of service.
        lab.claim(f"w{number}").fail("rejected", f"no GPU {number}")
    lab.wait(lambda: lab.status()["state"] == "paused", "the study pauses")

    assert lab.status()["reason"] == (
        "5 trials in a row ended without a result that counts; "
        "the last one, trial 5 (rejected): no GPU 4"
    )
    assert lab.status()["budget"]["used"] == 1
    lab.do("resume")
    lab.service.kill_and_start()
    held = worker.claim()
    assert held.trial == 6, "who resumes the study means it"
    held.complete(0.5)


@pytest.mark.parametrize("cause", ["oom", "timeout", "diverged", "rejected"])
def test_three_first_trials_of_one_cause_pause_the_study(lab: Lab, cause: str) -> None:
    lab.submit(budget={"trials": 10}, trial={"retries": 0}, parallel=1)
    for number in range(3):
        for again in range(2 if cause == "oom" else 1):
            lab.claim(f"w{number}{again}").fail(cause, f"shape [{number}]")
    lab.wait(lambda: lab.status()["state"] == "paused", "the study pauses")

    assert lab.status()["reason"] == f"the first 3 trials failed alike ({cause}): shape [2]"
    assert lab.show(2)["error"] == "shape [2]"


def test_workers_that_start_or_stop_are_neither_idle_nor_blamed(lab: Lab) -> None:
    worker = lab.worker()
    lab.submit()

    def demand() -> tuple[int, int, int]:
        found = lab.service.get(f"/demand?device=cpu&gpus=0&image={quote(lab.image)}")
        (kind,) = (kind for kind in found["kinds"] if kind["image"] == lab.image)
        return kind["workers_wanted"], kind["workers"], kind["idle"]

    assert demand() == (4, 0, 0)
    worker.beat({"state": "starting"})
    (listed,) = (row for row in lab.service.get("/workers") if row["name"] == worker.name)
    assert listed["state"] == "starting"
    assert demand() == (4, 1, 0)
    lab.wait(
        lambda: worker.beat({"state": "starting"}) and lab.status()["reason"] == STARTING,
        "it says so",
        WITHIN_S,
    )
    assert lab.events("study-waiting") == []

    worker.claim().fail("preempted")
    worker.beat({"state": "stopping"})
    wait_reason(lab, "no worker")
    assert demand() == (4, 0, 0)


def test_workers_that_ended_without_a_word_are_not_said_to_pass_trials_by(lab: Lab) -> None:
    lab.submit(budget={"trials": 1})
    lab.claim().fail("preempted")
    # It is idle, its trial is ready again, and nothing is heard of it from now on.
    wait_reason(lab, UNHEARD)

    assert lab.events("study-waiting") == []
