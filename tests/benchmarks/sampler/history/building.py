"""Which history a target task gets: `related:8x50` is 8 studies of 50 trials each.

The target itself never is a source (leave one task out). Which tasks are, and how their studies
went, depends on the target and the seed alone, so every method of a seed gets the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from tests.benchmarks.sampler.history import misleading
from tests.benchmarks.sampler.history.source_study import SourceStudy
from tests.benchmarks.sampler.tasks.task import Task, sample
from tuner.space import Params

_STUDIES, _TRIALS = 8, 50
#: How many good studies stand beside a single bad one.
_GOOD = 8


class HistoryError(ValueError):
    """A history that cannot be had."""


@dataclass(frozen=True, kw_only=True)
class HistorySpec:
    """What kind of history, and how much."""

    kind: str = "none"
    studies: int = _STUDIES
    trials: int = _TRIALS

    @classmethod
    def parse(cls, text: str) -> HistorySpec:
        """Read `none`, `related`, `related:2`, `inverted:8x50` and the like.

        Raises:
            HistoryError: it is none of them.
        """
        match = re.fullmatch(r"([a-z-]+)(?::(\d+)(?:x(\d+))?)?", text)
        if match is None or match[1] not in ("none", *KINDS):
            raise HistoryError(f"history {text!r}: KIND[:STUDIESxTRIALS], KIND of none, {_kinds()}")
        return cls(
            kind=match[1], studies=int(match[2] or _STUDIES), trials=int(match[3] or _TRIALS)
        )

    def __str__(self) -> str:
        if self.kind == "none":
            return "none"
        return f"{self.kind}:{self.studies}x{self.trials}"


class StudyMaker:
    """Makes the earlier studies of tasks, and keeps them in a folder: they are asked for again."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._kept: dict[str, SourceStudy] = {}

    def tuned(
        self, task: Task, trials: int, seed: int, *, towards_worst: bool = False
    ) -> SourceStudy:
        """Return a study by a tuner without history; `towards_worst`: of one that maximised."""
        if task.pool is not None:
            return self._flip(self.random(task, trials, seed), towards_worst=towards_worst)
        how = "worst" if towards_worst else "tuned"
        return self._study(task, trials, seed, how)

    def random(self, task: Task, trials: int, seed: int) -> SourceStudy:
        """Return a study of random configurations."""
        return self._study(task, trials, seed, "random")

    @staticmethod
    def _flip(study: SourceStudy, *, towards_worst: bool) -> SourceStudy:
        return misleading.inverted(study) if towards_worst else study

    def _study(self, task: Task, trials: int, seed: int, how: str) -> SourceStudy:
        key = f"{task.key}-{how}-{trials}-{seed}".replace("/", "-")
        if key not in self._kept:
            self._kept[key] = self._load(task, key) or self._make(task, trials, seed, how, key)
        return self._kept[key]

    def _load(self, task: Task, key: str) -> SourceStudy | None:
        path = None if self._folder is None else self._folder / f"{key}.json"
        if path is None or not path.is_file():
            return None
        data = json.loads(path.read_text())
        return SourceStudy(
            name=task.key,
            space=task.space,
            params=tuple(data["params"]),
            values=tuple(data["values"]),
        )

    def _make(self, task: Task, trials: int, seed: int, how: str, key: str) -> SourceStudy:
        source_seed = crc32(key.encode())
        sign = -1.0 if how == "worst" else 1.0
        rng = np.random.default_rng(source_seed)
        if how == "random":
            params = _random(task, trials, rng)
        else:
            params = _by_tuner(task, trials, source_seed, sign)
        values = tuple(sign * task.evaluate(item) for item in params)
        study = SourceStudy(name=task.key, space=task.space, params=tuple(params), values=values)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            part = self._folder / f"{key}.part"
            part.write_text(json.dumps({"params": params, "values": values}))
            part.rename(self._folder / f"{key}.json")
        return study


def _random(task: Task, trials: int, rng: np.random.Generator) -> list[Params]:
    if task.pool is not None:
        rows = rng.permutation(len(task.pool))[:trials]
        return [task.pool[int(row)] for row in rows]
    return [sample(task.space, rng) for _ in range(trials)]


