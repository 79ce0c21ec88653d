"""What the curves of the studies that inform a study say about its trials, and which these are."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tuner.curves.belief import CurveBelief
from tuner.curves.population import make_population
from tuner.curves.runs import CurveRun
from tuner.curves.table import StudyTable, make_table, merge
from tuner.errors import StudyError
from tuner.history.choosing.candidates import SAME_DATA
from tuner.history.choosing.finding import FoundHistory
from tuner.history.choosing.receipt import SourceReceipt
from tuner.history.learning_curves.curves import StudyCurves, read_study
from tuner.history.store.database import HistoryStore
from tuner.spec.model import StudySpec
from tuner.spec.parts import Metric

#: Maximum number of studies whose curves are read for one study: more hardly change the mean.
MAX_STUDIES = 100
#: The share with which outcomes are compared.
HALF = 0.5

#: What was read from earlier studies, by everything that it depends on.
Cache = MutableMapping[Any, Any]


@dataclass(frozen=True, kw_only=True)
class CurveReceipt:
    """What the pruner learned from.

    Attributes:
        key: the key of the curve prior; None: history has no usable curves.
        summary: in a sentence.
        used: key, number of trials, how many of them ran to their end, and whether of the same
            data.
        left_out: why others were not used, by key.
    """

    key: str | None
    summary: str
    used: tuple[dict[str, Any], ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**asdict(self), "used": list(self.used)}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Read:
    """One study, as read; its runs are kept while they are peers."""

    table: StudyTable
    half: StudyTable
    runs: tuple[CurveRun, ...]
    trials: int
    whole: int
    longest: float


def find_curves(
    store: HistoryStore, spec: StudySpec, found: FoundHistory, top: float, cache: Cache
) -> tuple[CurveBelief | None, CurveReceipt]:
    """Return the curve prior from history, and a receipt.

    The studies are those that inform the sampler: what the spec excludes is excluded here as well,
    and a weight in the spec applies here, too.

    Args:
        spec: spec of the study that learns; its first metric counts.
        found: the result of `find` for it.
        top: the share of a study's trials that counts as good.
        cache: from earlier calls, for all studies; it is added to.
    """
    metric = spec.metrics[0]
    receipts = [r for r in found.receipts if r.metric == metric.name and not r.left_out]
    receipts.sort(key=lambda r: (not r.listed, not r.same_data, -(r.finished or 0.0), r.key))
    used: list[tuple[SourceReceipt, _Read]] = []
    left_out: dict[str, str] = {}
    for receipt in receipts:
        if len(used) == MAX_STUDIES:
            left_out[receipt.key] = f"beyond the {MAX_STUDIES} studies whose curves are read"
            continue
        read = _look(store, metric, receipt, found.versions[receipt.key], top, cache)
        if isinstance(read, str):
            left_out[receipt.key] = read
        else:
            used.append((receipt, read))
    belief = _believe(used, top) if used else None
    return belief, _receipt(belief, used, left_out, asked=bool(spec.history))


def _look(
    store: HistoryStore,
    metric: Metric,
    receipt: SourceReceipt,
    version: str,
    top: float,
    cache: Cache,
) -> _Read | str:
    there = receipt.metric_there or metric.name
    key = (receipt.key, version, there, metric.goal, top, receipt.same_data)
    if key not in cache:
        try:
            curves = read_study(store.load(receipt.key), there, metric.goal)
        except StudyError as exc:
            return f"cannot be read: {exc}"
        read = curves if isinstance(curves, str) else _read(curves, top, receipt)
        cache[key] = read
        return read
    found: _Read | str = cache[key]
    return found


def _read(curves: StudyCurves, top: float, receipt: SourceReceipt) -> _Read | str:
    trials = len(curves.runs)
    if curves.whole < max(top, HALF) * trials:
        # If most trials were stopped before, it is unknown which were the best half.
        return f"only {curves.whole} of {trials} trials with curves ran to their end"
    table = make_table(curves.runs, curves.final, top)
    return _Read(
        table=table,
        half=table if top == HALF else make_table(curves.runs, curves.final, HALF),
        runs=curves.runs if receipt.same_data else (),
        trials=trials,
        whole=curves.whole,
        longest=curves.longest,
    )


def _believe(used: Sequence[tuple[SourceReceipt, _Read]], top: float) -> CurveBelief:
    weights = [r.weight / (SAME_DATA if r.same_data else 1.0) for r, _ in used]
    peers = [run for _, read in used for run in read.runs]
    same_code = [read.longest for receipt, read in used if receipt.same_code]
    return CurveBelief(
        top=top,
        chance=merge([read.table for _, read in used], weights, top),
        half=merge([read.half for _, read in used], weights, HALF),
        population=make_population(peers) if peers else None,
        studies=len(used),
        trials=sum(read.trials for _, read in used),
        horizon=max(same_code, default=None),
    )


def _receipt(
    belief: CurveBelief | None,
    used: Sequence[tuple[SourceReceipt, _Read]],
    left_out: dict[str, str],
    *,
    asked: bool,
) -> CurveReceipt:
    if belief is None:
        return CurveReceipt(key=None, summary=_nothing(left_out, asked=asked), left_out=left_out)
    same = sum(receipt.same_data for receipt, _ in used)
    studies = f"{len(used)} {'study' if len(used) == 1 else 'studies'}"
    beside = f", {same} of them on the same data" if same else ""
    return CurveReceipt(
        key=belief.key,
        summary=f"the curves of {belief.trials} trials of {studies}{beside} inform pruning",
        used=tuple(
            {
                "key": receipt.key,
                "trials": read.trials,
                "whole": read.whole,
                "same_data": receipt.same_data,
            }
            for receipt, read in used
        ),
        left_out=left_out,
    )


def _nothing(left_out: dict[str, str], *, asked: bool) -> str:
    if not asked:
        return "prunes nothing: history is none"
    if not left_out:
        return "prunes nothing: no earlier study informs this one"
    reasons = sorted(set(left_out.values()))
    more = f" (and {len(reasons) - 1} more reasons)" if len(reasons) > 1 else ""
    return f"prunes nothing: no earlier study has curves that tell enough: {reasons[0]}{more}"
