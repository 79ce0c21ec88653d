"""An earlier study in the columns of this one: which trials count, their positions, and the rest.

Every trial is either used, or dropped for exactly one reason. Values outside this study's ranges
are kept, as positions outside [0, 1]; a parameter that was not recorded stays unknown (NaN).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tuner.history.matching.metric import MetricMatch, match_metric
from tuner.history.matching.naming import Renames
from tuner.history.matching.outcomes import Outcomes, make_rows, read_outcomes, without_misleading
from tuner.history.matching.parameters import PlacedTable, tabulate
from tuner.history.matching.placing import Flags, is_far
from tuner.history.store.records import Goal, HistoricStudy
from tuner.space.encoding import Encoding
from tuner.surrogate.columns import Floats
from tuner.surrogate.history.foretelling import correlations
from tuner.surrogate.history.source import Source

#: Maximum number of trials used of one study: more change neither rankings nor models.
MAX_TRIALS = 4000
#: Number of the best of them that are always used.
_BEST = 256


@dataclass(frozen=True, kw_only=True)
class MapOptions:
    """How to map a study.

    Attributes:
        weight: above 0; the weight of the source compared with others.
        renames: names there to names here; None: it is none of them.
        min_trials: minimum number of trials with a value for a source.
        min_share: minimum share of this study's tuned parameters that must be known there, in [0,
            1].
        takes_unnamed: whether a metric without name and goal counts as this study's.
    """

    weight: float = 1.0
    renames: Renames = field(default_factory=dict)
    min_trials: int = 10
    min_share: float = 0.5
    takes_unnamed: bool = False


#: Requirements for a study that the user lists.
LISTED = MapOptions(min_trials=3, min_share=0.0, takes_unnamed=True)


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """The result of mapping a study.

    Attributes:
        source: None if the study is left out.
        left_out: why, in words; empty if there is a source.
        found: number of the study's trials.
        used: number of trials in the source; found = used + the sum of `dropped`.
        dropped: trials by reason, keys of `tuner.history.matching.outcomes.REASONS`, or "left-out"
            if the whole study is.
        metric: its name there and what to know about it; None: it has none.
        notes: by parameter (this study's, and unmatched ones there).
    """

    source: Source | None = None
    left_out: str = ""
    found: int
    used: int = 0
    dropped: Mapping[str, int]
    metric: MetricMatch | None = None
    notes: Mapping[str, str] = field(default_factory=dict)


def map_study(
    study: HistoricStudy,
    encoding: Encoding,
    metric: str,
    goal: Goal,
    options: MapOptions | None = None,
) -> Mapped:
    """Return an earlier study as a source for one metric of this study.

    Args:
        study: including the curves of its trials if some were pruned.
        encoding: the encoding of this study's space.
        metric: name of this study's metric.
        goal: its goal; the values of the source are oriented so that smaller is better.
    """
    chosen = options or MapOptions()
    match = match_metric(
        study.metrics, metric, goal, chosen.renames, takes_unnamed=chosen.takes_unnamed
    )
    if isinstance(match, str):
        return _left_out(match, len(study.trials), {})
    outcomes = read_outcomes(study.trials, match.name)
    if not outcomes.trials or not encoding.names:
        reason = "no usable trials" if encoding.names else "nothing is tuned here"
        return _left_out(reason, len(study.trials), outcomes.dropped, metric=match)
    outcomes = without_misleading(outcomes, goal)
    outcomes = outcomes.keep(_thin(outcomes, goal), "limit")
    table = tabulate(study, outcomes.trials, encoding, chosen.renames)
    kept = _keep(table, outcomes, encoding)
    return _make(study, kept, table, encoding, match, chosen, goal)


def _make(
    study: HistoricStudy,
    kept: tuple[Outcomes, Flags],
    table: PlacedTable,
    encoding: Encoding,
    match: MetricMatch,
    options: MapOptions,
    goal: Goal,
) -> Mapped:
    outcomes, chosen = kept
    reason = _refusal(outcomes, table, encoding, options)
    if reason:
        return _left_out(
            reason, len(study.trials), outcomes.dropped, metric=match, notes=table.notes
        )
    rows = make_rows(outcomes)
    sign = -1.0 if goal == "maximize" else 1.0
    source = Source(
        name=study.key,
        x=table.x[chosen][rows.trials],
        y=sign * np.array(rows.values, dtype=np.float64),
        rung=np.array(rows.rungs, dtype=np.int64),
        weight=options.weight,
        foretold=_foretold(outcomes),
    )
    return Mapped(
        source=source,
        found=len(study.trials),
        used=len(outcomes.trials),
        dropped=dict(outcomes.dropped),
        metric=match,
        notes=table.notes,
    )


def _foretold(outcomes: Outcomes) -> Floats | None:
    """Return how well the curves of the trials that ran to their end predict the end."""
    whole = [i for i, trial in enumerate(outcomes.trials) if trial.state == "complete"]
    stopped = sum(trial.state == "pruned" for trial in outcomes.trials)
    if stopped > len(whole):
        # The survivors are similar: among them little predicts anything.
        return None
    curves = [{float(step): value for step, value in outcomes.curves[i]} for i in whole]
    return correlations(curves, [outcomes.values[i] for i in whole])


def _left_out(
    reason: str,
    found: int,
    dropped: Mapping[str, int],
    *,
    metric: MetricMatch | None = None,
    notes: Mapping[str, str] | None = None,
) -> Mapped:
    rest = found - sum(dropped.values())
    counts = {**dropped, "left-out": rest} if rest else dict(dropped)
    return Mapped(
        left_out=reason, found=found, dropped=counts, metric=metric, notes=dict(notes or {})
    )


def _thin(outcomes: Outcomes, goal: Goal) -> list[int]:
    """Return which trials to use if there are too many: the best, and an even selection."""
    count = len(outcomes.trials)
    if count <= MAX_TRIALS:
        return list(range(count))
    values = np.array(
        [
            curve[-1][1] if math.isnan(value) and curve and trial.state == "pruned" else value
            for trial, value, curve in zip(
                outcomes.trials, outcomes.values, outcomes.curves, strict=True
            )
        ]
    )
    # Best first, infeasible ones last: an even selection then preserves the distribution.
    order = np.argsort(-values if goal == "maximize" else values, kind="stable")
    even = np.linspace(_BEST, count - 1, MAX_TRIALS - _BEST).astype(int)
    return sorted(int(i) for i in order[np.concatenate([np.arange(_BEST), even])])


def _keep(table: PlacedTable, outcomes: Outcomes, encoding: Encoding) -> tuple[Outcomes, Flags]:
    """Return the trials that are informative for this study's ranges, and their rows."""
    counted = max(int(table.known.sum()), 1)
    full = table.covered[:, table.known].sum(axis=1) * 2 >= counted
    on_scale = np.array([kind != "choice" for kind in encoding.columns.kinds], dtype=bool)
    near = ~(is_far(table.x) & on_scale).any(axis=1)
    kept = outcomes.keep(np.flatnonzero(full).tolist(), "few-parameters")
    kept = kept.keep(np.flatnonzero(near[full]).tolist(), "far")
    return kept, full & near


def _refusal(
    outcomes: Outcomes, table: PlacedTable, encoding: Encoding, options: MapOptions
) -> str:
    """Return why the study is left out, empty if it is not."""
    total = len(encoding)
    known = int(table.known.sum())
    if not known or known < options.min_share * total:
        return f"{known} of the {total} tuned parameters known"
    with_value = sum(
        trial.state == "pruned" or not math.isnan(value)
        for trial, value in zip(outcomes.trials, outcomes.values, strict=True)
    )
    # Trials that were stopped too early to predict the end still count for the study's size.
    if with_value + outcomes.dropped["early"] < options.min_trials:
        least = f"at least {options.min_trials} needed"
        return f"{with_value} usable trials, {least}"
    return ""
