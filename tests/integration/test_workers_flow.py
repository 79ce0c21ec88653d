"""A real worker process against a peer that speaks the protocol: the life of attempts."""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.workers_peer import TOKEN, Peer, wait_until
from tests.integration.workers_process import Started, is_alive, kill, read_pid, wait_dead
from tuner.tfevents import read_run

Start = Callable[..., Started]


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def start(peer: Peer, tmp_path: Path) -> Iterator[Start]:
    started: list[Started] = []

    def start(*arguments: str, name: str = "w1", **environ: str) -> Started:
        command = ["run", f"--name={name}", "--preimport=none", *arguments]
        started.append(Started(command, tmp_path / "home", peer, **environ))
        return started[-1]

    yield start
    for process in started:
        process.close()


def test_a_trial_is_claimed_reported_finished_and_written(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:noop")
    worker = start()
    finish = peer.wait_finish("s1-t0-a1")
    wait_until(lambda: (worker.run_dir() / "trial.json").exists(), 5, "no trial.json")

    assert (finish["outcome"], finish["values"], finish["cause"]) == ("complete", [0.5], None)
    assert finish["exit_status"] == 0
    points = peer.reports["s1-t0-a1"] + finish["points"]
    assert [(p["step"], p["value"]) for p in points] == [(1, 0.5), (2, 1.0), (3, 1.5)]
    run = read_run(worker.run_dir())
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
    wait_until(lambda: len(peer.posts["s1-t0-a1"]) >= 4, 20, "too few posts")

    times = peer.posts["s1-t0-a1"]
    assert all(later - earlier > 0.45 for earlier, later in itertools.pairwise(times))
    steps = [point["step"] for point in peer.reports["s1-t0-a1"]]
    assert steps == list(range(1, len(steps) + 1))
    beats = [beat for beat in peer.beats if beat["attempt"] == "s1-t0-a1"]
    assert len(beats) >= 3, "beats go on while reports flow"


@pytest.mark.parametrize("objective", ["reporter", "swallows"])
def test_a_pruned_trial_ends_pruned_whatever_it_returns(
    peer: Peer, start: Start, objective: str
) -> None:
    peer.offer(f"workers_trials:{objective}")
    worker = start()
    wait_until(lambda: peer.reports["s1-t0-a1"], 20, "no report")
    peer.orders["s1-t0-a1"] = "prune"
    finish = peer.wait_finish("s1-t0-a1", 5)

    assert (finish["outcome"], finish["cause"], finish["values"]) == ("pruned", None, [])
    assert "stopped by TrialPruned" in (worker.run_dir() / "output.log").read_text()


def test_a_cancelled_trial_that_reports_ends_softly(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:reporter")
    start()
    wait_until(lambda: peer.reports["s1-t0-a1"], 20, "no report")
    peer.orders["s1-t0-a1"] = "cancel"
    finish = peer.wait_finish("s1-t0-a1", 5)

    assert (finish["outcome"], finish["cause"]) == ("failed", "cancelled")
    assert finish["exit_status"] == 0


def test_a_cancelled_trial_that_does_not_listen_is_killed(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:deaf")
    worker = start()
    wait_until(lambda: (worker.run_dir() / "started").exists(), 20, "not started")
    peer.orders["s1-t0-a1"] = "cancel"
    asked = time.monotonic()
    finish = peer.wait_finish("s1-t0-a1", 20)

    assert (finish["cause"], finish["exit_status"]) == ("cancelled", -signal.SIGKILL)
    assert 9 < time.monotonic() - asked < 14


def test_a_trial_over_its_time_is_asked_and_ends_as_timeout(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:reporter", timeout_s=1.0)
    start()
    finish = peer.wait_finish("s1-t0-a1", 10)

    assert (finish["outcome"], finish["cause"]) == ("failed", "timeout")
    assert "1 s" in finish["error"]
    assert 0.9 < finish["duration_s"] < 4


def test_sigterm_preempts_the_trial_which_continues_elsewhere(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:checkpoints")
    worker = start()
    wait_until(lambda: len(peer.reports["s1-t0-a1"]) >= 5, 20, "no report")
    worker.terminate()
    finish = peer.wait_finish("s1-t0-a1", 5)
    assert (finish["outcome"], finish["cause"]) == ("failed", "preempted")
    assert worker.wait(5) == 0

    seen = peer.reports["s1-t0-a1"] + finish["points"]
    # The step that was stopped was saved but not reported.
    curve = [{"step": p["step"], "value": p["value"], "metrics": {}} for p in seen]
    checkpoint = "vision/digits/trial_00000"
    peer.offer(
        "workers_trials:checkpoints",
        attempt="s1-t0-a2",
        curve=curve,
        checkpoint_dir=checkpoint,
    )
    second = start(name="w2")
    finish = peer.wait_finish("s1-t0-a2", 20)
    wait_until(lambda: (second.run_dir(2) / "trial.json").exists(), 5, "no trial.json")

    assert finish["values"] == [60.0]
    steps = [point[0] for point in read_run(second.run_dir(2))["scalars"]["score"]]
    assert len(steps) == len(set(steps))
    assert steps[0] == 1
    assert steps[-1] == 60


def test_an_idle_worker_leaves_at_once(peer: Peer, start: Start) -> None:
    worker = start()
    worker.wait_log("worker ready")
    time.sleep(0.5)
    asked = time.monotonic()
    worker.terminate()

    assert worker.wait(5) == 0
    assert time.monotonic() - asked < 1


def test_a_second_signal_kills_the_trial_now(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:deaf")
    worker = start()
    wait_until(lambda: (worker.run_dir() / "started").exists(), 20, "not started")
    worker.terminate()
    time.sleep(1.2)
    worker.terminate()
    finish = peer.wait_finish("s1-t0-a1", 3)

    assert finish["cause"] == "preempted"
    assert worker.wait(5) == 0


def test_a_killed_trial_is_lost_and_noticed_at_once(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:who")
    worker = start()
    pid = read_pid(worker.run_dir() / "trial")
    killed = time.monotonic()
    kill(pid)
    finish = peer.wait_finish("s1-t0-a1", 5)

    assert (finish["outcome"], finish["cause"]) == ("failed", "lost")
    assert finish["exit_status"] == -signal.SIGKILL
    assert time.monotonic() - killed < 1


BAD_ENDS = [
    ("exits", "error", "exited with status 7 without a result"),
    ("says_exit", "error", "SystemExit: 3"),
    ("segfaults", "error", "died of SIGSEGV"),
    ("kills_itself", "lost", "died of SIGKILL"),
    ("raises", "error", "ValueError: bad"),
    ("out_of_memory", "oom", "MemoryError: no room"),
    ("full_disk", "storage", "No space left"),
    ("foreign_full_disk", "error", "No space left"),
    ("nan", "diverged", "score is nan"),
    ("nothing", "error", "returned None; expected a number, a dict with the key 'score'"),
    ("text", "error", "returned '0.5' (str)"),
    ("wrong_key", "error", "without the metric 'score'; its keys: accuracy"),
    ("missing", "error", "workers_trials has no 'missing'"),
]


@pytest.fixture(scope="module")
def bad_ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Peer, Started]]:
    """One worker that meets every bad end, one after the other."""
    peer = Peer()
    for number, (objective, _, _) in enumerate(BAD_ENDS):
        peer.offer(f"workers_trials:{objective}", attempt=f"s1-t{number}-a1")
    home = tmp_path_factory.mktemp("bad")
    worker = Started(["run", "--name=w1", "--preimport=none"], home, peer)
    yield peer, worker
    worker.close()
    peer.close()


@pytest.mark.parametrize("number", range(len(BAD_ENDS)), ids=[end[0] for end in BAD_ENDS])
def test_every_bad_end_has_its_cause_and_says_what_happened(
    bad_ends: tuple[Peer, Started], number: int
) -> None:
    (peer, worker), (_, cause, text) = bad_ends, BAD_ENDS[number]
    finish = peer.wait_finish(f"s1-t{number}-a1", 30)
    folder = worker.run_dir(trial=number)
    wait_until(lambda: (folder / "trial.json").exists(), 5, "no trial.json")

    assert (finish["outcome"], finish["cause"]) == ("failed", cause)
    assert text in finish["error"]
    assert "workers/child.py" not in finish["error"]
    assert finish["values"] == []
    run = read_run(folder)
    assert run["status"] == "failure"
    assert "objective" not in run["scalars"]


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
    wait_until(lambda: len(peer.finishes["s1-t0-a1"]) == 4, 20, "not repeated")
    wait_until(lambda: (worker.run_dir() / "trial.json").exists(), 5, "no trial.json")

    bodies = peer.finishes["s1-t0-a1"]
    assert all(body == bodies[0] for body in bodies)


def test_training_goes_on_while_the_server_is_away(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:checkpoints")
    worker = start()
    wait_until(lambda: peer.reports["s1-t0-a1"], 20, "no report")
    port = peer.server.server_port
    peer.close()
    time.sleep(2.5)
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


def test_a_sigterm_to_the_trial_alone_is_left_to_the_worker(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:hears_sigterm")
    start()
    finish = peer.wait_finish("s1-t0-a1")

    assert finish["outcome"] == "complete", finish["error"]
    assert finish["values"] == [-signal.SIGTERM], "what the trial forked ends as ever"


@pytest.mark.parametrize("status", [404, 409, 410, 413, 422])
def test_a_fenced_trial_is_killed_and_leaves_no_objective(
    peer: Peer, start: Start, status: int
) -> None:
    peer.offer("workers_trials:who")
    worker = start()
    pid = read_pid(worker.run_dir() / "trial")
    peer.fenced["s1-t0-a1"] = status
    wait_dead(pid, 5)
    peer.offer("workers_trials:noop", attempt="s1-t1-a1")

    assert peer.wait_finish("s1-t1-a1")["outcome"] == "complete", "the worker works on"
    assert peer.finishes["s1-t0-a1"] == []
    run = read_run(worker.run_dir())
    assert "objective" not in run["scalars"]
    assert run["status"] is None


def test_an_attempt_that_is_not_the_outcome_logs_no_objective(peer: Peer, start: Start) -> None:
    peer.losers.add("s1-t0-a1")
    peer.offer("workers_trials:noop")
    worker = start()
    peer.wait_finish("s1-t0-a1")
    wait_until(lambda: (worker.run_dir() / "trial.json").exists(), 5, "no trial.json")

    run = read_run(worker.run_dir())
    assert "objective" not in run["scalars"]
    assert run["status"] == "failure"


def test_an_unwritable_log_root_fails_the_attempt_before_it_trains(
    peer: Peer, start: Start, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    peer.offer("workers_trials:noop")
    start(TUNER_LOG_ROOT=str(blocked / "logs"))
    finish = peer.wait_finish("s1-t0-a1")

    assert (finish["outcome"], finish["cause"]) == ("failed", "storage")
    assert "not started" in finish["error"]
    assert finish["exit_status"] is None


def test_a_log_root_that_fills_up_costs_the_curve_and_not_the_trial(
    peer: Peer, start: Start, small_disk: Path
) -> None:
    peer.offer("workers_trials:reporter_until_full", params={"x": 0.5, "disk": str(small_disk)})
    worker = start(TUNER_LOG_ROOT=str(small_disk / "logs"))
    finish = peer.wait_finish("s1-t0-a1", 30)

    assert (finish["outcome"], finish["values"]) == ("complete", [0.5]), finish["error"]
    assert worker.wait_log("log root not writable, the coordinator will repair the run")
    (small_disk / "filler").unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=1m tmpfs {folder} 2>/dev/null"):  # noqa: S605
        pytest.skip("needs root and the right to mount a tmpfs")
    yield folder
    os.system(f"umount -l {folder}")  # noqa: S605


def test_code_is_fetched_checked_and_sought_before_installed_packages(
    peer: Peer, start: Start
) -> None:
    sha256 = peer.send_code(
        make_archive({"json.py": "", "mine/__init__.py": "", "mine/goal.py": GOAL})
    )
    peer.offer("mine.goal:train", code=sha256)
    worker = start()
    finish = peer.wait_finish("s1-t0-a1")

    assert finish["values"] == [2.0], finish["error"]
    folder = worker.home / "code" / sha256
    assert folder.is_dir()
    assert str(folder) in (worker.run_dir() / "output.log").read_text()


GOAL = "def train(run):\n    print(__file__)\n    return float(run.params['layers'])\n"


@pytest.mark.parametrize("name", ["tuner/__init__.py", "workers.py"])
def test_code_that_would_shadow_the_service_is_rejected(
    peer: Peer, start: Start, name: str
) -> None:
    peer.offer("mine:train", code=peer.send_code(make_archive({name: "", "mine.py": GOAL})))
    start()
    finish = peer.wait_finish("s1-t0-a1")

    assert finish["cause"] == "rejected"
    assert "rename" in finish["error"]


def test_code_that_the_server_does_not_hold_rejects_the_attempt(peer: Peer, start: Start) -> None:
    peer.offer("mine:train", code="0" * 64)
    start()

    assert peer.wait_finish("s1-t0-a1")["cause"] == "rejected"


def test_code_with_other_bytes_than_its_hash_is_rejected(peer: Peer, start: Start) -> None:
    peer.snapshots["1" * 64] = make_archive({"mine.py": GOAL})
    peer.offer("mine:train", code="1" * 64)
    start()
    finish = peer.wait_finish("s1-t0-a1")

    assert finish["cause"] == "rejected"
    assert "other bytes" in finish["error"]


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_no_token_reaches_a_trial_or_a_file(peer: Peer, start: Start, isolation: str) -> None:
    peer.offer("workers_trials:environment")
    worker = start(f"--isolation={isolation}", SECRET_FREE="yes")
    peer.wait_finish("s1-t0-a1")
    wait_until(lambda: (worker.run_dir() / "trial.json").exists(), 5, "no trial.json")

    output = (worker.run_dir() / "output.log").read_text()
    assert "CUDA -1" in output
    # The trial's own channel is the only socket it has.
    assert "SOCKETS 1" in output
    holders = [
        p for p in worker.home.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()
    ]
    assert holders == []
    assert TOKEN.encode() not in Path(f"/proc/{worker.pid}/environ").read_bytes()


def test_output_is_kept_and_cut_at_ten_megabytes(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:chatty")
    worker = start()
    peer.wait_finish("s1-t0-a1", 30)

    log = worker.run_dir() / "output.log"
    assert log.read_text().endswith("the end\n")
    assert log.stat().st_size < 20_000_000
    assert (worker.run_dir() / "output.log.1").exists()


def test_what_a_trial_started_ends_with_it(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:leaves_children")
    worker = start()
    peer.wait_finish("s1-t0-a1")

    wait_dead(read_pid(worker.run_dir() / "grandchild"))


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_a_trial_dies_with_its_worker(peer: Peer, start: Start, isolation: str) -> None:
    peer.offer("workers_trials:who")
    worker = start(f"--isolation={isolation}")
    pid = read_pid(worker.run_dir() / "trial")
    assert is_alive(pid)
    kill(worker.pid)

    wait_dead(pid, 3)


def test_a_forked_and_a_spawned_trial_draw_the_same_seeded_numbers(
    peer: Peer, start: Start
) -> None:
    peer.offer("workers_trials:random_numbers", attempt="s1-t0-a1")
    peer.offer("workers_trials:random_numbers", attempt="s1-t1-a1", seed=8)
    start(name="w1")
    forked = peer.wait_finish("s1-t0-a1")["metrics"]
    assert forked != peer.wait_finish("s1-t1-a1")["metrics"]
    peer.offer("workers_trials:random_numbers", attempt="s1-t2-a1")
    start("--isolation=spawn", name="w2").wait_log("worker ready")
    peer.offer("workers_trials:random_numbers", attempt="s1-t3-a1")

    assert peer.wait_finish("s1-t2-a1")["metrics"] == forked
    assert peer.wait_finish("s1-t3-a1")["metrics"] == forked


def test_unseeded_forks_do_not_repeat_each_other(peer: Peer, start: Start) -> None:
    for number in (0, 1):
        peer.offer(
            "workers_trials:random_numbers",
            attempt=f"s1-t{number}-a1",
            reproducibility="off",
        )
    start()

    assert peer.wait_finish("s1-t0-a1")["metrics"] != peer.wait_finish("s1-t1-a1")["metrics"]


def test_a_drained_worker_ends_its_trial_and_leaves(peer: Peer, start: Start) -> None:
    peer.offer("workers_trials:checkpoints")
    worker = start()
    wait_until(lambda: peer.reports["s1-t0-a1"], 20, "no report")
    peer.drain = True

    assert peer.wait_finish("s1-t0-a1", 20)["values"] == [60.0]
    assert worker.wait(5) == 0


def test_another_protocol_version_ends_the_worker_with_the_reason(peer: Peer, start: Start) -> None:
    peer.config["protocol"] = 2
    worker = start()

    assert worker.wait(20) == 3
    assert "protocol 2" in worker.wait_log("worker does not fit the server")["reason"]


def test_a_refused_token_ends_the_worker(peer: Peer, start: Start) -> None:
    worker = start(TUNER_TOKEN="wrong")

    assert worker.wait(20) == 4


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


def make_archive(files: dict[str, str]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return target.getvalue()
