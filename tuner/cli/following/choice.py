"""Which study and which trial a command refers to, if they were not both given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from tuner.cli.arguments import check_study
from tuner.cli.printing import say
from tuner.errors import NotFoundError

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.service.reading import Reader
    from tuner.service.service import Service

    Api = Reader | ApiClient | Service

#: May be given in place of a trial's number.
BEST = "best"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The arguments `[STUDY] [TRIAL]`: None if left out, `best` for the best trial."""

    study: str | None = None
    trial: int | str | None = None


def read_choice(words: Iterable[str | None]) -> Chosen:
    """Return the study and the trial among the arguments of a command.

    A study contains a slash, and a trial is a number or `best`, so either may be left out.

    Raises:
        typer.BadParameter: a word is neither, or there are two of a kind.
    """
    given = [word for word in words if word is not None]
    trial = None
    if given and (len(given) > 1 or _is_trial(given[0])):
        trial = _read_trial(given.pop())
    study = check_study(given[0]) if given else None
    return Chosen(study=study, trial=trial)


def take_study(api: Api, study: str | None) -> str:
    """Return the study that was given, else the newest one, which standard error names.

    Raises:
        NotFoundError: none was given and there is none.
    """
    if study is not None:
        return study
    rows = api.list()
    if not rows:
        raise NotFoundError("no studies yet; start one with: tuner run SPEC")
    newest = str(max(rows, key=lambda row: str(row["created"]))["study"])
    say(f"{newest} (the newest study)", style="quiet")
    return newest


def take_trial(api: Api, study: str, trial: int | str | None) -> int:
    """Return the number of the trial that was given; of the best one for `best`, and for none.

    Raises:
        NotFoundError: no trial of the study is complete.
    """
    if isinstance(trial, int):
        return trial
    best = api.best(study, 1)
    if not best:
        raise NotFoundError(f"{study}: no trial is complete yet, so none is the best")
    number = int(best[0]["trial"])
    say(f"{study}: trial {number} (the best)", style="quiet")
    return number


def _is_trial(word: str) -> bool:
    return word == BEST or word.isdecimal()


def _read_trial(word: str) -> int | str:
    if word == BEST:
        return word
    if word.isdecimal() and len(word) < 10:
        return int(word)
    raise typer.BadParameter(
        f"{word[:80]!r} is not a trial; give its number, from 0, or: {BEST}", param_hint="'TRIAL'"
    )
