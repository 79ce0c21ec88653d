"""Learning from the history for one study: finds and maps sources, and makes them into an artifact.

It reads the database and computes; it may take seconds and writes nothing.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection, MutableMapping, Sequence
from typing import Any

import sqlalchemy as sa
from typing_extensions import override

from tuner.curves.belief import CurveBelief
from tuner.errors import UnavailableError
from tuner.history.choosing.finding import FoundHistory, find
from tuner.history.learning_curves.curve_prior import CurveReceipt, find_curves
from tuner.history.learning_curves.early import EarlyRanks, find_early_ranks
from tuner.history.matching.priors import make_priors
from tuner.history.store.database import HistoryStore
from tuner.learning.lessons import Lesson, digest
from tuner.proposals.artifact import Artifact
from tuner.proposals.history_users import HISTORY, seeks_first_rung, takes_prior
from tuner.proposals.pruners.by_history import HistoryPruner
from tuner.space.encoding import Encoding
from tuner.spec import StudySpec
from tuner.spec.history import history_json
from tuner.storage import Storage, tables
from tuner.storage.engines.outage import is_damage
from tuner.surrogate.history.building import explain_none
from tuner.surrogate.history.prior import Prior
from tuner.surrogate.history.source import Source
from tuner.surrogate.threads import one_thread
from tuner.trials.study import Study

logger = logging.getLogger(__name__)

#: The results of studies in these states are final, so that others can learn from them.
_CLOSED = ("finished", "failed", "cancelled")

#: What is kept from one lesson to the next; see `ByteCache`.
Cache = MutableMapping[Any, Any]
#: Prefix of cache keys: how the history maps to one study, followed by its id and, if its space
#: grows, its number of parameters.
_MAPPED = "mapped"


def history_version(connection: sa.Connection) -> str:
    """Return a text that changes when a study ends or is deleted, and with every import.

    A running study changes nothing: otherwise each of its results would make every other study
    learn anew. Its results so far are included when something else changes.
    """
    s, h = tables.studies, tables.history
    closed = connection.execute(
        sa.select(sa.func.count(), sa.func.max(s.c.finished), sa.func.sum(s.c.told)).where(
            s.c.state.in_(_CLOSED)
        )
    ).one()
    imports = connection.execute(
        sa.select(sa.func.count(), sa.func.max(h.c.id), sa.func.max(h.c.imported)).where(
            h.c.state == "there"
        )
    ).one()
    return "/".join(str(part) for part in (*closed, *imports))


def lesson_version(history: str, spec: StudySpec) -> str:
    """Return what a lesson depends on: the history, and what the spec requests from it."""
    pruner = json.dumps(spec.pruner.options) if spec.pruner.name == HISTORY else ""
    pruner += "rung" if seeks_first_rung(spec) else ""
    return digest(
        history + json.dumps(history_json(spec.history)) + pruner + f"{_known(spec) or ''}"
    )


def _known(spec: StudySpec) -> int | None:
    """Return the number of parameters of a space that may grow; None if it is declared."""
    return len(spec.space) if spec.finds_space else None


def learn(storage: Storage, study: Study, spec: StudySpec, version: str, cache: Cache) -> Lesson:
    """Return what the history gives a study. Bad data never stops the study: it starts cold.

    Args:
        version: see `lesson_version`.
        cache: of earlier lessons, for all studies.

    Raises:
        UnavailableError: the database cannot be reached; try again.
    """
    start = time.monotonic()
    try:
        found = find(
            HistoryStore(storage),
            spec,
            data=study.data,
            code=study.code,
            cache=_Part(cache, (_MAPPED, study.id, _known(spec))),
        )
        with one_thread():
            priors = _priors(found, spec, _Part(cache, ("fitted",)))
            shares = _shares(found, priors, spec, _Part(cache, ("fitted",)))
        belief, curves = _curves(storage, found, spec, _Part(cache, ("curves",)))
        early = _early(storage, found, spec, _Part(cache, ("early",)))
    except Exception as exc:
        if isinstance(exc, UnavailableError) and not is_damage(exc.__cause__):
            raise
        # Whatever old runs contain, the study that would learn from them continues without them.
        problem = f"{type(exc).__name__}: {exc}"
        logger.warning("history not usable", extra={"study": spec.name, "problem": problem})
        logger.debug("where it failed", exc_info=True)
        return Lesson(
            artifact=None, summary={}, problem=problem[:500], version=version, known=_known(spec)
        )
    known = found.without(
        {
            metric: {item["name"]: item["reason"] for item in share["sources"] if item["reason"]}
            for metric, share in shares.items()
            if share
        }
    ).to_json()
    return Lesson(
        artifact=Artifact(priors) if any(priors) else None,
        summary=known["summary"] if takes_prior(spec) else {},
        sources=tuple(known["sources"]),
        shares=shares,
        version=version,
        took_s=time.monotonic() - start,
        belief=belief,
        curves=curves,
        early=early,
        known=_known(spec),
    )


def _curves(
    storage: Storage, found: FoundHistory, spec: StudySpec, cache: Cache
) -> tuple[CurveBelief | None, CurveReceipt | None]:
    if spec.pruner.name != HISTORY:
        return None, None
    top = HistoryPruner(**spec.pruner.options).top
    return find_curves(HistoryStore(storage), spec, found, top, cache)


def _early(
    storage: Storage, found: FoundHistory, spec: StudySpec, cache: Cache
) -> EarlyRanks | None:
    if not seeks_first_rung(spec):
        return None
    return find_early_ranks(HistoryStore(storage), spec, found, cache)


def _priors(found: FoundHistory, spec: StudySpec, cache: Cache) -> tuple[Prior | None, ...]:
    by_metric: Sequence[Sequence[Source]] = [found.by_metric[m.name] for m in spec.metrics]
    if not any(by_metric) or not takes_prior(spec):
        return tuple(None for _ in by_metric)
    return make_priors(Encoding(spec.space), by_metric, cache)


def _shares(
    found: FoundHistory, priors: Sequence[Prior | None], spec: StudySpec, cache: Cache
) -> dict[str, dict[str, Any]]:
    """Return by metric each source's contribution, or why it has none; empty: none was used."""
    shares: dict[str, dict[str, Any]] = {}
    for metric, prior in zip(spec.metrics, priors, strict=True):
        sources = found.by_metric[metric.name]
        if prior is not None:
            told = [dict(vars(item)) for item in prior.contributions]
            shares[metric.name] = {"likeness": prior.likeness, "sources": told}
        elif sources and takes_prior(spec):
            told = [dict(vars(item)) for item in explain_none(sources, cache)]
            shares[metric.name] = {"sources": told}
        else:
            shares[metric.name] = {}
    return shares


def forget_others(cache: Cache, study_ids: Collection[int]) -> None:
    """Drop from a cache how the history maps to studies other than these.

    Args:
        cache: see `learn`.
        study_ids: of the studies that may still learn.
    """
    for key in list(cache):
        if key[0] == _MAPPED and key[1] not in study_ids:
            del cache[key]


class _Part(MutableMapping[Any, Any]):
    """The part of a cache whose keys share a prefix."""

    def __init__(self, cache: Cache, head: tuple[Any, ...]) -> None:
        self._cache = cache
        self._head = head

    @override
    def __getitem__(self, key: Any) -> Any:
        return self._cache[*self._head, key]

    @override
    def __setitem__(self, key: Any, value: Any) -> None:
        self._cache[*self._head, key] = value

    @override
    def __delitem__(self, key: Any) -> None:
        del self._cache[*self._head, key]

    @override
    def __iter__(self) -> Any:
        size = len(self._head)
        return (key[size] for key in list(self._cache) if key[:size] == self._head)

    @override
    def __len__(self) -> int:
        return sum(1 for _ in self)
