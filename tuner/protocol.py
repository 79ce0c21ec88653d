"""What crosses the wire between worker and server, and nothing else.

Only the standard library is imported: the training image needs no validation library.
Times are seconds since the epoch (UTC, the database's clock) unless a name says otherwise.
Every message is JSON; a non-finite number never crosses the wire as a number: it is the string
"nan", "inf" or "-inf" in `Point.value` and `Finish.value` and nothing else.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
import sys
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, Self

VERSION = 1
#: The worker's parent process beats this often; an attempt without a beat for `LEASE_S` is lost.
BEAT_S = 5.0
LEASE_S = 20.0
#: Reports of one attempt are posted at most this often; those between are sent together.
REPORT_INTERVAL_S = 0.5

#: The wake-up queue of a device kind is `tuner-<kind>`; workers accept this one task alone.
QUEUE_PREFIX = "tuner-"
WAKE_UP_TASK = "workers.wake.wake_up"

Device = Literal["cpu", "gpu"]
Isolation = Literal["fork", "spawn"]
Outcome = Literal["complete", "pruned", "failed"]
Cause = Literal[
    "lost", "preempted", "rejected", "storage", "oom", "timeout", "diverged", "error", "cancelled"
]
#: What the server wants of a running attempt; `prune` and `cancel` let it end by itself first.
Order = Literal["continue", "prune", "cancel"]
Reproducibility = Literal["off", "seeded", "strict"]

#: A name that may become a path or an identifier (project, study).
NAME_PATTERN = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

ERROR_LINES = 50
#: The largest whole number in a message: what every database can hold.
MAX_INT = 2**31 - 1


class ProtocolError(ValueError):
    """A message does not have the form this module declares; the text names the field."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """Base of all wire messages: to and from plain JSON values."""

    def to_json(self) -> dict[str, Any]:
        """Return the message as JSON values (tuples become lists); objects are not copied."""
        # `dataclasses.asdict` copies every value of a spec, at ten times the cost.
        return {spec.name: _plain(getattr(self, spec.name)) for spec in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Build the message from parsed JSON; unknown fields, as of a newer peer, are ignored.

        Raises:
            ProtocolError: not an object, a field is missing or has the wrong JSON type.
        """
        if not isinstance(data, dict):
            raise ProtocolError(f"{cls.__name__}: expected an object, got {type(data).__name__}")
        hints = _hints(cls)  # type: ignore[arg-type]  # mypy: type[Self] would not be hashable
        values: dict[str, Any] = {}
        for spec in dataclasses.fields(cls):
            if spec.name in data:
                values[spec.name] = _convert(
                    f"{cls.__name__}.{spec.name}", hints[spec.name], data[spec.name]
                )
            elif (
                spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
            ):
                raise ProtocolError(f"{cls.__name__}.{spec.name} is missing")
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class Point(Message):
    """One report of a trial: `step` epochs are finished (from 1), the metric stands at `value`."""

    step: int
    value: float | str
    #: Other metrics seen at this step, flat scalars for TensorBoard.
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WorkerInfo(Message):
    """Who a worker is; sent with every claim and beat."""

    name: str
    host: str
    pid: int
    device: Device = "cpu"
    #: GPU UUID for a pinned device, else None.
    device_id: str | None = None
    image: str | None = None
    release: str = ""
    isolation: Isolation = "fork"


@dataclass(frozen=True, kw_only=True)
class Claim(Message):
    """Ask for an attempt. Sent again with the same token, it gets the same answer."""

    #: Made by the worker before it claims: 32 to 64 hexadecimal characters, for this claim alone.
    token: str
    worker: WorkerInfo
    #: How long the server may hold the answer back until there is work, seconds, at most 30.
    wait_s: float = 0.0
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Assignment(Message):
    """One attempt of a trial, with everything needed to run it."""

    attempt: str
    study: str
    trial: int
    attempt_no: int
    params: dict[str, Any]
    seed: int
    #: `module:function`, or `hypermodel:module:Name`.
    objective: str
    #: Name and goal ("maximize" or "minimize") of each metric, in the study's order.
    metrics: list[dict[str, str]]
    #: Relative to the log root.
    run_dir: str
    #: Relative to the checkpoint root.
    checkpoint_dir: str
    #: SHA-256 of the code snapshot; None when the image holds the code.
    code: str | None = None
    timeout_s: float | None = None
    reproducibility: Reproducibility = "seeded"
    #: The curve of the predecessor that this attempt continues, in step order.
    curve: list[Point] = field(default_factory=list)
    #: The part of `config.json` that the server knows (spec, distributions, proposal, code, data).
    config: dict[str, Any] = field(default_factory=dict)
    lease_s: float = LEASE_S
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Report(Message):
    """Points of one attempt, in step order. Sent again, it changes nothing."""

    token: str
    points: list[Point]
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Beat(Message):
    """A worker's sign of life; extends the lease of the attempt it runs."""

    worker: WorkerInfo
    state: Literal["idle", "busy", "stopping"]
    attempt: str | None = None
    token: str | None = None
    #: What a self-test has found wrong; empty: it passed; None: none was made.
    self_test: str | None = None
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Reply(Message):
    """The server's answer to a report or a beat."""

    order: Order = "continue"
    #: The worker takes no further attempt and leaves when this one has ended.
    drain: bool = False
    #: The worker is out of service and is to test itself; the result comes with its next beat.
    self_test: bool = False
    #: Why it is drained or out of service, for its log.
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Finish(Message):
    """How an attempt ended. The same body again gets the same answer; another is refused."""

    token: str
    outcome: Outcome
    #: Exact objective(s) in the study's metric order; empty unless the outcome is complete.
    values: list[float | str] = field(default_factory=list)
    #: Everything numeric the objective returned, by name.
    metrics: dict[str, float] = field(default_factory=dict)
    #: Set when the outcome is failed.
    cause: Cause | None = None
    #: Traceback or explanation, last `ERROR_LINES` lines.
    error: str = ""
    #: Reports that were not posted yet.
    points: list[Point] = field(default_factory=list)
    duration_s: float = 0.0
    #: Of the trial's process, if it was reaped: exit status, or minus the signal.
    exit_status: int | None = None
    #: Files below the code folder that the trial has imported: relative, with slashes.
    modules: list[str] = field(default_factory=list)
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Finished(Message):
    """The answer to a finish that was accepted."""

    #: True when this attempt's result became the trial's outcome: only then `objective` is logged.
    is_outcome: bool
    #: The content of `trial.json`, to be written as it is.
    record: dict[str, Any] = field(default_factory=dict)


