"""Texts and numbers that a spec may hold, as types that pydantic checks.

The exceptions carry no text: what is allowed is in the description of the field.
"""

from __future__ import annotations

import keyword
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from tuner.protocol import NAME_PATTERN
from tuner.space.value import is_number
from tuner.spec.duration import parse_duration

#: Top-level modules that Tuner itself imports in a trial's process.
RESERVED_MODULES = ("tuner", "workers")
#: The objective of a study that no worker executes: clients request its trials by its name.
EXTERNAL = "external"
#: Maximum number of a command's texts, and of the characters in one.
MAX_COMMAND = 200
MAX_COMMAND_TEXT = 4096
NAME_RULE = "1 to 63 characters a-z, 0-9 and -, first and last not -"

_METRIC = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]{0,63}")
#: TensorBoard tags that Tuner writes itself.
_RESERVED_METRIC = re.compile(r"objective(_[0-9]+)?")


def _check_metric(value: str) -> str:
    if not _METRIC.fullmatch(value) or _RESERVED_METRIC.fullmatch(value):
        raise ValueError
    return value


def _check_objective(value: str) -> str:
    module, colon, function = value.partition(":")
    words = [*module.split("."), function]
    named = all(word.isidentifier() and not keyword.iskeyword(word) for word in words)
    if not colon or not named or words[0] in RESERVED_MODULES or len(value) > 200:
        raise ValueError
    return value


def _check_way(value: str) -> str:
    return value if value == EXTERNAL else _check_objective(value)


def _check_text(value: str) -> str:
    if not value or len(value) > MAX_COMMAND_TEXT or "\0" in value:
        raise ValueError
    return value


def _check_label(value: str) -> str:
    if not value.isprintable() or value.strip() != value:
        raise ValueError
    return value


def _check_first_rung(value: object) -> object:
    # A union of the two types would give two messages for one mistake.
    is_steps = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000
    if value != "auto" and not is_steps:
        raise ValueError
    return value


def _check_finite(value: object) -> object:
    # Without this, 1e400 and .inf would pass as floats.
    if isinstance(value, int | float) and not is_number(value):
        raise ValueError
    return value


Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
MetricName = Annotated[str, AfterValidator(_check_metric)]
#: `module:function` that runs in a trial's process, or a hypermodel's `module:Name`.
Callable = Annotated[str, AfterValidator(_check_objective)]
#: The same, or `external`.
Objective = Annotated[str, AfterValidator(_check_way)]
#: One of the texts of a command.
CommandText = Annotated[str, AfterValidator(_check_text)]
Image = Annotated[str, Field(pattern=r"^[a-z0-9][A-Za-z0-9._/:-]{0,254}@sha256:[0-9a-f]{64}$")]
Label = Annotated[str, AfterValidator(_check_label)]
Number = Annotated[float, BeforeValidator(_check_finite)]
#: In seconds, from a text such as 30m or a number.
Duration = Annotated[float | None, BeforeValidator(parse_duration)]
#: The first rung: a number of steps, or `auto`.
FirstRung = Annotated[int | Literal["auto"], PlainValidator(_check_first_rung)]
