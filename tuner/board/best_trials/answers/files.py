"""A trial's own files: `config.json`, `trial.json` and the end of its output, and nothing else."""

from __future__ import annotations

import os

from werkzeug import wrappers

from tuner.board.best_trials.answers.requests import ProblemError, Query, plain
from tuner.roots import Place, UnfitError

CONFIG, RECORD, OUTPUT = "config.json", "trial.json", "output.log"
_KINDS = {CONFIG: "application/json", RECORD: "application/json", OUTPUT: "text/plain"}
#: Maximum size of an answer: of longer output the end is sent, of a larger file nothing.
MOST_BYTES = 1 << 20
#: Bytes of output that are sent by default.
_TAIL = 200_000
_MOST_RUN = 1_000


def file_answer(query: Query, base: Place) -> wrappers.Response:
    """Answer `file?run&name&tail`.

    Args:
        query: `run` is a folder below `base`, `name` one of the three, `tail` a number of bytes.
        base: the folder of the study's runs, in the real log root; links below that root are not
            followed.

    Raises:
        ProblemError: there is no such run or file, or something else is in its place.
    """
    name = query.one_of("name", list(_KINDS), CONFIG)
    tail = query.whole("tail", _TAIL, 1, MOST_BYTES)
    run = query.text("run", most=_MOST_RUN)
    content = read_file(base, run, name, tail if name == OUTPUT else None)
    return plain(query.request, content, _KINDS[name])


def read_file(base: Place, run: str, name: str, tail: int | None = None) -> bytes:
    """Return a file of a run, or the last `tail` bytes of it.

    Raises:
        ProblemError: see `file_answer`.
    """
    try:
        with base.below(run).open() as folder:
            if tail is None:
                return folder.read(name, MOST_BYTES)
            with folder.open_file(name) as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - tail))
                return _from_line(file.read(tail), is_cut=file.tell() > tail)
    except UnfitError as exc:
        raise ProblemError(
            f"{name} of this trial {exc.strerror}", parameter="name", value=name, status=404
        ) from None
    except ValueError:
        raise ProblemError(
            "a run is a folder below the log directory", parameter="run", value=run
        ) from None
    except OSError as exc:
        why = (
            "is not there"
            if isinstance(exc, FileNotFoundError)
            else f"cannot be read: {exc.strerror}"
        )
        raise ProblemError(
            f"{name} of this trial {why}", parameter="run", value=run, status=404
        ) from None


def _from_line(content: bytes, *, is_cut: bool) -> bytes:
    """Return the end of a text from the start of a line on."""
    start = content.find(b"\n") + 1 if is_cut else 0
    return content[start:] if start < len(content) else content
