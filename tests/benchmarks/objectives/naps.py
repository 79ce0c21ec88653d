"""An objective that leaves word of when it began and in which process, and then sleeps."""

from __future__ import annotations

import os
import time

from workers import Run


def nap(run: Run) -> float:
    """Note the moment and the process in the run's folder, then sleep as long as it says."""
    text = f"{time.time()} {os.getpid()}\n"
    note = run.logdir / "began.part"
    note.write_text(text)
    note.rename(run.logdir / "began")
    time.sleep(float(run.params["train.nap_s"]))
    return float(run.params["train.learning_rate"])
