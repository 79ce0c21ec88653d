"""Which KerasTuner release the oracle works with."""

from __future__ import annotations

import importlib.metadata

from tuner.errors import SetupError
from tuner.protocol import is_older
from tuner.runtime.system import pip_install

#: The first release that runs on Keras 3 with every backend, and the oldest one tested.
OLDEST = "1.4.7"
_WANTED = f"keras-tuner>={OLDEST}"


def require_kerastuner() -> None:
    """Check that a suitable KerasTuner is installed.

    Raises:
        SetupError: there is none, or it is too old; the text says how to get one.
    """
    try:
        found = importlib.metadata.version("keras-tuner")
    except importlib.metadata.PackageNotFoundError:
        raise SetupError(
            f"tuner.keras.ServiceOracle needs KerasTuner, which is not installed; get it with: "
            f"{pip_install(_WANTED)}"
        ) from None
    if is_older(found, OLDEST):
        raise SetupError(
            f"KerasTuner {found} is too old for tuner.keras.ServiceOracle, which needs {OLDEST} "
            f"or newer; get it with: {pip_install(_WANTED)}"
        )
