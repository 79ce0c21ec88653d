"""Imports TensorFlow once, and says whether this process may still be forked."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os

from workers.linux import thread_count

logger = logging.getLogger(__name__)


def preimport_tensorflow() -> bool:
    """Import TensorFlow and Keras, run nothing; return whether they are installed.

    No device is listed either: on a GPU that would initialise CUDA, which no forked process can
    use.
    """
    # Importing says a dozen lines about the CPU otherwise; warnings and errors stay.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    if importlib.util.find_spec("tensorflow") is None or importlib.util.find_spec("keras") is None:
        return False
    importlib.import_module("tensorflow")
    importlib.import_module("keras")
    return True


def preimport_numpy() -> None:
    """Import numpy: every seeded trial needs it, and it takes longer than a short trial."""
    if importlib.util.find_spec("numpy") is not None:
        # numpy loads this part when it is first asked for.
        importlib.import_module("numpy.random")


class ForkGuard:
    """Refuses to fork a process that has run a TensorFlow operation since the guard was made.

    Such an operation starts threads, and a forked process hangs for ever when it needs them
    (measured: `fit` after one `tf.constant` in the parent). So more threads than at the start mean:
    no fork.
    """

    def __init__(self) -> None:
        self.baseline = thread_count()

    def may_fork(self) -> bool:
        """Return whether no thread was added."""
        count = thread_count()
        if count <= self.baseline:
            return True
        logger.warning(
            "this process has grown threads: the trial gets a fresh interpreter instead of a fork",
            extra={"threads": count, "baseline": self.baseline},
        )
        return False