def encode_number(value: float) -> float | str:
    """Return `value` as it crosses the wire: itself if finite, else "nan", "inf" or "-inf"."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "nan"
    return "inf" if value > 0 else "-inf"


def decode_number(value: float | str) -> float:
    """Invert `encode_number`.

    Raises:
        ProtocolError: a string other than the three.
    """
    if isinstance(value, str):
        if value not in ("nan", "inf", "-inf"):
            raise ProtocolError(f"a number is a JSON number, 'nan', 'inf' or '-inf', not {value!r}")
        return float(value)
    return float(value)


def dumps(message: Message) -> str:
    """Return the message as strict JSON text (no NaN literals)."""
    return json.dumps(message.to_json(), allow_nan=False, separators=(",", ":"))


def is_older(release: str, than: str) -> bool:
    """Return whether one release of Tuner comes before another.

    Releases are compared by their numbers; with the same numbers a pre-release (`1.2rc1`) is older.
    A source tree without a version ("" or `0+source`) is never older, and nothing is older than it.
    """
    mine, theirs = _release_key(release), _release_key(than)
    return mine is not None and theirs is not None and mine < theirs


def _release_key(release: str) -> tuple[list[int], bool, str] | None:
    found = re.match(r"v?(\d{1,9}(?:\.\d{1,9}){0,9})([^+]*)", release)
    if found is None or release.startswith("0+"):
        return None
    numbers = [int(part) for part in found[1].split(".")]
    while numbers[-1:] == [0]:
        numbers.pop()
    return numbers, not found[2] or found[2].startswith(".post"), found[2]


def queue_name(device: Device) -> str:
    """Return the name of the wake-up queue of a device kind."""
    return QUEUE_PREFIX + device


@functools.cache
def _hints(kind: type[Message]) -> dict[str, Any]:
    """Return the types of a message's fields; evaluating them costs more than all the rest."""
    return typing.get_type_hints(kind)


def _plain(value: Any) -> Any:
    """Return `value` as JSON values; messages stand alone or in lists."""
    if isinstance(value, Message):
        return value.to_json()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _convert(where: str, hint: Any, value: Any) -> Any:
    """Return `value` as the declared type; JSON has no tuple, int or nested message of its own."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(where, hint, value)
    if origin is Literal:
        if value not in typing.get_args(hint):
            raise ProtocolError(f"{where}: {value!r} is not one of {typing.get_args(hint)}")
        return value
    if origin is list:
        if not isinstance(value, list):
            raise ProtocolError(f"{where}: expected a list, got {type(value).__name__}")
        (inner,) = typing.get_args(hint)
        return [_convert(f"{where}[{i}]", inner, item) for i, item in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            raise ProtocolError(f"{where}: expected an object, got {type(value).__name__}")
        inner = typing.get_args(hint)[1]
        return {str(k): _convert(f"{where}.{k}", inner, item) for k, item in value.items()}
    return _convert_plain(where, hint, value)


def _convert_union(where: str, hint: Any, value: Any) -> Any:
    choices = typing.get_args(hint)
    if value is None and type(None) in choices:
        return None
    problem = ProtocolError(f"{where}: {value!r} is not allowed")
    for choice in choices:
        if choice is type(None):
            continue
        try:
            return _convert(where, choice, value)
        except ProtocolError as exc:
            problem = exc
    raise problem


def _convert_plain(where: str, hint: Any, value: Any) -> Any:
    if hint is Any:
        return value
    if isinstance(hint, type) and issubclass(hint, Message):
        return hint.from_json(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if hint is float and (whole or isinstance(value, float)) and abs(value) <= sys.float_info.max:
        return float(value)
    if hint is int and whole and abs(value) <= MAX_INT:
        return value
    if hint in (str, bool) and isinstance(value, hint):
        return value
    raise ProtocolError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {value!r}")
