"""One earlier study, as a method gets it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.space import Params, SearchSpace


@dataclass(frozen=True, kw_only=True)
class SourceStudy:
    """The finished trials of a study; lower values are better, or are said to be."""

    name: str
    space: SearchSpace
    params: tuple[Params, ...]
    values: tuple[float, ...]


def winners(space: SearchSpace, history: Sequence[SourceStudy], seed: int) -> list[Params]:
    """Return the best configuration of each source that is valid in `space`, in random order."""
    best = [study.params[int(np.argmin(study.values))] for study in history]
    valid = {space.key(params): params for params in best if not space.problems(params)}
    order = np.random.default_rng(seed).permutation(len(valid))
    listed = list(valid.values())
    return [listed[int(index)] for index in order]
