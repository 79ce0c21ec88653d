"""The three backends of Keras 3, and which of them a piece of code asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Backend = Literal["tensorflow", "jax", "torch"]

#: In the order in which Keras' own default and then the others are taken.
BACKENDS: tuple[Backend, ...] = ("tensorflow", "jax", "torch")
#: Where Keras looks first.
BACKEND_VARIABLE = "KERAS_BACKEND"

_KEY = rb"""["']KERAS_BACKEND["']"""
_NAME = rb"""["'](\w{1,40})["']"""
#: `os.environ["KERAS_BACKEND"] = "jax"`, whatever the environment says.
_SET = re.compile(rb"environ\s*\[\s*" + _KEY + rb"\s*\]\s*=\s*" + _NAME)
#: `os.environ.setdefault("KERAS_BACKEND", "jax")`, unless the environment says something.
_DEFAULT = re.compile(rb"environ\.setdefault\(\s*" + _KEY + rb"\s*,\s*" + _NAME)
#: A look at it, which asks for nothing.
_READ = re.compile(
    rb"(?:environ\.get|getenv)\(\s*" + _KEY + rb"|environ\s*\[\s*" + _KEY + rb"\s*\](?!\s*=[^=])"
)
_LINES = re.compile(rb"^[^#\n]*KERAS_BACKEND[^\n]*$", re.M)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What code asks for: names of backends, which need not be ones that there are."""

    #: Set by the code, whatever the environment says.
    firmly: frozenset[str] = frozenset()
    #: Set by the code where the environment says nothing.
    softly: frozenset[str] = frozenset()
    #: It sets one in a way that only running it would tell.
    unclear: bool = False

    def __bool__(self) -> bool:
        return bool(self.firmly or self.softly or self.unclear)


def backend_asked(texts: Iterable[bytes]) -> Asked:
    """Return which backend Python code sets for Keras, as it is written.

    Args:
        texts: of the modules. Lines that are comments count for nothing.
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
