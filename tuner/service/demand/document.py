"""The document on how many workers could be used: by kind of worker, by study, and in total."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tuner.documents.demand import DemandKind, Present, Wanted, WorkerDemand
from tuner.service.demand.kinds import AbleWorker, Kind, Like
from tuner.service.demand.wanting import Want, counts_text

#: Maximum number of studies listed for a kind, those that want most first; sums cover all of them.
SHOWN = 100
#: Maximum number of studies named in the reason of a kind that wants no workers.
_NAMED = 2
_NO_STUDY = "no study is open"


@dataclass(frozen=True, kw_only=True)
class Wanting:
    """A study and what it wants."""

    project: str
    #: `project/name`.
    study: str
    want: Want


def demand_document(
    wanting: Mapping[Kind, Sequence[Wanting]],
    others: Iterable[Kind],
    workers: Sequence[AbleWorker],
    like: Like,
) -> WorkerDemand:
    """Return how many workers are wanted.

    Args:
        wanting: the open studies, by the kind that they need.
        others: further kinds to list.
        like: limits the answer to what such a worker could run.

    Returns:
        The document. A worker that may run trials of two kinds counts for both, but once in total.
    """
    kinds = {*wanting, *others}
    kinds |= {Kind(device=one.device, gpus=one.gpus, image=None) for one in workers}
    documents: list[DemandKind] = []
    able: set[AbleWorker] = set()
    for kind in sorted(filter(like.may_run, kinds), key=lambda kind: kind.order):
        studies = wanting.get(kind, ())
        takers = _takers(workers, kind, studies)
        documents.append(_of_kind(kind, studies, takers))
        able |= takers
    return {
        **_sums(
            item.want for kind, items in wanting.items() if like.may_run(kind) for item in items
        ),
        **_counted(able),
        "reason": _reason_of_all(documents),
        "kinds": documents,
    }


def _takers(
    workers: Sequence[AbleWorker], kind: Kind, studies: Sequence[Wanting]
) -> set[AbleWorker]:
    """Return the workers that may run some of a kind's studies, according to their tokens."""
    projects = frozenset(item.project for item in studies if item.want.workers)
    fitting = {worker for worker in workers if worker.fits(kind)}
    return {worker for worker in fitting if not projects or worker.serves(projects)}


def _of_kind(kind: Kind, studies: Sequence[Wanting], workers: set[AbleWorker]) -> DemandKind:
    ordered = sorted(studies, key=lambda item: (-item.want.workers, item.study))
    return {
        "device": kind.device,
        "gpus": kind.gpus,
        "image": kind.image,
        **_sums(item.want for item in ordered),
        **_counted(workers),
        "reason": _reason(ordered),
        "studies": [
            {"study": item.study, **_sums([item.want]), "reason": item.want.reason}
            for item in ordered[:SHOWN]
        ],
        "studies_left_out": max(0, len(ordered) - SHOWN),
    }


def _sums(wants: Iterable[Want]) -> Wanted:
    total = _total(wants)
    return {
        "workers_wanted": total.workers,
        "running": total.running,
        "queued": total.queued,
    }


def _counted(workers: set[AbleWorker]) -> Present:
    return {"workers": len(workers), "idle": sum(worker.is_idle for worker in workers)}


def _total(wants: Iterable[Want]) -> Want:
    total = Want()
    for want in wants:
        total = Want(
            running=total.running + want.running,
            queued=total.queued + want.queued,
            fresh=total.fresh + want.fresh,
        )
    return total


def _reason(studies: Sequence[Wanting]) -> str:
    """Return the reason for a kind's number; the studies are in descending order of demand."""
    wanting = [item for item in studies if item.want.workers]
    if not studies:
        return _NO_STUDY
    if len(wanting) == 1:
        return f"{wanting[0].study}: {wanting[0].want.reason}"
    if wanting:
        total = _total(item.want for item in wanting)
        text = counts_text(total.running, total.queued, total.fresh)
        return f"{len(wanting)} studies: {text}"
    named = "; ".join(f"{item.study}: {item.want.reason}" for item in studies[:_NAMED])
    more = len(studies) - _NAMED
    return named + (f"; and {more} more" if more > 0 else "")


def _reason_of_all(kinds: Sequence[DemandKind]) -> str:
    with_studies = [kind for kind in kinds if kind["studies"]]
    wanting = [kind for kind in with_studies if kind["workers_wanted"]] or with_studies
    return (
        "; ".join(kind["reason"] for kind in wanting[:_NAMED])
        + (f"; and {len(wanting) - _NAMED} kinds more" if len(wanting) > _NAMED else "")
        or _NO_STUDY
    )
