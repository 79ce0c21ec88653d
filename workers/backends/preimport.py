"""Imports Keras and its backend ahead of the trials, without running anything."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import MutableMapping

from tuner.protocol import BACKEND_VARIABLE, BACKENDS
from tuner.runtime.system import is_installed
from workers.backends.choice import BackendChoice, choose_default, problem

logger = logging.getLogger(__name__)


def preimport(wanted: str, environ: MutableMapping[str, str]) -> str | None:
    """Import Keras; return the backend that it was imported with, None if it was not.

    Not even devices are listed: on a GPU that would initialize CUDA, which no forked process can
    use. If something is not installed, or fails while it is imported, the trials will find out:
    those of a study without Keras never do.

    Args:
        wanted: a backend; "keras" for that of the environment; "none".
        environ: of this process.
    """
    if wanted == "none" or not is_installed("keras"):
        return None
    is_default = wanted == "keras"
    choice = choose_default(environ) if is_default else BackendChoice(name=wanted, source="spec")
    if choice is None:
        names = ", ".join(BACKENDS)
        logger.warning("keras has no backend here", extra={"install": f"one of {names}"})
        return None
    if said := problem(choice):
        logger.warning("keras is not imported ahead of the trials", extra={"reason": said})
        return None
    before = environ.get(BACKEND_VARIABLE)
    environ[BACKEND_VARIABLE] = choice.name or ""
    try:
        importlib.import_module("keras")
        # Keras requests it with every backend, for seeding and to distinguish its tensors from
        # others.
        if is_installed("tensorflow"):
            importlib.import_module("tensorflow")
    # A library that fails while it is imported may raise anything.
    except Exception as exc:  # noqa: BLE001
        logger.warning("keras cannot be imported", extra={"reason": repr(exc)[:500]})
        return None
    finally:
        # The code of a study may set its own if the environment does not.
        del environ[BACKEND_VARIABLE]
        if before is not None:
            environ[BACKEND_VARIABLE] = before
    return choice.name


def preimport_numpy() -> None:
    """Import numpy: every seeded trial needs it, and the import takes longer than a short trial."""
    if importlib.util.find_spec("numpy") is not None:
        # numpy loads this part on first use.
        importlib.import_module("numpy.random")
