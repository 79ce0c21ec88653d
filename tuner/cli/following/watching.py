"""Following a study to its end: on a screen, in a log, or silently for one JSON document."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.markup import escape

from tuner.cli.calling import command
from tuner.cli.reading.feed import Feed, is_over
from tuner.cli.render import output
from tuner.cli.render.study import headings
from tuner.cli.render.study.progress import StudyProgress
from tuner.errors import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from tuner.client import ApiClient
    from tuner.documents.study import StudyStatus
    from tuner.service.reading import Reader

#: Seconds between two looks, and after one that was not answered.
_LOOK_S, _AWAY_S = 0.5, 2.0
#: Seconds: a remote server may be replaced by its standby, or restarted, while it is watched.
PATIENCE_S = 120.0


@dataclass(frozen=True, kw_only=True)
class WatchLimits:
    """How long to follow a study.

    Attributes:
        timeout_s: maximum number of seconds, None for no limit.
        patience_s: seconds without an answer before the command gives up.
    """

    timeout_s: float | None = None
    patience_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StudyEnd:
    """The last status, and whether the time ran out before the study ended."""

    status: StudyStatus
    is_timeout: bool = False


def follow(
    api: Reader | ApiClient,
    study: str,
    *,
    is_silent: bool = False,
    limits: WatchLimits | None = None,
) -> StudyEnd:
    """Follow a study until it has ended.

    Args:
        study: its name.
        is_silent: print nothing.
        limits: how long to follow it.

    Raises:
        UnavailableError: the service no longer answers, or the study was deleted.
        NotFoundError: there was no such study from the start.
    """
    limits = limits or WatchLimits()
    first = api.status(study)
    if is_silent:
        return _until_over(lambda: api.status(study), study, limits, lambda _: None)
    console = output.out()
    feed = Feed(api, study)
    with StudyProgress(console, first) as progress:

        def look() -> StudyStatus:
            news = feed.look()
            progress.show(news)
            return news.status

        ending = _until_over(look, study, limits, lambda text: progress.say(text, wraps=True))
    headings.print_best(console, api, ending.status)
    reason = ending.status["reason"]
    said = f" [quiet]({escape(reason)})[/]" if reason else ""
    console.print(f"{study}: {output.styled(ending.status['state'])}{said}", soft_wrap=True)
    return ending


def _until_over(
    look: Callable[[], StudyStatus], study: str, limits: WatchLimits, say: Callable[[str], None]
) -> StudyEnd:
    """Look twice a second until the study has ended or a limit is reached."""
    heard = time.monotonic()
    told = float("-inf")
    until = heard + limits.timeout_s if limits.timeout_s is not None else float("inf")
    while True:
        try:
            status = look()
        except NotFoundError as exc:
            raise UnavailableError(f"{study} was deleted while it was watched") from exc
        except UnavailableError as exc:
            _bear(exc, study, heard=heard, until=until, patience_s=limits.patience_s)
            if told < heard:
                told = time.monotonic()
                said = f"{exc}; it is asked again for up to {limits.patience_s:g} s"
                say(f"[warn]{escape(said)}[/]")
            time.sleep(_AWAY_S)
            continue
        heard = time.monotonic()
        if is_over(status):
            return StudyEnd(status=status)
        if heard >= until:
            return StudyEnd(status=status, is_timeout=True)
        time.sleep(_LOOK_S)


def _bear(
    error: UnavailableError, study: str, *, heard: float, until: float, patience_s: float
) -> None:
    """Return if an answer may still arrive, otherwise end the watch."""
    now = time.monotonic()
    if now - heard >= patience_s or now >= until:
        again = command("watch", study)
        raise UnavailableError(f"{error}; watch again with: {again}") from error
