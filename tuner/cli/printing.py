"""Prints and writes the output of commands: text, whole files, and JSON for programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tuner.errors import SpecError
from tuner.visible import escape_json, finite


def say(text: str, style: str | None = None) -> None:
    """Print a message on standard error, literally: without markup or wrapping."""
    from tuner.cli.render.output import err  # rich takes a tenth of a second; help needs none

    err().print(text, style=style, markup=False, soft_wrap=True)


def print_text(text: str, style: str | None = None) -> None:
    """Print a result on standard output, literally: without markup or wrapping."""
    from tuner.cli.render.output import out

    out().print(text, style=style, markup=False, soft_wrap=True)


def print_file(text: str) -> None:
    """Print the text of a file, which belongs to the user."""
    from tuner.cli.render.output import LogPrinter

    with LogPrinter(raw=False) as printer:
        printer.print(text.encode())


def write_new(path: Path, text: str, *, is_program: bool = False) -> None:
    """Write a new file at the path given with the option -o.

    Raises:
        SpecError: the file exists, or it cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        if is_program:
            path.chmod(0o700)
    except FileExistsError:
        raise SpecError(f"{path} already exists; name another file with -o") from None
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise SpecError(f"{path}: cannot be written: {reason}") from exc


def print_json(document: Any) -> None:
    """Print one JSON document; non-finite numbers become null."""
    text = json.dumps(finite(document), indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(escape_json(text) + "\n")


def print_json_line(document: Any) -> None:
    """Print one JSON document on a single line, flushed; non-finite numbers become null."""
    text = json.dumps(finite(document), ensure_ascii=False, allow_nan=False)
    sys.stdout.write(escape_json(text) + "\n")
    sys.stdout.flush()
