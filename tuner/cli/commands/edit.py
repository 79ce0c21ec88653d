"""`tuner edit`: what may change of a study, while it runs or after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuner.cli.arguments import Json, check_study, settings
from tuner.cli.following.choice import take_study
from tuner.cli.printing import print_json, say
from tuner.errors import SpecError
from tuner.local import open_changer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuner.documents.submission import Edited, Submitted

Pairs = Annotated[
    list[str],
    typer.Argument(
        metavar="[STUDY] KEY=VALUE...",
        help="project/study (default: the newest); then as budget.trials=200 parallel=8 "
        "pruner=asha trial.timeout=30m; none removes a limit",
    ),
]


def edit(changes: Pairs, *, as_json: Json = False) -> None:
    """Change budget, history, parallel, pruner, priority and trial limits of a study.

    A larger budget resumes a finished study; a smaller one ends the study once it is used. No
    change stops a running trial. With a smaller `parallel`, no trial starts until enough have
    ended. A new pruner judges running trials at their next report. Trial limits apply to trials
    that start later, and changes to `history` to the next proposal.
    """
    # The name of a study contains no equals sign.
    named = None if "=" in changes[0] else check_study(changes[0])
    values = read_pairs(changes if named is None else changes[1:])
    if not values:
        raise typer.BadParameter("nothing to change; write KEY=VALUE, as budget.trials=200")
    with open_changer(settings()) as api:
        answer = api.edit(take_study(api, named), values)
    if as_json:
        print_json(answer)
    else:
        say_changes(answer)


def read_pairs(pairs: Sequence[str]) -> dict[str, Any]:
    """Return `key=value` arguments as values by key; values are YAML, as in a spec.

    Raises:
        SpecError: every argument that is none, one a line.
    """
    from tuner.spec import parse_value

    values: dict[str, Any] = {}
    problems: list[str] = []
    for pair in pairs:
        key, _, text = pair.partition("=")
        if not key or not text.strip():
            problems.append(f"{pair[:80]!r}: write KEY=VALUE, as parallel=8; none removes a limit")
        elif key in values:
            problems.append(f"{key}: given twice")
        else:
            try:
                values[key] = parse_value(text, key)
            except SpecError as exc:
                problems.append(str(exc))
    if problems:
        raise SpecError("\n".join(problems))
    return values


def say_changes(answer: Edited | Submitted) -> None:
    """Print what an edit has changed."""
    from tuner.cli.render.output import change_text

    study = answer["study"]
    for change in answer["changes"]:
        say(f"{study}: {change_text(change)}")
    if not answer["changes"]:
        say(f"{study}: nothing to change, it already has these values")
