"""The backend of Keras in the process of a trial: chosen before the user's code is imported."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys

from tuner.protocol import BACKEND_VARIABLE, Device
from workers.backends.choice import BackendChoice, problem
from workers.backends.devices import take_device


class BackendError(Exception):
    """The study asks for a backend that is not installed; the text says what to install."""


def prepare(choice: BackendChoice | None, *, kind: Device, preimport: bool) -> None:
    """Make Keras use the chosen backend, and import it early if requested.

    If only the running code can tell which one, nothing is set and nothing imported.

    Args:
        choice: the backend of Keras; None if none was chosen.
        preimport: so that Keras is seeded even if the objective imports it late.
        kind: the kind of the trial's device.

    Raises:
        BackendError: spec or code ask for one that is not installed. A backend from the environment
            need not be the one that the objective uses: its own import will show.
    """
    if choice is not None and choice.source in ("spec", "code") and (said := problem(choice)):
        raise BackendError(said)
    if choice is not None and choice.name is not None:
        os.environ[BACKEND_VARIABLE] = choice.name
        take_device(kind, os.environ, choice.name)
    if preimport and not (choice is not None and choice.name is None):
        with contextlib.suppress(ImportError):
            importlib.import_module("keras")


def say_if_overruled() -> None:
    """Print to the trial's output if the code sets a backend after Keras has loaded its own."""
    keras = sys.modules.get("keras")
    config = getattr(keras, "config", None)
    wanted = os.environ.get(BACKEND_VARIABLE)
    if config is None or not wanted:
        return
    found = config.backend()
    if found != wanted:
        sys.stderr.write(
            f"tuner: the code sets {BACKEND_VARIABLE} to {wanted[:40]!r}, but Keras had been "
            f"imported with {found!r}, which stays; name the backend in the spec: trial: "
            f"{{backend: {wanted[:40]}}}\n"
        )
