"""`Run` and what an objective may report and return, without any service."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.roots import Place
from workers import Run, TrialCancelled, TrialPreempted, TrialPruned, TrialStopped
from workers.objective.result import ResultError, read_result
from workers.objective.session import ReportedPoint, Session, Word

SCORE = [{"name": "score", "goal": "maximize"}]
TWO = [{"name": "score", "goal": "maximize"}, {"name": "size", "goal": "minimize"}]


class ScriptedLink:
    """A service that says the words it was given, one for each report."""

    def __init__(self, *words: Word) -> None:
        self.words = list(words)
        self.points: list[ReportedPoint] = []

    def report(self, point: ReportedPoint) -> None:
        self.points.append(point)

    def word(self) -> Word:
        if not self.points or not self.words:
            return "continue"
        return self.words[min(len(self.points), len(self.words)) - 1]


def make_run(tmp_path: Path, link: ScriptedLink) -> Run:
    return Run(
        params={"x": 1, "train.rate": 0.1},
        seed=7,
        trial=3,
        session=Session(link=link, metrics=SCORE, attempt_no=2),
        logdir=tmp_path / "logs",
        checkpoints=Place(tmp_path, "checkpoints"),
    )


def test_an_objective_runs_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    def train(run: Run) -> float:
        for step in (1, 2, 3):
            run.report(step, run.params["x"] * step, loss=0.1)
        (run.checkpoint_dir / "weights").write_text("w")
        (run.logdir / "note").write_text("n")
        return 1.5

    run = Run.local({"x": 2}, seed=4)
    folder = run.logdir

    assert train(run) == 1.5
    assert (run.seed, run.trial, run.attempt) == (4, 0, 1)
    assert capsys.readouterr() == ("", "")
    del run
    assert not folder.exists(), "temporary folders go with the run"


def test_importing_run_takes_the_standard_library_alone() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "import workers.objective.run\n"
        "from workers import Run\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "['tuner', 'workers']"


def test_an_unknown_parameter_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    run = make_run(tmp_path, ScriptedLink())

    with pytest.raises(KeyError, match=r"no parameter 'rate' in this trial; it has: train.rate, x"):
        run.params["rate"]
    assert run.params.get("rate") is None
    assert json.dumps(run.params) == '{"x": 1, "train.rate": 0.1}'


def test_the_checkpoint_folder_is_made_when_it_is_asked_for(tmp_path: Path) -> None:
    run = make_run(tmp_path, ScriptedLink())
    assert not (tmp_path / "checkpoints").exists()

    assert run.checkpoint_dir.is_dir()


def test_reports_carry_steps_values_and_metrics(tmp_path: Path) -> None:
    link = ScriptedLink()
    run = make_run(tmp_path, link)
    run.report(np.int64(1), np.float32(0.5), loss=np.array(2.0), n=Fraction(1, 4))
    run.report(5, math.nan)

    assert link.points[0] == ReportedPoint(step=1, value=0.5, metrics={"loss": 2.0, "n": 0.25})
    assert link.points[1].step == 5
    assert math.isnan(link.points[1].value)


@pytest.mark.parametrize(
    ("step", "value", "kind", "text"),
    [
        (0, 1.0, ValueError, "from 1, not 0"),
        (-3, 1.0, ValueError, "from 1, not -3"),
        (1.0, 1.0, TypeError, "whole number from 1, not 1.0"),
        (True, 1.0, TypeError, "not True"),
        (10_000_001, 1.0, ValueError, "from 1 to 10000000, not 10000001: it counts epochs"),
        (1_795_872_938, 1.0, ValueError, "neither a time nor an id"),
        (2**63, 1.0, ValueError, "neither a time nor an id"),
        pytest.param(
            10**5000,
            1.0,
            ValueError,
            "not a whole number of 16610 bits: it counts",
            id="5000 digits",
        ),
        ("1" * 5000, 1.0, TypeError, "must be a whole number"),
        (1, 10**400, TypeError, "more than a 64-bit float can hold"),
        (1, Decimal("1e400"), TypeError, "more than a 64-bit float can hold"),
        (1, Decimal("sNaN"), TypeError, "must be a number"),
        (1, 1 + 2j, TypeError, "must be a number"),
        (1, "0.5", TypeError, "must be a number, not '0.5'"),
        (1, None, TypeError, "must be a number, not None"),
        (1, True, TypeError, "must be a number, not True"),
        (1, [0.5], TypeError, "must be a number"),
        (1, np.array([0.5]), TypeError, "must be a number"),
    ],
)
def test_a_wrong_report_says_what_is_wrong(
    tmp_path: Path, step: Any, value: Any, kind: type[Exception], text: str
) -> None:
    run = make_run(tmp_path, ScriptedLink())

    with pytest.raises(kind, match=text):
        run.report(step, value)


def test_steps_only_grow(tmp_path: Path) -> None:
    run = make_run(tmp_path, ScriptedLink())
    run.report(2, 1.0)

    with pytest.raises(ValueError, match="step 2 does not come after step 2"):
        run.report(2, 1.0)


def test_a_metric_that_is_no_number_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path, ScriptedLink())

    with pytest.raises(TypeError, match="metric 'note' must be a number, not 'x'"):
        run.report(1, 1.0, note="x")


@pytest.mark.parametrize(
    ("word", "kind"),
    [("prune", TrialPruned), ("cancel", TrialCancelled), ("preempt", TrialPreempted)],
)
def test_an_order_is_raised_by_the_report_that_brings_it_and_by_every_later_one(
    tmp_path: Path, word: Word, kind: type[TrialStopped]
) -> None:
    link = ScriptedLink("continue", word)
    run = make_run(tmp_path, link)
    run.report(1, 1.0)
    for step in (2, 3):
        with pytest.raises(kind):
            run.report(step, 1.0)

    assert len(link.points) == 2, "nothing is sent after the order"
    assert run.session.obeyed == word


class History:
    """What Keras' History looks like to us."""

    def __init__(self, **history: list[Any]) -> None:
        self.history = history
        self.epoch = list(range(len(next(iter(history.values()), []))))


