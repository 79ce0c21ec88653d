"""Which backend Keras computes with: the spec says it, or the code, the environment, a file.

The first of these that says anything decides:

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

#: What Keras writes into the file itself holds less than this.
_MOST_BYTES = 65_536


@dataclass(frozen=True, kw_only=True)
class BackendChoice:
    """A backend, and who has chosen it."""

    #: None: only the running code can say.
    name: str | None
    source: ChoiceSource

    def to_json(self) -> dict[str, str | None]:
        """Return what `config.json` holds of it."""
        return {"name": self.name, "source": self.source}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BackendChoice:
        """Return the choice that `to_json` has written."""
        return cls(name=data["name"], source=data["source"])


def choose_default(environ: Mapping[str, str]) -> BackendChoice | None:
    """Return what Keras computes with where neither spec nor code says anything.

    None where Keras is not installed, or has nothing to compute with.
    """
    if not is_installed("keras"):
        return None
    if named := environ.get(BACKEND_VARIABLE):
        return BackendChoice(name=named, source="environment")
    in_file = _named_in_file(environ)
    # Keras writes the file itself, with TensorFlow in it: where that is missing nobody wanted it.
    if in_file is not None and (in_file != BACKENDS[0] or is_installed(in_file)):
        return BackendChoice(name=in_file, source="keras.json")
    for name in BACKENDS:
        if is_installed(name):
            return BackendChoice(name=name, source="installed")
    return None


def choose(spec: str | None, asked: Asked, default: BackendChoice | None) -> BackendChoice | None:
    """Return what a trial's Keras computes with; None where nobody says anything.

    Args:
        spec: what the study's spec says.
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
    """Return why Keras cannot be imported with this backend, and what to do; None when it can."""
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
    """Return the backend that `keras.json` names; None where there is none, as Keras reads it."""
    home = environ.get("KERAS_HOME") or f"{environ.get('HOME', '~')}/.keras"
    try:
        with Path(home).expanduser().joinpath("keras.json").open("rb") as file:
            name = json.loads(file.read(_MOST_BYTES))["backend"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError, RuntimeError):
        return None
    return name if isinstance(name, str) and name else None
