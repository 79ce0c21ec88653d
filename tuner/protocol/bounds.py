"""Limits on the contents of messages: one set, enforced by workers and checked by servers.

A worker that keeps to these limits sends nothing that the server refuses: if a user's report is too
large, the error points to the line that made it. The server checks the limits nevertheless.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from tuner.protocol.form import ProtocolError
from tuner.protocol.image import hash_problem
from tuner.protocol.messages import NAME_PATTERN, Finish, Found, Point, Report, WorkerInfo
from tuner.protocol.numbers import decode_number
from tuner.runtime.system import MAX_DEVICES

#: Maximum size of a JSON body in bytes. The limits below keep the largest finish well within it.
MAX_BODY_BYTES = 1 << 20
#: Maximum step. More steps mean a runaway loop; a larger number is probably a time or an id.
MAX_STEP = 10_000_000
#: Maximum number of metrics of one report or result, and maximum length of a name in characters.
MAX_METRICS = 1000
MAX_NAME_CHARS = 300
#: Maximum size of the metrics of one report or result as JSON, in bytes; also of all reports sent
#: together.
MAX_METRIC_BYTES = 200_000
#: Imported files that a trial reports: maximum number, length of a name in characters, and total
#: size as JSON in bytes.
MAX_MODULES = 1000
MAX_MODULE_CHARS = 300
MAX_MODULE_BYTES = 200_000
#: Parameters that a trial reports: maximum number, length of our names and of the hypermodel's
#: names in characters, and total size as JSON in bytes. The rest waits for the next report.
MAX_FOUND = 500
MAX_FOUND_NAME = 100
MAX_SOURCE_CHARS = 300
MAX_FOUND_BYTES = 100_000
FOUND_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
#: Maximum length of an explanation, of which the end is kept: in lines and in characters.
ERROR_LINES = 50
MAX_ERROR_CHARS = 20_000

#: Maximum lengths of what a worker reports about itself, in characters.
MAX_HOST_CHARS = 255
MAX_DEVICE_ID_CHARS = 128
MAX_IMAGE_CHARS = 512
MAX_RELEASE_CHARS = 64
WORKER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
PROCESS = re.compile(r"[0-9a-f]{32}")
CLAIM_TOKEN = re.compile(r"[0-9a-f]{32,64}")
STUDY_NAME = re.compile(f"{NAME_PATTERN}/{NAME_PATTERN}")

#: Maximum size of a number with its comma and colon.
_NUMBER_BYTES = 26


def step_problem(step: int) -> str | None:
    """Return why a step cannot be reported; None if it can."""
    if 1 <= step <= MAX_STEP:
        return None
    return f"step: {_short(step)}: must be between 1 and {MAX_STEP}"


def name_problem(name: str) -> str | None:
    """Return why a metric cannot have this name; None if it can."""
    if len(name) <= MAX_NAME_CHARS:
        return None
    return f"metrics: {name[:40]}…: a name of {len(name)} letters, at most {MAX_NAME_CHARS}"


def metrics_size(metrics: Mapping[str, float]) -> int:
    """Return the size of metrics in a message in bytes, rounded up."""
    return sum(len(json.dumps(name)) + _NUMBER_BYTES for name in metrics)


def fitting_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return as many of the first metrics as fit into one message."""
    kept: dict[str, float] = {}
    size = 0
    for name, number in metrics.items():
        if name_problem(name) is not None:
            continue
        size += metrics_size({name: number})
        if len(kept) >= MAX_METRICS or size > MAX_METRIC_BYTES:
            break
        kept[name] = number
    return kept


def fitting_modules(names: Iterable[str]) -> list[str]:
    """Return as many of the first file names as fit into one message."""
    kept: list[str] = []
    size = 0
    for name in names:
        if len(name) > MAX_MODULE_CHARS:
            continue
        size += len(json.dumps(name)) + 1
        if len(kept) >= MAX_MODULES or size > MAX_MODULE_BYTES:
            break
        kept.append(name)
    return kept


def found_problem(found: Found) -> str | None:
    """Return why a reported parameter cannot be sent; None if it can."""
    shown = repr(found.source[:40] or found.name[:40])
    if len(found.name) > MAX_FOUND_NAME or not FOUND_NAME.fullmatch(found.name):
        return (
            f"found: {shown}: the name {found.name[:40]!r}: words of letters, digits and _ joined "
            f"by dots, at most {MAX_FOUND_NAME} characters"
        )
    if not 1 <= len(found.source) <= MAX_SOURCE_CHARS:
        return (
            f"found: {shown}: a source of {len(found.source)} characters, 1 to {MAX_SOURCE_CHARS}"
        )
    if _found_size(found) > MAX_FOUND_BYTES:
        return f"found: {shown}: a definition of more than {MAX_FOUND_BYTES} bytes"
    return None


