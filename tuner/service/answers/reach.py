"""What a token for some projects may see and name of a study's history.

History is shared: every study may learn from every other. A caller limited to one project sees that
its study did so, but not from which studies, nor their results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from tuner.documents.workers import WorkerRow
from tuner.security.identity import caller
from tuner.spec import StudySpec
from tuner.spec.history import is_study

#: Replaces the name of a source from another project or an import.
COVER = "another project"

T = TypeVar("T", bound=Mapping[str, Any])


def require_reach(spec: StudySpec) -> None:
    """Refuse a spec of another project, or one whose history names another project's study.

    Raises:
        ForbiddenError: it is one of these.
    """
    who = caller()
    who.require_project(spec.project)
    for item in spec.history:
        if item.study is not None and is_study(item.study):
            who.require_project(_project(item.study))


def covered(document: T) -> T:
    """Return an explanation, or the record of a proposal, in the form that the caller may see."""
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
    """Return a worker in the form that the caller may see: what it runs may be hidden."""
    who = caller()
    if who.projects is None:
        return worker
    shown = worker.copy()
    if worker["study"] is not None and not who.sees(_project(worker["study"])):
        shown["study"] = shown["trial"] = shown["attempt"] = None
    if worker["out_since"] is not None:
        # The reason names the failed trials, of any project.
        shown["reason"] = "trials failed here; who runs the service sees which"
    return shown


def _cover(value: Any, hidden: dict[str, str]) -> Any:
    if isinstance(value, str):
        # Longest first: one name may be a prefix of another.
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
    """Return the historic trials near a proposal that the caller may see."""
    if not isinstance(nearest, list):
        return nearest
    return [item for item in nearest if _is_seen(item.get("study") or item.get("source") or "")]


def _is_seen(key: str) -> bool:
    return is_study(key) and caller().sees(_project(key))


def _project(study: str) -> str:
    return study.partition("/")[0]
