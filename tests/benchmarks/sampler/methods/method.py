"""What a run asks of a sampler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tests.benchmarks.sampler.history.source_study import SourceStudy
from tuner.space import Params, SearchSpace


class MissingPeerError(Exception):
    """A method needs a package that is not installed."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """All that a method may know of a task before its first trial."""

    space: SearchSpace
    seed: int
    #: How many trials will be asked for.
    trials: int
    history: tuple[SourceStudy, ...] = ()
    #: The only configurations that may be proposed, each once; None: the whole space.
    pool: tuple[Params, ...] | None = None


class Method(Protocol):
    """A sampler at work on one task; what was asked and not told is pending."""

    def ask(self) -> tuple[int, Params]:
        """Return a ticket and the configuration to try."""
        ...

    def tell(self, ticket: int, value: float) -> None:
        """Take the value of a configuration; lower is better."""
        ...

    @property
    def insight(self) -> dict[str, Any] | None:
        """What the method says about its last proposal, if it says anything."""
        ...


Maker = Callable[[Problem], Method]
