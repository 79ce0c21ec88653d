"""Objectives that fail for each cause in earnest; imported in the processes of their trials."""

# ruff: noqa: T201 - what they print is what is tested

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

from workers import Run


def train(run: Run) -> Any:
    """Do what the trial's configuration says."""
    return globals()[f"_{run.params['case']}"](run)


def _good(run: Run) -> float:
    run.report(1, 0.5)
    return 0.5


def _raises(run: Run) -> float:
    """Fail with a traceback of more than fifty lines."""

    def descend(depth: int) -> float:
        if depth == 0:
            # Frames that look alike are folded, so the text has the lines.
            raise ValueError("\n".join(f"layer {n} does not fit" for n in range(60)) + "\nno units")
        return descend(depth - 1)

    return descend(3)


def _exits(run: Run) -> float:
    print("about to leave")
    os._exit(3)


def _says_exit(run: Run) -> float:
    sys.exit("no licence")


def _aborts(run: Run) -> float:
    os.abort()


def _segfaults(run: Run) -> float:
    ctypes.string_at(0)
    return 0.0


def _nan(run: Run) -> float:
    run.report(1, 0.1)
    return math.nan


def _inf(run: Run) -> float:
    return math.inf


def _minus_inf(run: Run) -> dict[str, float]:
    return {"score": -math.inf}


def _exceeds_its_limit(run: Run) -> float:
    """Ask for more address space than the process may have."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
    return float(len(bytearray(256 << 20)))


def _has_no_device(run: Run) -> float:
    """Fail as TensorFlow does when the driver has lost its GPU; the next attempt succeeds."""
    if run.attempt == 1:
        raise RuntimeError("failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device")
    return _good(run)


def _hogs(run: Run) -> float:
    """Take memory, page by page, until the kernel kills the process."""
    held = []
    while True:
        held.append(b"x" * (8 << 20))


def _hangs_in_c(run: Run) -> float:
    """Block the signals and wait for ever inside the C library, with the interpreter locked."""
    run.report(1, 0.1)
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGUSR2})
    # A lock of zeros is a free one; to lock it a second time waits for oneself.
    lock = ctypes.create_string_buffer(64)
    library = ctypes.PyDLL(None)
    library.pthread_mutex_lock(lock)
    library.pthread_mutex_lock(lock)
    return 0.0


def _is_slow(run: Run) -> float:
    for step in range(1, 1000):
        run.report(step, 0.1)
        time.sleep(0.05)
    return 0.1


def _waits(run: Run) -> float:
    """Say which process this is, and wait to be killed; only the first three attempts do."""
    run.report(1, 0.1 * run.attempt)
    if run.attempt <= 3:
        (run.logdir / "pid").write_text(str(os.getpid()))
        time.sleep(120)
    return 0.5


def _checkpoints(run: Run) -> float:
    """Continue from the file that the predecessor has left."""
    path = run.checkpoint_dir / "step"
    first = int(path.read_text()) + 1 if path.exists() else 1
    for step in range(first, 41):
        run.report(step, step / 40)
        path.write_text(str(step))
        time.sleep(0.05)
    return 1.0


def _fills_the_log_root(run: Run) -> float:
    """Write files into the trial's folder, more than the disk holds."""
    if run.attempt > 1:
        return 0.5
    with (run.logdir / "images.bin").open("wb") as file:
        for _ in range(1000):
            file.write(bytes(65536))
    return 0.0


def _build(run: Run, rate: float = 0.05) -> tuple[Any, Any, Any]:
    import keras
    import numpy as np

    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(64), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model, x, x.sum(axis=1)


def _keras_checkpoints(run: Run) -> Any:
    """Train with a checkpoint after every epoch."""
    model, x, y = _build(run)
    callback = run.keras_callback("loss", checkpoint_every_s=0.0)
    model.fit(x, y, epochs=4, shuffle=False, verbose=0, callbacks=[callback])
    return -float(model.history.history["loss"][-1])


def _keras_diverges(run: Run) -> float:
    """Train at a rate at which the loss becomes NaN."""
    model, x, y = _build(run, rate=1e20)
    model.fit(x, y, epochs=60, verbose=0, callbacks=[run.keras_callback("loss")])
    return 0.5


def _keras_exhausts(run: Run) -> float:
    """Allocate a tensor of four terabytes."""
    import tensorflow as tf

    return float(tf.fill((1_000_000, 1_000_000), 1.0)[0, 0])
