"""The value that `submit --watch` requires for exit code 0, and the codes of all other ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from tuner.cli.calling import command
from tuner.cli.exit_codes import DONE, FAILED, NO_RESULT, TIME_UP
from tuner.cli.render.output import duration
from tuner.errors import SpecError

if TYPE_CHECKING:
    from tuner.documents.document import JsonObject
    from tuner.documents.study import StudyStatus

Outcome = Literal["finished", "reached", "not_reached", "failed", "timeout"]

UNDER, OVER = "--fail-under", "--fail-over"


@dataclass(frozen=True, kw_only=True)
class QualityGate:
    """A value that the best objective of a study must be as good as.

    Attributes:
        value: finite.
        metric: its name.
        is_larger_better: the goal of the study.
        remark: a note if an option was understood as the other one, otherwise empty.
    """

    value: float
    metric: str
    is_larger_better: bool
    remark: str = ""

    @classmethod
    def chosen(
        cls, under: float | None, over: float | None, metrics: Sequence[tuple[str, str]]
    ) -> Self | None:
        """Return the gate for options and study; None: neither option was given.

        `--fail-under` is older than `--fail-over` and meant both directions; for a study that
        minimizes it still does.

        Args:
            under: value of `--fail-under`.
            over: value of `--fail-over`.
            metrics: name and goal (`maximize` or `minimize`) of each metric of the study.

        Raises:
            SpecError: the options do not fit the study; the text names the one that does.
        """
        value = over if under is None else under
        if value is None:
            return None
        option = OVER if under is None else UNDER
        if under is not None and over is not None:
            raise SpecError(
                f"{UNDER} and {OVER}: give one of them; {UNDER} where the study maximizes, {OVER} "
                f"where it minimizes"
            )
        if not math.isfinite(value):
            raise SpecError(f"{option} {value}: not a number that an objective can be compared to")
        if len(metrics) != 1:
            raise SpecError(f"{option}: the study has several metrics and so no single best")
        metric, goal = metrics[0]
        if goal == "minimize":
            gate = cls(value=value, metric=metric, is_larger_better=False)
            return gate if under is None else gate._with_remark()
        if over is not None:
            raise SpecError(
                f"{OVER} {value:g}: the study maximizes {metric}, so a larger value is a better "
                f"one; say the least that is good enough with {UNDER} {value:g}"
            )
        return cls(value=value, metric=metric, is_larger_better=True)

    def is_reached(self, best: float) -> bool:
        """Whether a best objective is good enough."""
        return best >= self.value if self.is_larger_better else best <= self.value

    def compared(self, best: float, trial: int) -> str:
        """Return how the best compares, such as `the best loss, 0.4 (trial 3), is over 0.3`."""
        if self.is_reached(best):
            how = "at least" if self.is_larger_better else "at most"
        else:
            how = "under" if self.is_larger_better else "over"
        return f"the best {self.metric}, {best!r} (trial {trial}), is {how} {self.value!r}"

    def to_json(self) -> JsonObject:
        """Return the gate as part of a document."""
        option = UNDER if self.is_larger_better else OVER
        return {"option": option, "value": self.value, "metric": self.metric}

    def _with_remark(self) -> Self:
        remark = (
            f"the study minimizes {self.metric}, so {UNDER} {self.value:g} is taken as {OVER} "
            f"{self.value:g}: the best must not be larger"
        )
        return type(self)(
            value=self.value, metric=self.metric, is_larger_better=False, remark=remark
        )


@dataclass(frozen=True, kw_only=True)
class GateVerdict:
    """How `submit --watch` ends."""

    outcome: Outcome
    code: int
    #: One sentence; empty if the study's last line says everything.
    text: str = ""


def judge(
    status: StudyStatus, gate: QualityGate | None, *, timed_out_s: float | None = None
) -> GateVerdict:
    """Return how the command ends.

    Args:
        status: the last status of the study.
        gate: what must be reached; None: the study must finish with a result.
        timed_out_s: the time limit, if it ran out before the study ended.
    """
    study = str(status["study"])
    best = status["best"]
    objective = None if best is None else best["objective"]
    compared = ""
    if gate is not None and best is not None and objective is not None:
        compared = gate.compared(objective, best["trial"])
    if timed_out_s is not None:
        so_far = f"; so far {compared}" if compared else ""
        text = (
            f"the time of {duration(timed_out_s)} is up; {study} is {status['state']} and "
            f"continues{so_far}; see it with: {command('watch', study)}; end it with: "
            f"{command('stop', study)}"
        )
        return GateVerdict(outcome="timeout", code=TIME_UP, text=text)
    if status["state"] != "finished" or not status["counts"]["complete"]:
        missing = "" if status["state"] != "finished" else f"no trial of {study} is complete"
        code = FAILED if gate is None else NO_RESULT
        return GateVerdict(outcome="failed", code=code, text=missing)
    if gate is None:
        return GateVerdict(outcome="finished", code=DONE)
    if objective is None:
        text = f"not reached: no complete trial of {study} counts as its best"
        return GateVerdict(outcome="not_reached", code=FAILED, text=text)
    if gate.is_reached(objective):
        return GateVerdict(outcome="reached", code=DONE, text=f"reached: {compared}")
    return GateVerdict(outcome="not_reached", code=FAILED, text=f"not reached: {compared}")
