"""The output around the progress of `tuner run`: where things are, and the best trials."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.console import Console, RenderableType

from tuner.cli.reading.importance import read_importance
from tuner.cli.render.study.explanation import history_facts
from tuner.cli.render.study.leaderboard import print_board, read_board
from tuner.cli.render.study.lessons import importance_facts
from tuner.cli.render.study.pruning import account_facts
from tuner.cli.render.tables import facts
from tuner.cli.render.waiting import waiting
from tuner.errors import UnavailableError
from tuner.local.fleets.fleet import FleetState
from tuner.local.home import ServiceInfo
from tuner.settings import Settings

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.documents.study import StudyStatus
    from tuner.service.reading import Reader

BEST = 10


def print_places(console: Console, settings: Settings) -> None:
    """Print the location of everything that outlives the command."""
    places = [
        ("home", str(settings.home)),
        ("logs", str(settings.log_root)),
        ("checkpoints", str(settings.checkpoint_root)),
        ("database", database(settings)),
    ]
    for label, text in places:
        console.print(_line(label, text), soft_wrap=True)


def database(settings: Settings) -> str:
    """Return the database in words, without a password."""
    if settings.is_sqlite:
        return "SQLite " + settings.database_url.partition("///")[2]
    parts = urlsplit(settings.database_url)
    return f"{parts.scheme} at {parts.hostname or 'localhost'}{parts.path}"


def embedded(info: ServiceInfo, *, started: bool) -> str:
    """Return the lines about the local service and its Redis."""
    how = "started" if started else "joined"
    service = _line("service", f"{info.url} ({how}, pid {info.pid})")
    return _line("redis", info.redis) + "\n" + service


def served(url: str) -> str:
    """Return the line about a configured server."""
    return _line("service", f"{url} (TUNER_API_URL)")


def fleet(state: FleetState, log: Path) -> str:
    """Return the line about the workers."""
    devices = {str(worker.get("device") or "cpu") for worker in state.workers}
    what = ", ".join(sorted(devices)) or "cpu"
    if len(devices) > 1 or "," in what:
        # Their names would fill the screen; `workers list` shows them.
        each = state.gpus_per_worker
        what = f"{each} GPU{'' if each == 1 else 's'} each"
    return _line("workers", f"{state.count} on {what} (log: {log})")


def print_best(console: Console, api: Reader | ApiClient, status: StudyStatus) -> None:
    """Print the best trials, if any is complete, and what the study has taught.

    That is which parameters matter, best values at a bound of their range, and what history and
    pruning saved.
    """
    study = status["study"]
    rows = api.best(study, BEST)
    with waiting("looking at what the study taught"):
        board = read_board(api, study, rows)
        importance = read_importance(api, study)
        history = _history(api, study)
    if rows:
        print_board(console, board)
        console.print()
    taught = [
        *(importance_facts(console, importance) if rows else []),
        *history,
        *account_facts(status.get("pruning")),
    ]
    if taught:
        console.print(facts(taught))
        console.print()


def _history(api: Reader | ApiClient, study: str) -> list[tuple[str, RenderableType]]:
    # The study has ended well, whether or not its gain from history can be computed in time.
    try:
        return history_facts(api.explain(study, 0))
    except UnavailableError:
        return []


def _line(label: str, text: str) -> str:
    return f"[label]{label:<12}[/] {text}"
