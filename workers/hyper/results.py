"""What a hypermodel's `fit` may return: also a list, of which the mean counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from workers.objective.result import ResultError, read_result

#: Executions of one trial at most.
MAX_EXECUTIONS = 1000


def join_executions(returned: Any, metrics: Sequence[Mapping[str, str]]) -> Any:
    """Return the result of several executions as one: the mean of each metric.

    Args:
        returned: a list of results, as KerasTuner allows it; anything else comes back as it is.
        metrics: name and goal of each metric of the study.

    Raises:
        ResultError: nothing was returned, or an entry of the list is no result.
    """
    if returned is None:
        raise ResultError(
            "the hypermodel's fit returned None; expected a Keras History, a dict of metrics or a "
            "number: did you forget to return what model.fit returned?"
        )
    if not isinstance(returned, list):
        return returned
    if not 1 <= len(returned) <= MAX_EXECUTIONS:
        raise ResultError(
            f"the hypermodel's fit returned a list of {len(returned)} results; expected 1 to "
            f"{MAX_EXECUTIONS}"
        )
    seen: dict[str, list[float]] = defaultdict(list)
    for item in returned:
        result = read_result(join_executions(item, metrics), metrics)
        own = dict(zip((metric["name"] for metric in metrics), result.values, strict=True))
        for name, value in {**result.metrics, **own}.items():
            seen[name].append(value)
    return {name: fmean(values) for name, values in seen.items()}
