"""The three backends of Keras 3, and which one a piece of code selects."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Backend = Literal["tensorflow", "jax", "torch"]

#: Keras' own default first, then the others.
BACKENDS: tuple[Backend, ...] = ("tensorflow", "jax", "torch")
#: The variable that Keras reads first.
BACKEND_VARIABLE = "KERAS_BACKEND"

_KEY = rb"""["']KERAS_BACKEND["']"""
_NAME = rb"""["'](\w{1,40})["']"""
#: `os.environ["KERAS_BACKEND"] = "jax"`: overrides the environment.
_SET = re.compile(rb"environ\s*\[\s*" + _KEY + rb"\s*\]\s*=\s*" + _NAME)
#: `os.environ.setdefault("KERAS_BACKEND", "jax")`: applies unless the environment sets one.
_DEFAULT = re.compile(rb"environ\.setdefault\(\s*" + _KEY + rb"\s*,\s*" + _NAME)
#: Reads the variable, which selects nothing.
_READ = re.compile(
    rb"(?:environ\.get|getenv)\(\s*" + _KEY + rb"|environ\s*\[\s*" + _KEY + rb"\s*\](?!\s*=[^=])"
)
_LINES = re.compile(rb"^[^#\n]*KERAS_BACKEND[^\n]*$", re.M)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What code selects: names of backends, which need not exist."""

    #: Set by the code regardless of the environment.
    firmly: frozenset[str] = frozenset()
    #: Set by the code if the environment does not.
    softly: frozenset[str] = frozenset()
    #: The code sets one in a way that only running it would reveal.
    unclear: bool = False

    def __bool__(self) -> bool:
        return bool(self.firmly or self.softly or self.unclear)


def backend_asked(texts: Iterable[bytes]) -> Asked:
    """Return which backend Python code selects for Keras, judging by its source.

    Args:
        texts: of the modules. Comment lines are ignored.
    """
    firmly: set[str] = set()
    softly: set[str] = set()
    unclear = False
    for text in texts:
        if BACKEND_VARIABLE.encode() not in text:
            continue
        for line in _LINES.findall(text):
            set_to = [name.decode() for name in _SET.findall(line)]
            default = [name.decode() for name in _DEFAULT.findall(line)]
            firmly.update(set_to)
            softly.update(default)
            unclear = unclear or not (set_to or default or _READ.search(line))
    return Asked(firmly=frozenset(firmly), softly=frozenset(softly), unclear=unclear)
