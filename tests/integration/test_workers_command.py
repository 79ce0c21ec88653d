"""Studies that run a command, in a real worker: no shell, no Keras, nothing but a program."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KEPT_SETTINGS
from tests.integration.workers_peer import Peer
from tests.integration.workers_process import Started, is_alive, read_pid
from tests.support.archives import make_archive
from tests.support.patience import wait_until
from tuner.roots import Place
from tuner.tfevents import read_run

PARAMS = {"x": 0.5, "layers": 2, "norm": True}
#: Reports and ends as the first argument says; the second one is `x`.
TRAIN = """
import json, os, signal, subprocess, sys, time

def say(**values):
    print(json.dumps(values), flush=True)

what, x = sys.argv[1], float(sys.argv[2])
checkpoint = os.path.join(os.environ["TUNER_CHECKPOINT_DIR"], "state")
if what == "plain":
    print("hello", sys.argv[3:])
    print(json.dumps(dict(os.environ)), file=sys.stderr)
    open("written-beside-the-code", "w").write("x")
    say(score=0.1)
    for step in (1, 2, 3):
        say(score=x * step, loss=1.0, step=step)
    say(score=0.9, size=7)
    print("done")
elif what in ("stubborn", "polite"):
    def stop(number, frame):
        open(checkpoint, "w").write("saved")
        if what == "polite":
            sys.exit(0)
    signal.signal(signal.SIGTERM, stop)
    child = subprocess.Popen(["sleep", "600"])
    open(os.path.join(os.environ["TUNER_RUN_DIR"], "child"), "w").write(str(child.pid))
    begun = os.path.exists(checkpoint)
    for step in range(1, 3 if begun else 100000):
        say(score=x, step=step)
        time.sleep(0.05)
    say(score=0.75)
elif what == "daemon":
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    say(score=x)
elif what == "events":
    sys.path.insert(0, os.environ["TESTS_ROOT"])
    from pathlib import Path
    from tuner.roots import Place
    from tuner.tfevents import RunWriter
    writer = RunWriter(Place(Path(os.environ["TUNER_RUN_DIR"]), "mine"))
    writer.start({}, "g")
    for step in (1, 2):
        writer.scalars(step, {"score": x * step})
elif what == "status":
    print("on its way", file=sys.stderr)
    sys.exit(5)
elif what == "signal":
    os.kill(os.getpid(), signal.SIGSEGV)
elif what == "nan":
    say(score=float("nan"))
elif what == "nothing":
    print("no JSON at all")
elif what == "backwards":
    say(score=x, step=2)
    say(score=x, step=1)
    say(score=x, step=3)
