"""Arguments and options that several commands share, and the settings they run with."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from tuner.protocol import NAME_PATTERN
from tuner.refusal import CodeChoice
from tuner.settings import Settings, load_settings

_STUDY = re.compile(f"{NAME_PATTERN}/{NAME_PATTERN}")


def check_study(value: str | None) -> str | None:
    """Refuse what cannot be a study's name, before anything is asked for it."""
    if value is not None and not _STUDY.fullmatch(value):
        raise typer.BadParameter(
            f"{value!r} is not project/study; each part has 1 to 63 of a-z, 0-9 and -, "
            f"and starts and ends with a letter or digit (`tuner list` shows yours)"
        )
    return value


Study = Annotated[str, typer.Argument(metavar="STUDY", help="project/study", callback=check_study)]
AnyStudy = Annotated[
    str | None,
    typer.Argument(
        metavar="[STUDY]", help="project/study (default: the newest)", callback=check_study
    ),
]
Trial = Annotated[int, typer.Argument(metavar="TRIAL", help="number of the trial", min=0)]
Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="study spec, a YAML file")]
UseCode = Annotated[
    CodeChoice | None,
    typer.Option("--code", help="Where the code has changed: go on with the old or the new."),
]
As = Annotated[
    str | None,
    typer.Option("--as", metavar="NAME", help="Run the spec as a study of this name."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]


def settings() -> Settings:
    """Return the settings of this process's environment."""
    return load_settings(os.environ)
