"""What a forged message would have a worker run: it leaves a file, already when it is imported."""

from __future__ import annotations

import os
from pathlib import Path


def sing(*_arguments: object, **_options: object) -> None:
    """Leave the file that must not be there."""
    Path(os.environ["CANARY"]).touch()


class Bird:
    """The same as an object: when it is read from a pickle, and when it is called."""

    def __reduce__(self) -> tuple[object, tuple[()]]:
        return sing, ()

    def sing(self) -> None:
        sing()


if "CANARY_MODULE" in os.environ:
    Path(os.environ["CANARY_MODULE"]).touch()
