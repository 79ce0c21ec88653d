"""Checks the options of a launch before they are used.

What a scheduler interprets itself (dates, names of partitions) is passed on as typed; it only must
not be more than one word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tuner.errors import SpecError
from tuner.protocol import MAX_DEVICES, NAME_PATTERN
from tuner.security.secrecy import SECRET_VALUES
from tuner.spec.duration import DURATION, parse_duration

#: Maximum length of a launch's name: a worker's name has at most 80 characters and needs a unique
#: suffix.
_MOST_NAME = 32
_WORD = re.compile(r"[\w.,:+@=%/-]{1,200}", re.ASCII)
#: Minutes, M:S, H:M:S, D-H, D-H:M, D-H:M:S: as in sbatch(1).
_SLURM_TIME = re.compile(r"\d{1,6}(:\d{1,2}){0,2}|\d{1,4}-\d{1,2}(:\d{1,2}){0,2}")
_MEMORY = re.compile(r"(\d{1,9})([KMGT]?)")
_UNITS = {"K": 1 << 10, "": 1 << 20, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_GPUS = re.compile(r"(?:([\w.-]{1,64}):)?(\d{1,3})", re.ASCII)
_RESOURCE = re.compile(r"([\w.:-]{1,100})=(\d{1,9}(?:\.\d{1,9})?)", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_]\w{0,99}", re.ASCII)
#: Limits as in `python -m workers run`.
_LEAST_IDLE_S, _MOST_IDLE_S = 1.0, 30 * 86_400.0
_MOST_VALUE = 100_000
_MOST_OPTIONS = 50
_OPTION = re.compile(r"-{1,2}[A-Za-z][^\x00-\x1f\x7f]{0,500}")
#: Options of sbatch that turn the job into an array of workers.
_OURS = re.compile(
    r"--(array|error|export|job-name|no-requeue|ntasks|output|open-mode|requeue|signal|wrap)"
    r"(=|\s|$)|-[aeJno]"
)


def check_name(name: str) -> str:
    """Return the name of a launch.

    Raises:
        SpecError: it is not a valid name.
    """
    if len(name) > _MOST_NAME or not re.fullmatch(NAME_PATTERN, name):
        raise SpecError(
            f"--name {name[:80]!r}: a-z, 0-9 and - between, at most {_MOST_NAME} characters"
        )
    return name


def check_word(option: str, value: str) -> str:
    """Return a value that is a single word to the scheduler.

    Raises:
        SpecError: it is more than one word.
    """
    if not _WORD.fullmatch(value) or value.startswith("-"):
        raise SpecError(
            f"{option} {value[:80]!r}: one word of letters, digits and . , : + @ = % / -"
        )
    return value


def parse_idle(text: str) -> float | None:
    """Return the seconds without a trial after which a worker leaves; None for `none`.

    Raises:
        SpecError: it is not a duration.
    """
    if text == "none":
        return None
    try:
        seconds = float(str(parse_duration(text)))
    except ValueError:
        raise SpecError(f"--idle {text[:40]!r}: none, or {DURATION}") from None
    if not _LEAST_IDLE_S <= seconds <= _MOST_IDLE_S:
        raise SpecError(f"--idle {text[:40]}: from 1s to 30d, or none")
    return seconds


def parse_time(text: str) -> str:
    """Return a time limit in Slurm's format.

    Args:
        text: in Slurm's format (`30` is minutes, `4:00:00` hours), or like `4h` or `1h30m`.

    Raises:
        SpecError: it is neither.
    """
    if _SLURM_TIME.fullmatch(text):
        return text
    try:
        seconds = float(str(parse_duration(text)))
    except ValueError:
        raise SpecError(
            f"--time {text[:40]!r}: as Slurm has it (minutes, 4:00:00, 1-12:00:00), or 90m, 4h, 2d"
        ) from None
    return str(max(1, round(seconds / 60)))


def parse_memory(text: str) -> int:
    """Return an amount of memory in bytes.

    Args:
        text: `16G`, or a number of MB, as in Slurm.

    Raises:
        SpecError: it is not an amount of memory.
    """
    match = _MEMORY.fullmatch(text.upper())
    if match is None or int(match[1]) == 0:
        raise SpecError(f"--mem {text[:40]!r}: an amount of memory, as 16G or 500M")
    return int(match[1]) * _UNITS[match[2]]


def check_memory(text: str) -> str:
    """Return an amount of memory as typed; arguments and errors as in `parse_memory`."""
    parse_memory(text)
    return text


def parse_gpus(text: str) -> tuple[str | None, int]:
    """Return type (None: any) and number of the GPUs of each worker.

    Args:
        text: `2`, or `a100:2`.

    Raises:
        SpecError: it is not such a number, or more than a worker can own.
    """
    match = _GPUS.fullmatch(text)
    if match is None or not int(match[2]) <= MAX_DEVICES:
        raise SpecError(
            f"--gpus {text[:80]!r}: GPUs of each worker, 0 to {MAX_DEVICES}, or with their type, "
            f"as a100:2"
        )
    return match[1], int(match[2])


def pick_exports(names: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of this shell that are passed on to the workers.

    Raises:
        SpecError: a name is invalid, is not set here, or gives access to the service.
    """
    found: dict[str, str] = {}
    for name in names:
        if not _VARIABLE.fullmatch(name):
            raise SpecError(f"--export {name[:80]!r}: the name of a variable, without its value")
        if name in SECRET_VALUES or name.startswith("TUNER_"):
            raise SpecError(
                f"--export {name}: Tuner's own settings go to the workers by themselves, and "
                f"secrets as files"
            )
        if name not in environ:
            raise SpecError(f"--export {name}: is not set in this shell")
        if len(environ[name]) > _MOST_VALUE:
            raise SpecError(f"--export {name}: longer than {_MOST_VALUE} characters")
        found[name] = environ[name]
    return found


def parse_resources(options: Sequence[str]) -> dict[str, float]:
    """Return custom resources of a Ray cluster, by name.

    Args:
        options: `NAME=AMOUNT` each.

    Raises:
        SpecError: one is malformed.
    """
    found: dict[str, float] = {}
    for option in options:
        match = _RESOURCE.fullmatch(option)
        if match is None or len(found) >= _MOST_OPTIONS:
            raise SpecError(
                f"--resource {option[:80]!r}: NAME=AMOUNT, as accelerator_type:A100=0.001; at most "
                f"{_MOST_OPTIONS} of them"
            )
        found[match[1]] = float(match[2])
    return found


def check_directives(options: Sequence[str]) -> list[str]:
    """Return additional options of sbatch, one each.

    Raises:
        SpecError: one is malformed, or would change what makes the job an array of workers.
    """
    if len(options) > _MOST_OPTIONS:
        raise SpecError(f"--directive: {len(options)} of them, at most {_MOST_OPTIONS}")
    for option in options:
        if not _OPTION.fullmatch(option):
            raise SpecError(
                f"--directive {option[:80]!r}: one option of sbatch, as "
                f"--directive=--constraint=a100"
            )
        if _OURS.match(option):
            raise SpecError(
                f"--directive {option[:80]!r}: that is what makes the job an array of workers; "
                f"take the script (-o FILE) and change it there"
            )
    return list(options)
