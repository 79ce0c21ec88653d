"""What the trials of a test study do: each a plan, drawn from a seed, with every way to end."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

#: The odd but legal texts that a choice may be.
SCRIPT = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"
LONG = "averylongchoice" * 33
UNICODE = "Größe 尺寸 שלום"  # its last word is written from right to left
#: Beyond what a float tells apart.
BIG = [9007199254740993, 9007199254740995, 1 << 60]

#: The trial that everybody looks for first: it has failed, and this is why.
FAILED_TRIAL = 7
FAILED_TEXT = (
    "Traceback (most recent call last):\n"
    '  File "objectives.py", line 31, in train\n'
    "    model = build(run.params)\n"
    "ValueError: the layer dense_3 has 4096 units and gets only 512"
)
_ERRORS = {
    "error": f"RuntimeError: the data are gone: {SCRIPT} \x1b[31mred\x1b[0m \u202etxet\u202c",
    "oom": "ResourceExhaustedError: OOM when allocating tensor with shape [4096,4096]",
    "timeout": "did not end within 30 m (trial.timeout)",
    "diverged": "the objective is nan, after val_accuracy was nan at step 3",
    "lost": "its worker gave no sign of life for 30 s",
    "cancelled": "cancelled by somebody@somewhere",
    "storage": "the log root is full",
    "rejected": "the worker has no GPU of its own",
    "preempted": "its machine was taken back",
}
#: Causes of failure in the order in which trials end so.
CAUSES = tuple(_ERRORS)


@dataclass(frozen=True, kw_only=True)
class Try:
    """One attempt of a trial.

    Attributes:
        state: as the database has it: done, failed, lost, leased, ready.
        cause: of a failure.
        error: what was said.
        points: steps with the reported value and the metrics beside it.
    """

    state: str
    cause: str | None = None
    error: str = ""
    points: tuple[tuple[int, float, dict[str, float]], ...] = ()

    @property
    def is_claimed(self) -> bool:
        """Whether a worker has begun it."""
        return self.state != "ready"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What becomes of a trial.

    Attributes:
        number: of the trial.
        state: waiting, running, complete, pruned or fail.
        params: active ones only.
        values: told to the sampler, one for each metric of the study.
        metrics: what the objective returned beside them.
        tries: its attempts, oldest first.
        by_history: whether history has proposed it.
    """

    number: int
    state: str
    params: dict[str, Any]
    tries: tuple[Try, ...]
    values: tuple[float, ...] = ()
    metrics: dict[str, float]
    by_history: bool = False

    @property
    def cause(self) -> str | None:
        """Why the trial has failed."""
        return self.tries[-1].cause if self.state == "fail" else None


def search_space(parameters: int) -> dict[str, Any]:
    """Return a search space with that many parameters, of every type; at least one."""
    space: dict[str, Any] = {
        "train.learning_rate": {"type": "float", "low": 1e-5, "high": 1e-1, "log": True},
        "train.batch_size": {"type": "ordinal", "values": [16, 32, 64, 128]},
        "train.optimizer": {"type": "categorical", "values": ["adam", "sgd"]},
        "train.momentum": {
            "type": "float", "low": 0.0, "high": 0.99, "when": {"train.optimizer": ["sgd"]},
        },
        "model.layers": {"type": "int", "low": 1, "high": 8},
        "model.batch_norm": {"type": "bool"},
        "model.dropout": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.1},
        "model.activation": {"type": "fixed", "value": "relu"},
        "data.note": {"type": "categorical", "values": [SCRIPT, LONG, UNICODE, "plain"]},
        "data.seed": {"type": "ordinal", "values": BIG},
        "data.shuffle": {"type": "categorical", "values": [True, "true"]},
        "data.rows": {"type": "fixed", "value": 1 << 60},
    }  # fmt: skip
    names = list(space)[:parameters]
    more = {
        f"augment.p{number:03d}": {"type": "float", "low": -1.0, "high": 1.0}
        for number in range(len(names), parameters)
    }
    return {name: space[name] for name in names} | more