@pytest.mark.parametrize(
    ("returned", "metrics", "values"),
    [
        (0.5, SCORE, [0.5]),
        (3, SCORE, [3.0]),
        (np.float32(0.25), SCORE, [0.25]),
        (np.int64(4), SCORE, [4.0]),
        (np.array(0.75), SCORE, [0.75]),
        (Fraction(1, 2), SCORE, [0.5]),
        (Decimal("0.5"), SCORE, [0.5]),
        (2**53 + 1, SCORE, [float(2**53)]),
        ({"score": np.float64(1), "note": "text", "loss": 2}, SCORE, [1.0]),
        ({"size": 2, "score": 1}, TWO, [1.0, 2.0]),
        ((1, 2.0), TWO, [1.0, 2.0]),
        (History(score=[0.1, 0.9, 0.3], loss=[3, 2, 1]), SCORE, [0.9]),
        (History(score=[0.1, math.nan], loss=[3, math.nan]), SCORE, [0.1]),
        (History(score=[0.1, 0.9], size=[5, 7]), TWO, [0.9, 7.0]),
        (History(score=[3.0, 1.0, 2.0]), [{"name": "score", "goal": "minimize"}], [1.0]),
    ],
)
def test_a_result_is_read_as_the_metrics_values(
    returned: Any, metrics: list[dict[str, str]], values: list[float]
) -> None:
    assert read_result(returned, metrics).values == values


def test_a_history_gives_all_metrics_of_its_best_epoch() -> None:
    result = read_result(History(score=[0.1, 0.9, 0.3], loss=[3, 2, 1]), SCORE)

    assert result.metrics == {"score": 0.9, "loss": 2.0}


@pytest.mark.parametrize(
    ("returned", "metrics", "text"),
    [
        (None, SCORE, "returned None; expected a number, a dict with the key 'score', or a Keras"),
        ("0.5", SCORE, "returned '0.5' (str)"),
        (True, SCORE, "returned True (bool)"),
        (np.bool_(True), SCORE, "bool"),
        ([0.5], SCORE, "returned [0.5] (list)"),
        ((0.5,), SCORE, "(tuple)"),
        (np.array([1.0, 2.0]), SCORE, "(ndarray)"),
        (1 + 2j, SCORE, "(complex)"),
        ({"accuracy": 1}, SCORE, "without the metric 'score'; its keys: accuracy"),
        ({}, SCORE, "its keys: none"),
        ({"score": "high"}, SCORE, "metric 'score' must be a number, not 'high' (str)"),
        ({"score": None}, SCORE, "must be a number, not None"),
        (History(accuracy=[1.0]), SCORE, "no metric 'score'; it has: accuracy"),
        (0.5, TWO, "expected a dict with the keys 'score', 'size', a tuple in that order"),
        ((0.5,), TWO, "expected a dict"),
        ((0.5, None), TWO, "expected a dict"),
    ],
)
def test_anything_else_is_refused_with_what_was_seen(
    returned: Any, metrics: list[dict[str, str]], text: str
) -> None:
    with pytest.raises(ResultError) as caught:
        read_result(returned, metrics)

    assert text in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_a_problem_and_no_score(value: float) -> None:
    result = read_result({"score": value}, SCORE)

    assert result.problem(SCORE) == f"the objective diverged: score is {value}"
    assert read_result(1.0, SCORE).problem(SCORE) is None
