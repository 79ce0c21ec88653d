"""How to continue a study whose `tuner run` is gone, and where older studies are."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.cli.calling import command, near, program
from tuner.errors import TunerError
from tuner.homes import DATABASE, clone_home
from tuner.local import open_reader
from tuner.local.commands import read_command
from tuner.local.fleets.fleet import HOST, Fleet
from tuner.local.runs import live_runs
from tuner.settings import Settings
from tuner.trials.wait_reasons import NO_WORKER

if TYPE_CHECKING:
    from tuner.documents.study import StudyStatus


_PAUSED = "by the user"


def run_command(spec: Path, options: Sequence[str] = ()) -> str:
    """Return the command that runs a spec, as it is typed in this folder."""
    return " ".join([program(), "run", near(spec), *map(shlex.quote, options)])


def reason_here(settings: Settings, status: StudyStatus) -> str:
    """Return why a study does not advance, and the command that continues it if it ran here."""
    reason = str(status["reason"] or "")
    # For a moment after the end of a run the service is still there, without a reason yet.
    waits = status["state"] == "running" and (not reason or reason.startswith(NO_WORKER))
    if not waits and (status["state"], reason) != ("paused", _PAUSED):
        return reason
    noted = read_command(settings, status["study"])
    if noted is None or status["workers"] or status["study"] in live_runs(settings).values():
        return reason
    if not reason and (settings.api_url or Fleet(settings, HOST).state() is not None):
        return reason
    what = "nobody works on it, its run was ended" if waits else reason
    return f"{what}; continue with: {run_command(*noted)}"


def elsewhere(settings: Settings) -> str:
    """Return where `make` of an earlier release kept separate studies, if it did."""
    other = clone_home()
    if other is None or settings.api_url or settings.home in (other, other.resolve()):
        return ""
    return (
        f"studies that make ran in this clone before are in {other}: "
        f"TUNER_HOME={shlex.quote(str(other))} {command('list')}; "
        f"to learn from them: {command('history', 'add', other)}"
    )


def same_elsewhere(settings: Settings, study: str) -> Path | None:
    """Return the separate home that `make` kept in this clone, if it holds a study of this name."""
    other = clone_home()
    if other is None or settings.api_url or settings.home in (other, other.resolve()):
        return None
    its = replace(
        settings,
        home=other,
        log_root=other / "logs",
        checkpoint_root=other / "checkpoints",
        database_url=f"sqlite:///{other / DATABASE}",
        token=None,
    )
    try:
        with open_reader(its) as api:
            api.status(study)
    except TunerError:
        return None
    return other