def plan_trial(
    number: int,
    space: Mapping[str, Any],
    *,
    seed: int = 11,
    epochs: int = 30,
    metrics: int = 1,
    live: bool = False,
) -> Plan:
    """Return what trial `number` does; the same again for the same arguments.

    Of 25 trials in a row four are pruned and two fail, each two with the next cause; one was lost
    and ran again. Trial 7 fails with `FAILED_TEXT`.

    Args:
        number: of the trial.
        space: as `search_space` returns it.
        seed: of the parameters.
        epochs: points of a whole curve.
        metrics: told values, at most 2: the second is the size of the model.
        live: it is running, or waits if its number is odd.
    """
    rng = random.Random(seed * 1_000_003 + number)
    params = _draw(space, rng)
    score, size = _score(params, rng), 4.0 ** float(params.get("model.layers", 2)) / 1000
    points = _curve(score, epochs, rng)
    plan = Plan(
        number=number,
        state="complete",
        params=params,
        tries=(Try(state="done", points=points),),
        values=(score, size)[:metrics],
        metrics={"val_accuracy": score, "size_mb": size},
        by_history=number % 25 in (2, 3),
    )
    if live:
        return _live(plan)
    kind = number % 25
    if kind in (FAILED_TRIAL, 19):
        return _failed(plan)
    if kind in (5, 9, 14, 21) and metrics == 1:
        kept = points[: max(1, epochs // 5)]
        tries = (Try(state="done", points=kept),)
        return replace(plan, state="pruned", tries=tries, values=(kept[-1][1],), metrics={})
    if kind == 17:
        lost = Try(state="lost", cause="lost", error=_ERRORS["lost"], points=points[: epochs // 2])
        return replace(plan, tries=(lost, *plan.tries))
    return plan


def _draw(space: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name, has in space.items():
        value = _value(has, rng)
        if all(params.get(parent) in allowed for parent, allowed in has.get("when", {}).items()):
            params[name] = value
    return params


def _value(has: Mapping[str, Any], rng: random.Random) -> Any:
    kind = has["type"]
    if kind == "fixed":
        return has["value"]
    if kind == "bool":
        return rng.random() < 0.5
    if "values" in has:
        return rng.choice(has["values"])
    low, high = has["low"], has["high"]
    if kind == "int":
        return rng.randint(low, high)
    if has.get("log"):
        return math.exp(rng.uniform(math.log(low), math.log(high)))
    if "step" in has:
        return round(low + has["step"] * rng.randint(0, round((high - low) / has["step"])), 6)
    return rng.uniform(low, high)


def _score(params: Mapping[str, Any], rng: random.Random) -> float:
    """Return an accuracy that depends most on the learning rate, then on layers and optimizer."""
    away: float = math.log10(params.get("train.learning_rate", 1e-3)) + 2.85
    score: float = 0.97 - 0.06 * away * away - 0.008 * abs(float(params.get("model.layers", 4)) - 5)
    score -= 0.01 * (params.get("train.optimizer") == "sgd")
    score += 0.005 * params.get("train.momentum", 0.0)
    return round(max(0.05, score - abs(rng.gauss(0.0, 0.01))), 6)


def _curve(
    score: float, epochs: int, rng: random.Random
) -> tuple[tuple[int, float, dict[str, float]], ...]:
    points = []
    for step in range(1, epochs + 1):
        value = score if step == epochs else score * (1 - 0.6 * math.exp(-step / 6))
        noise = 0.0 if step == epochs else rng.gauss(0.0, 0.003)
        points.append((step, value + noise, {"loss": 2.0 * math.exp(-step / 8) + (1 - score)}))
    return tuple(points)


def _failed(plan: Plan) -> Plan:
    number = plan.number
    if number == FAILED_TRIAL:
        last = Try(state="failed", cause="error", error=FAILED_TEXT)
        return replace(plan, state="fail", tries=(last,), values=(), metrics={})
    cause = CAUSES[(number // 25 * 2 + (number % 25 == 19)) % len(CAUSES)]
    points = plan.tries[0].points[:3]
    if cause == "diverged":
        points = (*points[:2], (3, math.nan, {"loss": math.inf}))
    state = {"lost": "lost", "cancelled": "cancelled"}.get(cause, "failed")
    last = Try(state=state, cause=cause, error=_ERRORS[cause], points=points)
    # What runs again has done so before it counts as failed.
    tries = (last, last, last) if cause in ("lost", "rejected") else (last,)
    return replace(plan, state="fail", tries=tries, values=(), metrics={})


def _live(plan: Plan) -> Plan:
    if plan.number % 2:
        return replace(plan, state="waiting", tries=(Try(state="ready"),), values=(), metrics={})
    running = Try(state="leased", points=plan.tries[0].points[: len(plan.tries[0].points) // 2])
    return replace(plan, state="running", tries=(running,), values=(), metrics={})
