"""What commands print: lines of text, and JSON for programs."""

from __future__ import annotations

import json
import sys
from typing import Any

from tuner.visible import escape_json, finite


def say(text: str, style: str | None = None) -> None:
    """Print a message on standard error, as it is: without markup, and not wrapped."""
    from tuner.cli.render.output import err  # rich takes a tenth of a second; help needs none

    err().print(text, style=style, markup=False, soft_wrap=True)


def print_text(text: str, style: str | None = None) -> None:
    """Print a result on standard output, as it is: without markup, and not wrapped."""
    from tuner.cli.render.output import out

    out().print(text, style=style, markup=False, soft_wrap=True)


def print_json(document: Any) -> None:
    """Print one JSON document; a non-finite number is null."""
    text = json.dumps(finite(document), indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(escape_json(text) + "\n")


def print_json_line(document: Any) -> None:
    """Print one JSON document on a line of its own, at once; a non-finite number is null."""
    text = json.dumps(finite(document), ensure_ascii=False, allow_nan=False)
    sys.stdout.write(escape_json(text) + "\n")
    sys.stdout.flush()
