"""What a worker says while it works: claims, reports, finishes, and repeats them."""

from __future__ import annotations

import itertools
import json

from tests.integration.workers_peer import Peer
from tests.integration.workers_process import Start
from tests.support.patience import wait_until
from tuner.roots import Place
from tuner.tfevents import read_run


def test_a_trial_is_claimed_reported_finished_and_written(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:noop")
    worker = start()
    finish = peer.wait_finish("s1-t0-a1")
    wait_until(lambda: (worker.run_dir() / "trial.json").exists(), "no trial.json", seconds=5)

    assert (finish["outcome"], finish["values"], finish["cause"]) == ("complete", [0.5], None)
    assert finish["exit_status"] == 0
    points = peer.reports["s1-t0-a1"] + finish["points"]
    assert [(p["step"], p["value"]) for p in points] == [(1, 0.5), (2, 1.0), (3, 1.5)]
    run = read_run(Place(worker.run_dir()))
    assert run["hparams"] == {"x": 0.5, "layers": 2.0}
    assert run["status"] == "success"
    assert [point[:2] for point in run["scalars"]["score"]] == [(1, 0.5), (2, 1.0), (3, 1.5)]
    assert [point[1] for point in run["scalars"]["objective"]] == [0.5]
    config = json.loads((worker.run_dir() / "config.json").read_text())
    assert config["params"] == {"x": 0.5, "layers": 2}
    assert config["spec"] == {"project": "vision"}
    assert config["worker"] == "w1"
    assert len(config["package_lock"]) == 64
    assert json.loads((worker.run_dir() / "trial.json").read_text())["outcome"] == "COMPLETE"


def test_reports_are_posted_at_once_and_then_at_most_twice_a_second(
    peer: Peer, start: Start
) -> None:
    peer.offer("workers_trials:reporter")
    start()
    wait_until(lambda: len(peer.posts["s1-t0-a1"]) >= 4, "too few posts", seconds=20)

    times = peer.posts["s1-t0-a1"]
    assert all(later - earlier > 0.45 for earlier, later in itertools.pairwise(times))
    steps = [point["step"] for point in peer.reports["s1-t0-a1"]]
    assert steps == list(range(1, len(steps) + 1))
    beats = [beat for beat in peer.beats if beat["attempt"] == "s1-t0-a1"]
    assert len(beats) >= 3, "beats go on while reports flow"


def test_numpy_scalars_are_numbers(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:numpy_scalar")
    start()
    finish = peer.wait_finish("s1-t0-a1")

    assert finish["values"] == [0.25]
    assert (peer.reports["s1-t0-a1"] + finish["points"])[0]["metrics"] == {"loss": 2.0}


def test_a_finish_is_repeated_with_the_same_body_until_it_is_answered(
    peer: Peer, start: Start
) -> None:
    peer.broken_finishes = 3
    peer.offer("workers_trials:noop")
    worker = start()
    wait_until(lambda: len(peer.finishes["s1-t0-a1"]) == 4, "not repeated", seconds=20)
    wait_until(lambda: (worker.run_dir() / "trial.json").exists(), "no trial.json", seconds=5)

    bodies = peer.finishes["s1-t0-a1"]
    assert all(body == bodies[0] for body in bodies)


def test_training_goes_on_while_the_server_is_away(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:checkpoints")
    worker = start()
    wait_until(lambda: peer.reports["s1-t0-a1"], "no report", seconds=20)
    port = peer.server.server_port
    peer.close()
    worker.wait_log("finish not answered")
    assert worker.process.poll() is None
    peer.open(port)
    finish = peer.wait_finish("s1-t0-a1", 20)

    assert finish["values"] == [60.0]
    points = peer.reports["s1-t0-a1"] + finish["points"]
    assert [point["step"] for point in points] == list(range(1, 61))


def test_more_points_than_a_message_holds_arrive_in_several(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:flood")
    start()
    finish = peer.wait_finish("s1-t0-a1", 60)

    points = peer.reports["s1-t0-a1"] + finish["points"]
    assert [point["step"] for point in points] == list(range(1, 3001))
    assert all(len(point["metrics"]) == 20 for point in points)
    assert peer.largest_body < 1 << 20


def test_an_attempt_that_is_not_the_outcome_logs_no_objective(peer: Peer, start: Start) -> None:
    peer.losers.add("s1-t0-a1")
    peer.offer("workers_trials:noop")
    worker = start()
    peer.wait_finish("s1-t0-a1")
    wait_until(lambda: (worker.run_dir() / "trial.json").exists(), "no trial.json", seconds=5)

    run = read_run(Place(worker.run_dir()))
    assert "objective" not in run["scalars"]
    assert run["status"] == "failure"