def _by_tuner(task: Task, trials: int, seed: int, sign: float) -> list[Params]:
    from tests.benchmarks.sampler.methods.method import Problem
    from tests.benchmarks.sampler.methods.optuna_samplers import tpe

    method = tpe(Problem(space=task.space, seed=seed, trials=trials))
    made = []
    for _ in range(trials):
        ticket, params = method.ask()
        method.tell(ticket, sign * task.evaluate(params))
        made.append(params)
    return made


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What is wanted: for which target, from which sources."""

    target: Task
    sources: tuple[Task, ...]
    spec: HistorySpec
    seed: int
    maker: StudyMaker

    def related(self, studies: int | None = None) -> list[SourceStudy]:
        chosen = self.sources[: self.spec.studies if studies is None else studies]
        return [self.maker.tuned(task, self.spec.trials, self.seed) for task in chosen]

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng([crc32(self.target.key.encode()), self.seed, 7])


def _related(order: _Order) -> list[SourceStudy]:
    return order.related()


def _random_studies(order: _Order) -> list[SourceStudy]:
    chosen = order.sources[: order.spec.studies]
    return [order.maker.random(task, order.spec.trials, order.seed) for task in chosen]


def _inverted(order: _Order) -> list[SourceStudy]:
    return [misleading.inverted(study) for study in order.related()]


def _direction(order: _Order) -> list[SourceStudy]:
    chosen = order.sources[: order.spec.studies]
    return [
        order.maker.tuned(task, order.spec.trials, order.seed, towards_worst=True)
        for task in chosen
    ]


def _noise(order: _Order) -> list[SourceStudy]:
    rng = order.rng
    return [misleading.permuted(study, rng) for study in order.related()]


def _unrelated(order: _Order) -> list[SourceStudy]:
    rng = order.rng
    centre = misleading.bad_place(order.target, rng)
    return [misleading.bowl(study, centre, rng) for study in _random_studies(order)]


def _family(order: _Order) -> list[SourceStudy]:
    """Return studies that sought the best of quite other tasks under the same names."""
    tasks = [
        misleading.stranger(order.target, order.rng, index) for index in range(order.spec.studies)
    ]
    return [order.maker.tuned(task, order.spec.trials, order.seed) for task in tasks]


def _team(order: _Order) -> list[SourceStudy]:
    """Return related studies in other ranges, which recorded neither all parameters nor all alike.

    One parameter of three is missing everywhere at most, one more under another name in every
    second study; half of them are always left.
    """
    rng = order.rng
    names = [str(name) for name in rng.permutation(list(order.target.space.names))]
    lost = names[: min(2, len(names) // 3)]
    spare = [name for name in names if name not in lost][: len(names) // 2 - len(lost)][:1]
    return [
        misleading.forgotten(
            order.maker.tuned(misleading.narrowed(task, rng), order.spec.trials, order.seed),
            [*lost, *(spare if index % 2 else [])],
        )
        for index, task in enumerate(order.sources[: order.spec.studies])
    ]


def _unit(order: _Order) -> list[SourceStudy]:
    rng = order.rng
    name = misleading.numeric_parameter(order.target.space, rng)
    return [misleading.wrong_unit(study, name) for study in order.related()]


def _copied(order: _Order) -> list[SourceStudy]:
    """Return 3 good studies, and one that was inverted, which was imported again and again."""
    *good, bad = order.related(4)
    wrong = misleading.inverted(bad)
    return [*good, *misleading.copies(wrong, order.spec.studies)]


def _huge(order: _Order) -> list[SourceStudy]:
    """Return good studies beside one of 40 times their size that sought the worst."""
    *good, task = order.sources[: min(_GOOD, len(order.sources) - 1) + 1]
    bad = misleading.inverted(order.maker.random(task, 40 * order.spec.trials, order.seed))
    return [*(order.maker.tuned(item, order.spec.trials, order.seed) for item in good), bad]


#: To add one: a function here and a line. All but the first three are to mislead.
KINDS: Mapping[str, Callable[[_Order], list[SourceStudy]]] = {
    "related": _related,
    "related-random": _random_studies,
    "team": _team,
    "inverted": _inverted,
    "direction": _direction,
    "noise": _noise,
    "unrelated": _unrelated,
    "unit": _unit,
    "copied": _copied,
    "huge": _huge,
    "family": _family,
}
MISLEADING = tuple(KINDS)[3:]


def _kinds() -> str:
    return ", ".join(KINDS)


def build_history(
    target: Task, family: Sequence[Task], spec: HistorySpec, seed: int, maker: StudyMaker
) -> tuple[SourceStudy, ...]:
    """Return the history of one run; empty for `none`.

    Args:
        target: the task that will be tuned; not among the sources.
        family: the tasks that may be sources, in a fixed order.
        spec: what history.
        seed: of the run.
        maker: makes the studies, or has them.

    Raises:
        HistoryError: the family has too few other tasks.
    """
    if spec.kind == "none":
        return ()
    others = [task for task in family if task.name != target.name]
    needed = 2 if spec.kind in ("copied", "huge") else min(spec.studies, 8)
    if len(others) < min(needed, 2):
        raise HistoryError(f"{target.key}: {len(others)} other tasks in its family, too few")
    rng = np.random.default_rng([crc32(target.key.encode()), seed])
    shuffled = tuple(others[int(index)] for index in rng.permutation(len(others)))
    order = _Order(target=target, sources=shuffled, spec=spec, seed=seed, maker=maker)
    return tuple(KINDS[spec.kind](order))
