"""Which backend Keras uses: the spec decides, or the code, the environment, a file.

The first of these that names one is used:

1. `trial.backend` of the spec;
2. the code: `os.environ["KERAS_BACKEND"] = "jax"` in the objective's module, or in another one;
3. `KERAS_BACKEND` in the worker's environment;
4. `keras.json` in `KERAS_HOME`, `~/.keras`;
5. what is installed: TensorFlow, else JAX, else PyTorch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tuner.protocol import BACKEND_VARIABLE, BACKENDS, Asked
from tuner.runtime.system import is_installed, pip_install

ChoiceSource = Literal["spec", "code", "environment", "keras.json", "installed"]

#: Maximum size of the file; what Keras itself writes is smaller.
_MOST_BYTES = 65_536


@dataclass(frozen=True, kw_only=True)
class BackendChoice:
    """A backend, and what chose it."""

    #: None: only the running code can tell.
    name: str | None
    source: ChoiceSource

    def to_json(self) -> dict[str, str | None]:
        """Return what `config.json` holds of it."""
        return {"name": self.name, "source": self.source}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BackendChoice:
        """Invert `to_json`."""
        return cls(name=data["name"], source=data["source"])


def choose_default(environ: Mapping[str, str]) -> BackendChoice | None:
    """Return the backend of Keras if neither spec nor code names one.

    None if Keras is not installed, or has no backend.
    """
    if not is_installed("keras"):
        return None
    if named := environ.get(BACKEND_VARIABLE):
        return BackendChoice(name=named, source="environment")
    in_file = _named_in_file(environ)
    # Keras writes the file itself, with TensorFlow in it: if that is missing, nobody chose it.
    if in_file is not None and (in_file != BACKENDS[0] or is_installed(in_file)):
        return BackendChoice(name=in_file, source="keras.json")
    for name in BACKENDS:
        if is_installed(name):
            return BackendChoice(name=name, source="installed")
    return None


def choose(spec: str | None, asked: Asked, default: BackendChoice | None) -> BackendChoice | None:
    """Return the backend of a trial's Keras; None if nothing names one.

    Args:
        spec: the backend in the study's spec.
        asked: what its code asks for.
    """
    if spec is not None:
        return BackendChoice(name=spec, source="spec")
    firmly = asked.firmly
    if not firmly and asked.softly and (default is None or default.source != "environment"):
        firmly = asked.softly
    if asked.unclear or len(firmly) > 1:
        return BackendChoice(name=None, source="code")
    if firmly:
        return BackendChoice(name=next(iter(firmly)), source="code")
    return default


def problem(choice: BackendChoice) -> str | None:
    """Return why Keras cannot be imported with this backend, and what to do; None if it can."""
    name = choice.name
    if name is None:
        return None
    where = {
        "spec": "trial.backend of the spec",
        "code": f"{BACKEND_VARIABLE} in the study's code",
        "environment": f"{BACKEND_VARIABLE} in the worker's environment",
        "keras.json": "keras.json",
        "installed": "what is installed",
    }[choice.source]
    if name not in BACKENDS:
        return f"{where} is {name[:40]!r}: no backend of Keras; it is one of {', '.join(BACKENDS)}"
    if is_installed(name):
        return None
    if image := os.environ.get("TUNER_IMAGE"):
        return f"{where} is {name!r}, which is not in the image {image}: add {name} to it"
    return (
        f"{where} is {name!r}, which is not installed for the worker; install it there with: "
        f"{pip_install(name)}"
    )


def _named_in_file(environ: Mapping[str, str]) -> str | None:
    """Return the backend that `keras.json` names, as Keras reads it; None if there is none."""
    home = environ.get("KERAS_HOME") or f"{environ.get('HOME', '~')}/.keras"
    try:
        with Path(home).expanduser().joinpath("keras.json").open("rb") as file:
            name = json.loads(file.read(_MOST_BYTES))["backend"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError, RuntimeError):
        return None
    return name if isinstance(name, str) and name else None
