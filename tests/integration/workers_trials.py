"""Objectives for tests of the workers; imported in the processes of their trials."""

# ruff: noqa: T201 - what they print is what is tested

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from workers import Run, TrialPreempted, TrialPruned


def noop(run: Run) -> float:
    for step in (1, 2, 3):
        run.report(step, run.params["x"] * step)
    return float(run.params["x"])


def names_its_devices(run: Run) -> float:
    """Notes which devices it was given, and which its process sees."""
    seen = os.environ["CUDA_VISIBLE_DEVICES"]
    (run.logdir / "devices").write_text(json.dumps({"given": run.devices, "seen": seen}))
    return 1.0


def reporter(run: Run) -> float:
    """Reports every 20 ms for a long time; notes in a file how it was stopped."""
    try:
        for step in range(1, 3000):
            run.report(step, step / 3000, loss=1 / step)
            time.sleep(0.02)
    except (TrialPruned, TrialPreempted) as stop:
        print(f"stopped by {type(stop).__name__}", flush=True)
        raise
    return 1.0


def deaf(run: Run) -> float:
    """Never reports: only a kill ends it."""
    (run.logdir / "started").touch()
    time.sleep(300)
    return 1.0


def swallows(run: Run) -> float:
    """Catches its stop and returns a value all the same."""
    try:
        return reporter(run)
    except TrialPruned:
        return 123.0


def checkpoints(run: Run) -> float:
    """Continues from its own checkpoint file."""
    path = run.checkpoint_dir / "step"
    first = int(path.read_text()) + 1 if path.exists() else 1
    for step in range(first, 61):
        path.write_text(str(step))
        run.report(step, float(step))
        time.sleep(0.02)
    return 60.0


def exits(run: Run) -> float:
    os._exit(7)


def says_exit(run: Run) -> float:
    sys.exit(3)


def segfaults(run: Run) -> float:
    ctypes.string_at(0)
    return 0.0


def kills_itself(run: Run) -> float:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0.0


def raises(run: Run) -> float:
    raise ValueError("bad \x00 layer \udc80 count")


def out_of_memory(run: Run) -> float:
    raise MemoryError("no room")


def full_disk(run: Run) -> float:
    raise OSError(28, "No space left on device", str(run.logdir / "x"))


def foreign_full_disk(run: Run) -> float:
    raise OSError(28, "No space left on device", "/nowhere/x")


def nan(run: Run) -> float:
    return math.nan


def numpy_scalar(run: Run) -> Any:
    run.report(np.int64(1), np.float32(0.25), loss=np.float64(2))
    return np.float32(0.25)


def nothing(run: Run) -> None:
    return None


def text(run: Run) -> str:
    return "0.5"


def wrong_key(run: Run) -> dict[str, float]:
    return {"accuracy": 0.5}


def environment(run: Run) -> float:
    """Prints everything in which a secret could hide."""
    print("CUDA", os.environ.get("CUDA_VISIBLE_DEVICES"))
    print({key: value for key, value in os.environ.items() if key.startswith("TUNER")})
    print("ENVIRON", Path("/proc/self/environ").read_bytes())
    print("SOCKETS", sum(path.is_socket() for path in Path("/proc/self/fd").iterdir()))
    handed_on = subprocess.run(
        ["/bin/sh", "-c", "ls -l /proc/$$/fd"],
        close_fds=False,
        capture_output=True,
        text=True,
        check=True,
    )
    print("HANDED ON", handed_on.stdout.count("socket:"))
    return 1.0


def chatty(run: Run) -> float:
    for _ in range(24):
        print("x" * 1_000_000)
        time.sleep(0.25)
    print("the end")
    return 1.0


def chatty_end(run: Run) -> dict[str, float]:
    """Reports nothing, so that only its end can be refused."""
    return {"score": 0.5, "loss": 1.0}


def leaves_children(run: Run) -> float:
    """Starts a process that would outlive it."""
    child = subprocess.Popen(["sleep", "300"])
    (run.logdir / "grandchild").write_text(str(child.pid))
    return 1.0


def _daemon(run: Run, seconds: int) -> None:
    """Start a process that leaves parent, session and group, as a daemon does; note its number."""
    path = run.logdir / "daemon"
    code = (
        "import os, sys, time\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "open(sys.argv[1] + '.new', 'w').write(str(os.getpid()))\n"
        "os.rename(sys.argv[1] + '.new', sys.argv[1])\n"
        "time.sleep(float(sys.argv[2]))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path), str(seconds)], check=True)
    while not path.exists():
        time.sleep(0.01)


def leaves_a_daemon(run: Run) -> float:
    _daemon(run, 300)
    return 1.0


def waits_with_a_daemon(run: Run) -> float:
    _daemon(run, 300)
    time.sleep(300)
    return 1.0


def has_had_daemons(run: Run) -> float:
    """Starts daemons that end at once; returns how many of them the kernel still knows."""
    daemons = []
    for _ in range(5):
        _daemon(run, 0)
        daemons.append(Path("/proc") / (run.logdir / "daemon").read_text())
        (run.logdir / "daemon").unlink()
    for _ in range(100):
        if not any(map(Path.exists, daemons)):
            break
        time.sleep(0.1)
    return float(sum(map(Path.exists, daemons)))


def waits_with_child(run: Run) -> float:
    leaves_children(run)
    (run.logdir / "trial").write_text(str(os.getpid()))
    time.sleep(300)
    return 1.0


def who(run: Run) -> float:
    (run.logdir / "trial").write_text(str(os.getpid()))
    run.report(1, 0.1)
    time.sleep(float(run.params.get("sleep", 300)))
    return 1.0


def random_numbers(run: Run) -> dict[str, float]:
    import random

    return {"score": random.random(), "numpy": float(np.random.random())}


def reporter_until_full(run: Run) -> float:
    """Fills the disk of the logs, then goes on reporting and printing."""
    run.report(1, 0.1)
    with contextlib.suppress(OSError), (Path(run.params["disk"]) / "filler").open("wb", 0) as file:
        while True:
            file.write(bytes(4096))
    for step in range(2, 300):
        run.report(step, 0.1, **{f"metric_{i}": 1.0 for i in range(40)})
        print("y" * 1000)
    return float(run.params["x"])


def flood(run: Run) -> float:
    """Reports more at once than one message can hold."""
    metrics = {f"metric_number_{i}": float(i) for i in range(20)}
    for step in range(1, 3001):
        run.report(step, 1.0, **metrics)
    return 1.0


def hears_sigterm(run: Run) -> float:
    """Gets the signal that a host sends to all its processes when it goes down."""
    child = os.fork()
    if child == 0:
        time.sleep(300)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)
    os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    return float(os.waitstatus_to_exitcode(status))


def plants(run: Run) -> float:
    """Puts something else in the place of each file of its own, as `how` says, and goes on."""
    how = run.params["how"]
    for name in ("output.log", "output.log.1", "trial.json", "config.json"):
        path = run.logdir / name
        path.unlink(missing_ok=True)
        if how == "pipe":
            os.mkfifo(path)
        elif how == "link":
            path.symlink_to(run.params["outside"])
        elif how == "folder":
            path.mkdir()
    if how == "file":
        study = run.logdir.parent
        study.rename(study.with_name("elsewhere"))
        study.write_text("a file")
    for step in (1, 2, 3):
        run.report(step, float(step))
        time.sleep(0.6)
    return 3.0