def fitting_found(found: Iterable[Found]) -> list[Found]:
    """Return as many of the first parameters as fit into one message.

    A parameter that fits into no message is left out: `found_problem` says why.
    """
    kept: list[Found] = []
    size = 0
    for item in found:
        if found_problem(item) is not None:
            continue
        size += _found_size(item)
        if len(kept) >= MAX_FOUND or size > MAX_FOUND_BYTES:
            break
        kept.append(item)
    return kept


def check_found(found: Sequence[Found]) -> None:
    """Check parameters that a trial has encountered, but not whether they fit its study.

    Raises:
        ProtocolError: one exceeds the limits, or there are too many.
    """
    if len(found) > MAX_FOUND:
        raise ProtocolError(f"found: {len(found)} parameters: at most {MAX_FOUND}")
    for item in found:
        if problem := found_problem(item):
            raise ProtocolError(problem)
    if sum(map(_found_size, found)) > MAX_FOUND_BYTES:
        raise ProtocolError(f"found: more than {MAX_FOUND_BYTES} bytes")


def check_report(report: Report) -> None:
    """Check the contents of a report.

    Raises:
        ProtocolError: a part exceeds the limits.
    """
    check_points(report.points)
    check_found(report.found)


def check_study(name: str | None) -> None:
    """Check the study that a claim names.

    Raises:
        ProtocolError: it is not of the form `project/study`.
    """
    if name is not None and not STUDY_NAME.fullmatch(name):
        raise ProtocolError(f"Claim.study: {name[:40]!r}: must be project/study")


def check_points(points: Sequence[Point]) -> None:
    """Check reports, including those already known.

    Raises:
        ProtocolError: a step is out of range, a value is not a number, or the metrics are too many.
    """
    for point in points:
        decode_number(point.value)
        if problem := step_problem(point.step):
            raise ProtocolError(problem)
        _check_metrics(point.metrics)


def check_finish(finish: Finish) -> None:
    """Check the contents of a finish, but not whether it fits its study.

    Raises:
        ProtocolError: a part exceeds the limits, or it contradicts itself.
    """
    check_points(finish.points)
    check_found(finish.found)
    _check_metrics(finish.metrics)
    for value in finish.values:
        decode_number(value)
    if finish.outcome == "failed" and finish.cause is None:
        raise ProtocolError("cause: a failed attempt needs one")


def check_worker(worker: WorkerInfo) -> None:
    """Check what a worker reports about itself.

    Raises:
        ProtocolError: its name is malformed, or another part is too long.
    """
    if not WORKER_NAME.fullmatch(worker.name):
        raise ProtocolError(
            f"worker.name: {worker.name[:80]!r}: letters, digits and . _ -, at most 80"
        )
    if worker.pid < 0:
        raise ProtocolError(f"worker.pid: {worker.pid}: must be a number from 0")
    if len(worker.device_ids) > MAX_DEVICES:
        raise ProtocolError(
            f"worker.device_ids: {len(worker.device_ids)} devices, at most {MAX_DEVICES}"
        )
    for device_id in worker.device_ids:
        # Device ids are joined with commas, so they must not contain any.
        if not device_id or "," in device_id or len(device_id) > MAX_DEVICE_ID_CHARS:
            raise ProtocolError(
                f"worker.device_ids: {device_id[:40]!r}: must be 1 to {MAX_DEVICE_ID_CHARS} "
                f"characters without a comma"
            )
    for field, most in (
        ("device_id", MAX_DEVICE_ID_CHARS),
        ("image", MAX_IMAGE_CHARS),
        ("release", MAX_RELEASE_CHARS),
    ):
        text = getattr(worker, field) or ""
        if len(text) > most:
            raise ProtocolError(
                f"worker.{field}: {text[:40]!r}…: {len(text)} characters, at most {most}"
            )
    _check_identity(worker)


def _check_identity(worker: WorkerInfo) -> None:
    """Check what identifies the worker's image and process."""
    for field in ("lock", "files", "files_built"):
        value = getattr(worker, field)
        if value is not None and (problem := hash_problem(f"worker.{field}", value)):
            raise ProtocolError(problem)
    for field in ("process", "keeper"):
        value = getattr(worker, field)
        if value is not None and not PROCESS.fullmatch(value):
            raise ProtocolError(f"worker.{field}: {value[:40]!r}: must be 32 hexadecimal digits")
    # Earlier releases did not send them.
    if worker.process is not None and worker.device == "gpu" and not worker.device_ids:
        raise ProtocolError("worker.device_ids: none: a worker of device gpu names those it sees")


def _check_metrics(metrics: Mapping[str, float]) -> None:
    if len(metrics) > MAX_METRICS:
        raise ProtocolError(f"metrics: {len(metrics)}: at most {MAX_METRICS}")
    for name in metrics:
        if problem := name_problem(name):
            raise ProtocolError(problem)


def _found_size(found: Found) -> int:
    """Return the size of a parameter in a message in bytes."""
    return len(json.dumps(found.to_json()))


def _short(number: int) -> str:
    """Return a number as text that fits into a message; it may have thousands of digits."""
    return str(number) if abs(number) < 10**30 else f"a number of {number.bit_length()} bits"
