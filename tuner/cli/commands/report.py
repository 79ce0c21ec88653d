"""`tuner report`: a study as one HTML file."""

from __future__ import annotations

import contextlib
import datetime
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.arguments import AnyStudy, settings
from tuner.cli.following.choice import take_study
from tuner.cli.printing import print_text
from tuner.errors import SetupError
from tuner.local import open_reader

#: Writes to standard output.
_STDOUT = "-"


def report(
    study: AnyStudy = None,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Default: the study's name with .html; - prints."
        ),
    ] = None,
) -> None:
    """Write a study as one HTML file that you can mail, keep and print.

    It holds the best trial, the leaderboard, plots, failures and environment, and needs no server.
    """
    from tuner.board.best_trials.report.document import report_page
    from tuner.cli.render.waiting import waiting
    from tuner.cli.writing.report_data import read_report

    config = settings()
    with open_reader(config) as api:
        name = take_study(api, study)
        with waiting("reading the study", is_shown=to != _STDOUT):
            now = datetime.datetime.now(datetime.UTC)
            found = read_report(api, config, name, f"{now:%Y-%m-%d %H:%M} UTC")
    content = report_page(found).encode("utf-8", "replace")
    if to == _STDOUT:
        sys.stdout.buffer.write(content)
        return
    path = Path(to or f"{name.partition('/')[2]}.html")
    _write(path, content)
    print_text(f"{path} ({len(content) / 1e6:.1f} MB): open it in a browser")


def _write(path: Path, content: bytes) -> None:
    """Replace a file in one step; a device or a pipe is written to.

    Raises:
        SetupError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            beside.unlink()
        said = f"{path}: cannot be written: {exc.strerror}; choose another with -o"
        raise SetupError(said) from exc