"""


class Bench:
    """A worker and the peer that it works for."""

    def __init__(self, home: Path) -> None:
        self.peer = Peer()
        self.code = self.peer.send_code(make_archive({"train.py": TRAIN}))
        self.worker = Started(
            ["run", "--name=w1", "--preimport=none"],
            home,
            self.peer,
            TESTS_ROOT=str(Path(__file__).resolve().parents[2]),
        )

    def offer(self, attempt: str, *command: str, **fields: Any) -> str:
        fields = {"code": self.code, "params": PARAMS, **fields}
        return self.peer.offer("command", attempt=attempt, command=list(command), **fields)

    def run(self, attempt: str, *command: str, **fields: Any) -> dict[str, Any]:
        return self.peer.wait_finish(self.offer(attempt, *command, **fields), 60)

    def train(self, attempt: str, what: str, **fields: Any) -> dict[str, Any]:
        return self.run(attempt, "python", "train.py", what, "{x}", **fields)

    def folder(self, attempt: str) -> Path:
        trial, no = attempt.removeprefix("s1-t").split("-a")
        return self.worker.run_dir(int(no), int(trial))

    def output(self, attempt: str) -> str:
        return (self.folder(attempt) / "output.log").read_text()

    def points(self, attempt: str, finish: dict[str, Any]) -> list[tuple[int, float]]:
        points = self.peer.reports[attempt] + finish["points"]
        return [(point["step"], point["value"]) for point in points]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("command"))
    yield bench
    bench.worker.close()
    bench.peer.close()


def test_what_a_command_prints_becomes_reports_and_its_last_line_the_result(bench: Bench) -> None:
    finish = bench.run(
        "s1-t1-a1",
        *("python", "train.py", "plain", "{x}", "--layers={layers}", "--norm", "{norm}"),
        *("--momentum", "{momentum}", "$HOME; echo *", "{{x}}", "{trial}"),
    )

    assert finish["outcome"] == "complete", finish["error"]
    assert finish["values"] == [0.9]
    assert finish["metrics"] == {"score": 0.9, "size": 7.0}
    assert bench.points("s1-t1-a1", finish) == [(1, 0.5), (2, 1.0), (3, 1.5)]
    output = bench.output("s1-t1-a1")
    assert "hello ['--layers=2', '--norm', 'true', '$HOME; echo *', '{x}', '1']" in output
    assert output.endswith("done\n")
    scalars = read_run(Place(bench.folder("s1-t1-a1")))["scalars"]
    assert [point[1] for point in scalars["score"]] == [0.5, 1.0, 1.5]
    assert [point[1] for point in scalars["loss"]] == [1.0, 1.0, 1.0]
    cached = bench.worker.home / "code" / bench.code
    assert [path.name for path in cached.iterdir()] == ["train.py"]
    assert [path.name for path in cached.parent.iterdir()] == [bench.code]


def test_a_command_finds_itself_in_its_environment_and_no_token(bench: Bench) -> None:
    bench.train("s1-t2-a1", "plain")

    line = next(line for line in bench.output("s1-t2-a1").splitlines() if '"PATH"' in line)
    environ = json.loads(line)
    folder = bench.folder("s1-t2-a1")
    checkpoints = bench.worker.home / "checkpoints/vision/digits/trial_00002"
    ours = {key for key in environ if key.startswith("TUNER_")} - KEPT_SETTINGS
    own = {key: environ[key] for key in ours}
    assert own.pop("TUNER_LOG_FORMAT", None) in (None, "json")
    assert own == {
        "TUNER_PARAMS": str(folder / "params.json"),
        "TUNER_RUN_DIR": str(folder),
        "TUNER_CHECKPOINT_DIR": str(checkpoints),
        "TUNER_STUDY": "vision/digits",
        "TUNER_TRIAL": "2",
        "TUNER_ATTEMPT": "1",
        "TUNER_SEED": "7",
        "TUNER_METRIC": "score",
    }
    assert json.loads((folder / "params.json").read_text()) == PARAMS
    assert environ["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert bench.peer.token not in line


@pytest.mark.parametrize("what", ["polite", "stubborn"])
def test_a_pruned_command_is_asked_to_end_and_then_killed_with_its_children(
    bench: Bench, what: str
) -> None:
    number = {"polite": 3, "stubborn": 4}[what]
    attempt = bench.offer(f"s1-t{number}-a1", "python", "train.py", what, "{x}")
    wait_until(lambda: bench.peer.reports[attempt], "no report", seconds=60)
    child = read_pid(bench.folder(attempt) / "child")
    bench.peer.orders[attempt] = "prune"
    finish = bench.peer.wait_finish(attempt, 60)

    assert (finish["outcome"], finish["values"], finish["cause"]) == ("pruned", [], None)
    checkpoints = bench.worker.home / f"checkpoints/vision/digits/trial_{number:05d}"
    assert (checkpoints / "state").read_text() == "saved"
    wait_until(lambda: not is_alive(child), "the child lives", seconds=10)


def test_a_command_that_has_left_goes_on_from_its_checkpoint(bench: Bench, tmp_path: Path) -> None:
    other = Peer()
    code = other.send_code(make_archive({"train.py": TRAIN}))
    leaver = Started(
        ["run", "--name=w2", "--preimport=none"],
        tmp_path,
        other,
        TUNER_CHECKPOINT_ROOT=str(bench.worker.home / "checkpoints"),
    )
    command = ["python", "train.py", "polite", "{x}"]
    first = other.offer("command", attempt="s1-t5-a1", command=command, code=code, params=PARAMS)
    wait_until(lambda: len(other.reports[first]) >= 2, "no report", seconds=60)
    leaver.terminate()
    left = other.wait_finish(first, 30)
    other.close()
    leaver.close()

    assert (left["outcome"], left["cause"]) == ("failed", "preempted")
    again = bench.train("s1-t5-a2", "polite")
    assert (again["outcome"], again["values"]) == ("complete", [0.75])
    assert bench.points("s1-t5-a2", again) == [(1, 0.5), (2, 0.5)]


def test_an_event_file_that_the_command_wrote_gives_the_last_value(bench: Bench) -> None:
    finish = bench.train("s1-t6-a1", "events")

    assert finish["outcome"] == "complete", finish["error"]
    assert finish["values"] == [1.0]


def test_a_process_that_a_command_left_behind_ends_with_the_trial(bench: Bench) -> None:
    finish = bench.train("s1-t7-a1", "daemon")

    assert (finish["outcome"], finish["values"]) == ("complete", [0.5])
    wait_until(lambda: "sleep 600" in bench.output("s1-t7-a1"), "nothing is said of it", seconds=10)


@pytest.mark.parametrize(
    ("number", "command", "cause", "words"),
    [
        (
            11,
            ["python", "train.py", "status", "{x}"],
            "error",
            "on its way\nthe command exited with status 5",
        ),
        (12, ["python", "train.py", "signal", "{x}"], "error", "the command died of SIGSEGV"),
        (13, ["python", "train.py", "nan", "{x}"], "diverged", "score is nan"),
        (14, ["python", "train.py", "nothing", "{x}"], "error", 'as its last line, {"score": 0.9}'),
        (15, ["nobody-has-this"], "error", "there is no program 'nobody-has-this'"),
        (16, ["./train.py"], "error", "[python, ./train.py]"),
        (17, ["sh", "-c", "kill -9 $$"], "lost", "the command died of SIGKILL"),
        (18, ["sh", "-c", 'echo \'{"score": "high"}\''], "error", "it must be a number"),
    ],
)
def test_a_command_that_gives_no_result_says_why(
    bench: Bench, number: int, command: list[str], cause: str, words: str
) -> None:
    finish = bench.run(f"s1-t{number}-a1", *command)

    assert (finish["outcome"], finish["cause"]) == ("failed", cause)
    assert words in finish["error"]


def test_a_command_over_the_time_limit_is_ended_and_shows_what_it_printed(bench: Bench) -> None:
    attempt = "s1-t20-a1"
    script = "echo begun; trap '' TERM; while :; do sleep 0.1; done"
    finish = bench.run(attempt, "sh", "-c", script, timeout_s=0.5)

    assert (finish["outcome"], finish["cause"]) == ("failed", "timeout")
    assert "over the time limit (0.5 s)" in finish["error"]
    assert bench.output(attempt) == "begun\n"


def test_reports_that_go_backwards_are_told_once_and_do_no_harm(bench: Bench) -> None:
    finish = bench.train("s1-t21-a1", "backwards")

    assert (finish["outcome"], finish["values"]) == ("complete", [0.5])
    assert bench.points("s1-t21-a1", finish) == [(2, 0.5), (3, 0.5)]
    assert "tuner: step 1 does not come after step 2" in bench.output("s1-t21-a1")


def test_several_metrics_come_in_one_line(bench: Bench) -> None:
    metrics = [{"name": "score", "goal": "maximize"}, {"name": "size", "goal": "minimize"}]
    whole = bench.run("s1-t22-a1", "sh", "-c", 'echo \'{"score": 1, "size": 2}\'', metrics=metrics)
    half = bench.run("s1-t23-a1", "sh", "-c", "echo '{\"score\": 1}'", metrics=metrics)

    assert whole["values"] == [1.0, 2.0]
    assert (half["cause"], '"score": 0.9, "size": 0.9' in half["error"]) == ("error", True)
