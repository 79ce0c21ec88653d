"""What of a study's history a token for some projects may name and see.

History is the team's: every study may learn from every other one. Who may look at one project alone
sees that it did, and not from whom, nor the results there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from tuner.documents.workers import WorkerRow
from tuner.security.identity import caller
from tuner.spec import StudySpec
from tuner.spec.history import is_study

#: Stands for the name of what another project, or an import, has taught.
COVER = "another project"

T = TypeVar("T", bound=Mapping[str, Any])


def require_reach(spec: StudySpec) -> None:
    """Refuse a spec of another project, or one that names another project's study as history.

    Raises:
        ForbiddenError: it does.
    """
    who = caller()
    who.require_project(spec.project)
    for item in spec.history:
        if item.study is not None and is_study(item.study):
            who.require_project(_project(item.study))


def covered(document: T) -> T:
    """Return an explanation, or the record of a proposal, as the caller may see it."""
    if caller().projects is None:
        return document
    hidden: dict[str, str] = {}
    for source in document.get("sources", ()):
        if not _is_seen(source["key"]):
            cover = f"{COVER} {len(hidden) + 1}"
            hidden |= {source["key"]: cover, source["locator"]: cover}
    shown: T = _cover(document, hidden)
    return shown


def covered_worker(worker: WorkerRow) -> WorkerRow:
    """Return a worker as the caller may see it: they are everybody's, and what they run is not."""
    who = caller()
    if who.projects is None:
        return worker
    shown = worker.copy()
    if worker["study"] is not None and not who.sees(_project(worker["study"])):
        shown["study"] = shown["trial"] = shown["attempt"] = None
    if worker["out_since"] is not None:
        # It names the trials that failed, of any project.
        shown["reason"] = "trials failed here; who runs the service sees which"
    return shown


def _cover(value: Any, hidden: dict[str, str]) -> Any:
    if isinstance(value, str):
        # The longest first: one name may be the beginning of another.
        for name in sorted(hidden, key=len, reverse=True):
            value = value.replace(name, hidden[name])
        return value
    if isinstance(value, list):
        return [_cover(item, hidden) for item in value]
    if isinstance(value, dict):
        return {
            _cover(key, hidden): _seen_only(item) if key == "nearest" else _cover(item, hidden)
            for key, item in value.items()
        }
    return value


def _seen_only(nearest: Any) -> Any:
    """Return the historic trials near a proposal without those of others."""
    if not isinstance(nearest, list):
        return nearest
    return [item for item in nearest if _is_seen(item.get("study") or item.get("source") or "")]


def _is_seen(key: str) -> bool:
    return is_study(key) and caller().sees(_project(key))


def _project(study: str) -> str:
    return study.partition("/")[0]
