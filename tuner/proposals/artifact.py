"""What a study knows from the history: priors for its sampler, curves for its pruner."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tuner.curves.belief import CurveBelief

if TYPE_CHECKING:  # scipy takes a quarter of a second, and most samplers do without
    from tuner.surrogate.history.prior import Prior

_LENGTH = struct.Struct(">I")
#: In place of the length of a further prior: what follows is the pruner's part.
_CURVES = b"\xff\xff\xff\xff"


@dataclass(frozen=True)
class Artifact:
    """The priors of a study's metrics, in their order; None: the history says nothing on a metric.

    At least one prior exists: a study without any has no artifact.
    """

    priors: tuple[Prior | None, ...]

    @cached_property
    def key(self) -> str:
        """SHA-256 of the content: with a single metric, the prior's own."""
        keys = [prior.key if prior is not None else "" for prior in self.priors]
        return keys[0] if len(keys) == 1 else hashlib.sha256("/".join(keys).encode()).hexdigest()

    @property
    def prior(self) -> Prior | list[Prior | None] | None:
        """In the form samplers use: one prior, or a list of them with several metrics."""
        return self.priors[0] if len(self.priors) == 1 else list(self.priors)

    def to_bytes(self) -> bytes:
        """Return the priors in sequence, each preceded by its length; length 0 means None."""
        parts = [prior.to_bytes() if prior is not None else b"" for prior in self.priors]
        return b"".join(_LENGTH.pack(len(part)) + part for part in parts)

    @classmethod
    def from_bytes(cls, content: bytes) -> Artifact:
        """Return the object that `to_bytes` serialized.

        Raises:
            ValueError: the content is damaged.
        """
        from tuner.surrogate.history.prior import Prior

        priors: list[Prior | None] = []
        at = 0
        while at < len(content):
            if at + _LENGTH.size > len(content):
                raise ValueError("the artifact is cut off")
            (length,) = _LENGTH.unpack_from(content, at)
            at += _LENGTH.size
            part = content[at : at + length]
            if len(part) != length:
                raise ValueError("the artifact is cut off")
            priors.append(Prior.from_bytes(part) if part else None)
            at += length
        if all(prior is None for prior in priors):
            raise ValueError("the artifact is empty")
        return cls(tuple(priors))


def join(artifact: Artifact | None, belief: CurveBelief | None) -> bytes:
    """Return the stored form of a lesson; empty if it contains nothing."""
    head = b"" if artifact is None else artifact.to_bytes()
    return head if belief is None else head + _CURVES + belief.to_bytes()


def split(content: bytes) -> tuple[bytes, bytes]:
    """Return the sampler's and the pruner's parts of what `join` made; empty if missing.

    Raises:
        ValueError: the content is truncated.
    """
    at = 0
    while at < len(content):
        mark = content[at : at + _LENGTH.size]
        if mark == _CURVES:
            return content[:at], content[at + _LENGTH.size :]
        if len(mark) < _LENGTH.size:
            raise ValueError("the artifact is cut off")
        at += _LENGTH.size + _LENGTH.unpack(mark)[0]
    return content, b""
