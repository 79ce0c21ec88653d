"""How a worker starts, and with which status it ends when it cannot."""

from __future__ import annotations

from tests.integration.workers_peer import Peer
from tests.integration.workers_process import Start


def test_another_protocol_version_ends_the_worker_with_the_reason(peer: Peer, start: Start) -> None:
    peer.config["protocol"] = 2
    worker = start()

    assert worker.wait(20) == 3
    assert "protocol 2" in worker.wait_log("worker does not fit the server")["reason"]


def test_a_refused_token_ends_the_worker(peer: Peer, start: Start) -> None:
    worker = start(TUNER_TOKEN="wrong")

    assert worker.wait(20) == 4


def test_a_clock_that_is_hours_off_is_told_at_the_start_and_stops_nothing(
    peer: Peer, start: Start
) -> None:
    peer.clock_off_s = -8 * 3600.0
    peer.offer("workers_trials:noop")
    worker = start()

    assert peer.wait_finish("s1-t0-a1", 20)["outcome"] == "complete"
    said = worker.wait_log("clocks differ")["reason"]
    assert said.startswith("the clocks differ by 8 hours: here it is ")
    assert f"at the server {peer.url} it is " in said
    assert len([line for line in worker.logs() if line["message"] == "clocks differ"]) == 1


def test_a_host_that_does_not_see_the_launchers_roots_runs_nothing(
    peer: Peer, start: Start
) -> None:
    worker = start(TUNER_LOG_ROOT_MARK="that of another folder")

    assert worker.wait(20) == 2
    said = worker.wait_log("not started")["reason"]
    assert said.startswith(f"TUNER_LOG_ROOT={worker.log_root}: is missing on ")
    assert not worker.log_root.exists()


def test_a_missing_setting_is_named(peer: Peer, start: Start) -> None:
    worker = start(TUNER_API_URL="")

    assert worker.wait(20) == 2
    assert "TUNER_API_URL" in worker.wait_log("not started")["reason"]


def test_a_worker_waits_for_a_server_that_is_not_there_yet(peer: Peer, start: Start) -> None:
    port = peer.server.server_port
    peer.close()
    worker = start()
    worker.wait_log("server not reached")
    peer.open(port)
    peer.offer("workers_trials:noop")

    assert peer.wait_finish("s1-t0-a1", 20)["outcome"] == "complete"
