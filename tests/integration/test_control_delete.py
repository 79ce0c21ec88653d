"""Deleting a study, alone and in the middle of what its workers do."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.support.databases.dump import Database, study_id_of
from tests.support.protocol_worker import Held
from tests.support.study_lab import Lab


def delete(lab: Lab) -> httpx.Response:
    return lab.service.call("DELETE", f"/studies/{lab.study}")


def test_a_deleted_study_leaves_its_workers_nothing_to_report_to(lab: Lab) -> None:
    lab.submit()
    running = lab.claim()
    answer = lab.service.call("DELETE", f"/studies/{lab.study}")

    assert answer.json()["deleted"] is True
    assert [running.beat().status_code, running.complete(0.5).status_code] == [404, 404]
    assert lab.service.call("GET", f"/studies/{lab.study}").status_code == 404
    lab.submit()
    assert lab.claim().trial == 0, "the name is free again"


def test_a_study_made_after_a_deleted_one_has_nothing_of_it(lab: Lab) -> None:
    lab.submit(objective="objectives:first", start_with=[{"x": 0.125}])
    held = lab.claim()
    newest = lab.service.get(f"/studies/{lab.study}/events")[-1]["id"]
    lab.service.call("DELETE", f"/studies/{lab.study}")
    lab.submit(objective="objectives:second", start_with=[{"x": 0.875}])
    fresh = lab.claim()

    assert fresh.assignment["objective"] == "objectives:second"
    assert fresh.params == {"x": 0.875}
    assert fresh.attempt != held.attempt
    assert lab.show(0)["params"] == {"x": 0.875}
    # Who follows the events asks for those after the newest one that is known.
    assert lab.service.get(f"/studies/{lab.study}/events")[0]["id"] > newest


def test_a_study_is_deleted_around_a_finish_that_makes_another_attempt(
    lab: Lab, database: Database
) -> None:
    lab.submit()
    held = lab.claim()
    with ThreadPoolExecutor(2) as threads:
        with database.hold("tuner_attempts", id=held.attempt):
            finish = threads.submit(held.fail, "preempted")
            time.sleep(0.2)
            deleted = threads.submit(delete, lab)
            time.sleep(0.2)
        answers = finish.result(), deleted.result()

    assert answers[1].status_code == 200, answers[1].text
    assert answers[0].status_code in (200, 404), answers[0].text
    assert database.rows_of(study_id_of(held.attempt)) == {}


def test_a_study_is_deleted_in_the_middle_of_everything(lab: Lab, database: Database) -> None:
    """Nothing of it is left, and nobody meets a fault of the server."""
    for _ in range(8):
        lab.submit(budget={"trials": 50}, trial={"retries": 5})
        workers = [lab.worker() for _ in range(3)]
        held = [worker.claim() for worker in workers]
        begin = threading.Barrier(4)

        def work(one: Held, begin: threading.Barrier = begin) -> list[int]:
            begin.wait()
            body = one.worker.claim_body()
            answers = [
                one.report(1, 0.5),
                one.fail("preempted"),
                one.beat(),
                one.worker.post("/claim", body),
                one.worker.post("/claim", body),
            ]
            return [answer.status_code for answer in answers]

        with ThreadPoolExecutor(3) as threads:
            working = [threads.submit(work, one) for one in held]
            begin.wait()
            assert delete(lab).status_code == 200
            statuses = {status for one in working for status in one.result()}

        assert statuses <= {200, 204, 404, 409}
        # The coordinator may have had a proposal in its hands.
        lab.service.get("/studies")
        assert database.rows_of(study_id_of(held[0].attempt)) == {}
