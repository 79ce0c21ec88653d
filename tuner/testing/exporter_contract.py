"""The contract of every exporter, as a class of tests to inherit."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tuner.errors import SetupError
from tuner.exporters.formats import ExportedStudy, ExportedTrial, export_study
from tuner.testing.contracts import SPACE
from tuner.testing.service import HeldAttempt, service

_TRIALS = 8
_STEPS = 4


class ExporterContract:
    """The contract of an exporter. Subclass it and define the name and `count`."""

    #: The name in `tuner export`.
    name: ClassVar[str]

    def count(self, path: Path) -> int:
        """Return the number of trials in the output."""
        raise NotImplementedError

    def test_every_trial_that_has_ended_is_written(self) -> None:
        """Complete, pruned and failed trials are included; a running one is not."""
        spec = {
            "project": "contract",
            "study": "export",
            "objective": "contract:train",
            "metric": {"name": "score", "goal": "maximize"},
            "search_space": SPACE,
            "sampler": {"name": "random", "seed": 1},
            "pruner": {"name": "median", "startup_trials": 2, "warmup_steps": 1},
            "budget": {"trials": _TRIALS},
            "history": "none",
        }
        with tempfile.TemporaryDirectory() as folder, service() as here:
            study = here.submit(spec)
            for number in range(_TRIALS - 1):
                held = here.claim()
                assert held is not None
                _end(held, number)
            assert here.claim() is not None
            path = Path(folder, "made")
            here.export(study, self.name, path)

            assert self.count(path) == _TRIALS - 1

    def test_the_same_study_gives_the_same_bytes(self) -> None:
        """The output depends on the study alone."""
        with tempfile.TemporaryDirectory() as folder:
            first, second = Path(folder, "one", "made"), Path(folder, "two", "made")
            for path in (first, second):
                path.parent.mkdir()
                export_study(self.name, _odd_study(), path)

            assert _content(first) == _content(second)

    def test_odd_texts_and_numbers_are_written(self) -> None:
        """NaN in a curve, formulas, new lines, slashes and half a character break nothing."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "made")
            study = _odd_study()
            export_study(self.name, study, path)

            assert self.count(path) == len(list(study.trials))
            assert {one.name for one in Path(folder).iterdir()} == {"made"}

    def test_a_study_without_trials_is_written(self) -> None:
        """The result is an empty table, not an error."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "made")
            export_study(self.name, _study([]), path)

            assert self.count(path) == 0

    def test_what_is_there_is_not_replaced(self) -> None:
        """A second export to the same path is refused, and the first one stays."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "made")
            export_study(self.name, _odd_study(), path)
            before = _content(path)
            said = ""
            try:
                export_study(self.name, _study([]), path)
            except SetupError as exc:
                said = str(exc)

            assert str(path) in said
            assert _content(path) == before


def _end(held: HeldAttempt, number: int) -> None:
    if number % 4 == 1:
        held.fail("timeout", "it took too long")
        return
    for step in range(1, _STEPS + 1):
        if held.report(step, -number * step) == "prune":
            held.prune()
            return
    held.complete(-number * _STEPS, loss=float(number))


def _odd_study() -> ExportedStudy:
    curve = [(1, math.nan), (2, 0.5), (3, math.inf), (7, 0.75)]
    texts = ("=1+1", 'a "b", c\nd', "../../x", "\ud800", "é" * 300, "")
    odd = [
        ExportedTrial(
            number=number,
            state="complete",
            objective=0.5,
            params={"model.name": text, "n": number, "is_deep": True, "x": 1e-300},
            metrics={"score": 0.5, "val/loss": 1.5, "a b%:c": -0.0},
            curve=curve,
            started=1.7e9,
            finished=1.7e9 + 5,
            duration_s=5.0,
            run_dir="p/s/trial_00000",
        )
        for number, text in enumerate(texts)
    ]
    bare = ExportedTrial(number=99, state="fail", cause="lost", params={}, metrics={})
    return _study([*odd, bare])


def _study(trials: Sequence[ExportedTrial]) -> ExportedStudy:
    return ExportedStudy(
        name="contract/odd",
        state="finished",
        created=1.7e9,
        goals={"score": "maximize"},
        spec={"project": "contract", "study": "odd"},
        parameters=list(dict.fromkeys(name for trial in trials for name in trial.params)),
        metrics=["score", "val/loss", "a b%:c"],
        trials=trials,
    )


def _content(path: Path) -> dict[str, bytes]:
    """Return the content of every file, by name."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {str(file.relative_to(path.parent)): file.read_bytes() for file in files}
