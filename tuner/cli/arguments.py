"""Arguments and options that several commands share, and the settings they run with."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.calling import command
from tuner.errors import TunerError
from tuner.local import open_reader
from tuner.protocol import NAME_PATTERN
from tuner.refusal import CodeChoice
from tuner.settings import Settings, load_settings

_STUDY = re.compile(f"{NAME_PATTERN}/{NAME_PATTERN}")


def check_study(value: str | None) -> str | None:
    """Refuse what cannot be the name of a study, before any request."""
    if value is not None and not _STUDY.fullmatch(value):
        rule = (
            f"each part has 1 to 63 of a-z, 0-9 and -, and starts and ends with a letter or digit "
            f"(`{command('list')}` shows yours)"
        )
        said = f"{value[:80]!r} is not project/study: {_meant(value) or rule}"
        raise typer.BadParameter(said, param_hint="'STUDY'")
    return value


def _meant(value: str) -> str:
    """Return `did you mean "vision/mlp"? ` for the `mlp` of an existing study, else nothing."""
    import difflib

    try:
        with open_reader(settings()) as api:
            names = [str(row["study"]) for row in api.list()]
    except (TunerError, OSError):
        return ""
    # By the name without the project, too, which is what people remember.
    by_name = {name.partition("/")[2]: name for name in reversed(names)}
    near = difflib.get_close_matches(value.lower(), [*by_name, *names], n=1)
    return f'did you mean "{by_name.get(near[0], near[0])}"?' if near else ""


Study = Annotated[str, typer.Argument(metavar="STUDY", help="project/study", callback=check_study)]
AnyStudy = Annotated[
    str | None,
    typer.Argument(
        metavar="STUDY", help="project/study (default: the newest)", callback=check_study
    ),
]
AnyTrial = Annotated[
    str | None,
    typer.Argument(metavar="TRIAL", help="number of the trial, or best (default: the best)"),
]
#: If either of the two may be left out, `tuner.cli.following.choice` tells them apart.
StudyOrTrial = Annotated[
    str | None, typer.Argument(metavar="STUDY", help="project/study (default: the newest)")
]
Spec = Annotated[Path, typer.Argument(metavar="SPEC", help="study spec, a YAML file")]
UseCode = Annotated[
    CodeChoice | None,
    typer.Option("--code", help="If the code has changed: continue with the old or the new code."),
]
As = Annotated[
    str | None,
    typer.Option("--as", metavar="NAME", help="Run the spec as a study with this name."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]


def settings() -> Settings:
    """Return the settings of this process's environment."""
    return load_settings(os.environ)
