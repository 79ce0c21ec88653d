"""What a registry holds for a name, and the options that a spec may set for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

#: Maximum length of a text in a spec.
MAX_OPTION_CHARS = 200
#: Larger whole numbers are not represented exactly by every JSON parser.
MAX_INT = 2**53


@dataclass(frozen=True, kw_only=True)
class Option:
    """One key of a spec's `sampler` or `pruner` that only this extension takes.

    Args:
        kind: `int`, `float` (which also takes whole numbers), `bool` or `str`.
        low: the smallest allowed number; None: no bound.
        high: the largest allowed number; None: no bound.
        choices: the allowed texts; empty: any text of 1 to 200 characters.
        says: what it is for, in a few words.
    """

    name: str
    kind: type[int] | type[float] | type[bool] | type[str]
    low: float | None = None
    high: float | None = None
    choices: Sequence[str] = ()
    says: str = ""

    def takes(self, value: object) -> bool:
        """Whether a spec may set this value."""
        if self.kind is bool or isinstance(value, bool):
            return self.kind is bool and isinstance(value, bool)
        if self.kind is str:
            is_short = isinstance(value, str) and 1 <= len(value) <= MAX_OPTION_CHARS
            return is_short and (not self.choices or value in self.choices)
        if not isinstance(value, int) and (self.kind is int or not isinstance(value, float)):
            return False
        is_number = abs(value) <= MAX_INT if isinstance(value, int) else math.isfinite(value)
        is_above = self.low is None or value >= self.low
        return is_number and is_above and (self.high is None or value <= self.high)

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return self._rule + (f": {self.says}" if self.says else "")

    @property
    def _rule(self) -> str:
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            named = ", ".join(f'"{choice}"' for choice in self.choices)
            return f"one of {named}" if named else f"text of 1 to {MAX_OPTION_CHARS} characters"
        noun = "a whole number" if self.kind is int else "a finite number"
        low = "" if self.low is None else f" from {self.low:g}"
        return noun + low + ("" if self.high is None else f" to {self.high:g}")

    @property
    def schema(self) -> dict[str, Any]:
        """The rule as JSON Schema."""
        if self.kind is bool:
            return {"type": "boolean", "description": self.allowed}
        if self.kind is str:
            bounds: dict[str, Any] = {"minLength": 1, "maxLength": MAX_OPTION_CHARS}
            if self.choices:
                bounds = {"enum": list(self.choices)}
            return {"type": "string", **bounds, "description": self.allowed}
        limits = {"minimum": self.low, "maximum": self.high}
        given = {key: value for key, value in limits.items() if value is not None}
        kind = "integer" if self.kind is int else "number"
        return {"type": kind, **given, "description": self.allowed}


class Trait(Enum):
    """What the rest of Tuner does differently for a sampler or a pruner, in words."""

    #: Samplers: Tuner matches history for the study and passes it in `SamplerContext.prior`.
    LEARNS = "learns from history"
    #: Samplers: each ended trial has `tuner.samplers.marks.TOOK_ATTR`.
    ASKS_DURATIONS = "asks how long trials took"
    #: Samplers: a proposal depends on nothing that an earlier one stored on the study.
    LEAVES_NOTHING = "leaves nothing on the study"
    #: Samplers: the forecast for the next trials is based on chance alone.
    BLIND = "learns nothing from results"
    #: Samplers: the forecast for the next trials is that for a model that adapts.
    MODELS = "chooses by a model of the results"
    #: Pruners: it is a `HalvingPruner`, and history may determine its first rung.
    RUNGS = "halves the trials at rungs"


@dataclass(frozen=True, kw_only=True)
class Extension:
    """One entry of a registry.

    An entry point refers to an object of this class, or to what `make` would be.

    Args:
        make: what the registry's users call; Tuner's own are given as "module:name", which is
            imported on first use.
        options: what a spec may set in addition to the name (and the seed): a text names a key that
            the section shares between extensions, an `Option` belongs to this one alone.
        traits: what the rest of Tuner does differently for it.
        says: what it is, in a few words.
    """

    make: Callable[..., Any] | str
    options: Sequence[str | Option] = ()
    traits: Collection[Trait] = ()
    says: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of its options."""
        return tuple(o if isinstance(o, str) else o.name for o in self.options)

    @property
    def own(self) -> Mapping[str, Option]:
        """The options that no other extension has, by name."""
        return {o.name: o for o in self.options if isinstance(o, Option)}
