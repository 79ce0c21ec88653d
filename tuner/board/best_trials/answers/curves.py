"""Learning curves of some trials, with those of others in grey, from TensorBoard's memory."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug import wrappers

from tuner.board.best_trials.answers.requests import ProblemError, Query, answer
from tuner.board.best_trials.studies.foreign import Foreign, Series
from tuner.board.best_trials.table.model import Row, Table

#: Maximum number of chosen trials, of trials in grey, of points of a curve, and of tags listed.
MOST_CHOSEN, MOST_GREY, MOST_POINTS, MOST_TAGS = 50, 200, 500, 500
_OBJECTIVE = "objective"
#: Number of tags that are tried to find one with a curve.
_TRIED = 3


def curves_answer(query: Query, table: Table, foreign: Foreign) -> wrappers.Response:
    """Answer `curves?runs&trials&tag&points`.

    Args:
        query: `trials` are numbers, `runs` paths, both comma-separated; without either, only the
            grey curves are returned. `tag` is that of a curve; by default the metric's.
        foreign: reads TensorBoard's memory.

    Raises:
        ProblemError: there is no such trial.
    """
    points = query.whole("points", MOST_POINTS, 2, MOST_POINTS)
    grey = query.whole("grey", MOST_GREY, 0, MOST_GREY)
    wanted = query.text("tag", "", 2_000)
    chosen = _chosen(query, table)
    document = curves_document(table, chosen, foreign, points=points, grey=grey, wanted=wanted)
    return answer(query.request, document)


def curves_document(
    table: Table,
    chosen: Sequence[Row],
    foreign: Foreign,
    *,
    points: int = MOST_POINTS,
    grey: int = MOST_GREY,
    wanted: str = "",
) -> dict[str, Any]:
    """Return the curves of chosen trials, with those of others.

    Args:
        foreign: reads TensorBoard's memory.
        points: maximum number of points of a curve.
        grey: maximum number of other trials.
        wanted: the tag; by default that of the metric.
    """
    names = {row.run for row in chosen}
    others = _spread([row for row in table.rows if row.run not in names], grey)
    series = _series(table, [*chosen, *others], foreign)
    tags = _tags(table, series)
    # For PyTorch's `add_hparams`, the metric has a single point, and another tag has the curve.
    candidates = [wanted] if wanted else tags[:_TRIED]
    tag, found, curves = _first_curve(candidates, series, foreign, points)
    return {
        "study": table.study,
        "tags": tags[:MOST_TAGS],
        "tag": tag,
        "curves": [_curve(row, curves.get(found.get(row.run, _NONE)), points) for row in chosen],
        "grey": [
            _curve(row, curves[found[row.run]], points)
            for row in others
            if found.get(row.run, _NONE) in curves
        ],
    }


_NONE: Series = ("", "")


def _first_curve(
    tags: Sequence[str],
    series: Mapping[str, Mapping[str, Series]],
    foreign: Foreign,
    points: int,
) -> tuple[str | None, dict[str, Series], dict[Series, Any]]:
    """Return the first tag with more than one point, else the first; where its curves are; them."""
    first: tuple[str | None, dict[str, Series], dict[Series, Any]] = (None, {}, {})
    for tag in tags:
        found = {run: places[tag] for run, places in series.items() if tag in places}
        curves = foreign.read_curves(found.values(), points)
        if any(len(curve) > 1 for curve in curves.values()):
            return tag, found, curves
        if first[0] is None:
            first = tag, found, curves
    return first


def _chosen(query: Query, table: Table) -> list[Row]:
    """Return the chosen trials, in the order in which they are named."""
    by_run = {row.run: row for row in table.rows}
    by_number = {str(row.trial): row for row in table.rows if row.trial is not None}
    found: dict[str, Row] = {}
    for name, known in (("trials", by_number), ("runs", by_run)):
        whole = query.text(name)
        # A run's name may contain a comma.
        for one in [whole] if whole in known else query.words(name, MOST_CHOSEN):
            row = known.get(one) or by_run.get(one)
            if row is None:
                raise ProblemError(
                    f"{name}: there is no trial {one[:60]!r}",
                    parameter=name, value=one, status=404,
                )  # fmt: skip
            found[row.run] = row
    return list(found.values())


def _spread(rows: Sequence[Row], most: int) -> list[Row]:
    """Return some rows, evenly spaced from the best to the last."""
    if len(rows) <= most:
        return list(rows)
    return [rows[at * len(rows) // most] for at in range(most)]


def _series(table: Table, rows: Sequence[Row], foreign: Foreign) -> dict[str, Mapping[str, Series]]:
    """Return the places of the trials' curves, by run and name of the curve."""
    sessions = foreign.sessions
    known = {row.run: sessions[row.run].series for row in rows if row.run in sessions}
    unknown = [row.run for row in rows if row.run not in known]
    if table.source == "hparams" or not unknown:
        return known
    listed = foreign.list_tags(unknown)
    return known | {run: {tag: (run, tag) for tag in tags} for run, tags in listed.items()}


def _tags(table: Table, series: Mapping[str, Mapping[str, Series]]) -> list[str]:
    """Return the names of the curves: the metric's first, then those that most trials have."""
    counts: Counter[str] = Counter(name for places in series.values() for name in places)
    metrics = [metric.name for metric in table.metrics]

    def place(name: str) -> tuple[int, bool, int, str]:
        first = metrics.index(name) if name in metrics else len(metrics)
        # A single point per trial: the value that the trial was told with.
        return first, name == _OBJECTIVE, -counts[name], name

    return sorted(counts, key=place)


def _curve(row: Row, points: Sequence[Any] | None, most: int) -> dict[str, Any]:
    kept = _thinned(points or (), most)
    values = [float(point.value) for point in kept]
    return {
        "trial": row.trial,
        "run": row.run,
        "state": row.state,
        "steps": [int(point.step) for point in kept],
        "values": [value if math.isfinite(value) else None for value in values],
    }


def _thinned(points: Sequence[Any], most: int) -> Sequence[Any]:
    """Return at most `most` points, including the last one."""
    if len(points) <= most:
        return points
    return [points[(at + 1) * len(points) // most - 1] for at in range(most)]
