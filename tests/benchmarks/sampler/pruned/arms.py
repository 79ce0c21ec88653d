"""The arms that are compared. To add one: a module with a maker, and a line in `ARMS`.

Peers bring schedulers of their own and are run as they are: `own` instead of a pruner of ours.
Their packages are no dependencies of the project; an arm whose package is missing is left out by
name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from tests.benchmarks.sampler.methods.method import MissingPeerError
from tests.benchmarks.sampler.pruned.arm import Arm, ArmMaker, PrunedProblem

_HERE = "tests.benchmarks.sampler.pruned"


@dataclass(frozen=True)
class ArmKind:
    """Where an arm is made, what it needs, and what it can do."""

    module: str
    function: str
    packages: tuple[str, ...] = ("optuna",)
    reads_history: bool = False
    has_own_pruner: bool = False
    plays_pools: bool = True


ARMS: Mapping[str, ArmKind] = {
    "random": ArmKind("optuna_arm", "random"),
    "tpe": ArmKind("optuna_arm", "tpe"),
    "bayesian": ArmKind("optuna_arm", "bayesian", reads_history=True),
    "dehb": ArmKind(
        "dehb_arm", "dehb", ("dehb", "ConfigSpace"), has_own_pruner=True, plays_pools=False
    ),
    "smac-hyperband": ArmKind(
        "smac_hyperband",
        "hyperband",
        ("smac", "ConfigSpace"),
        has_own_pruner=True,
        plays_pools=False,
    ),
    "priorband": ArmKind(
        "priorband", "priorband", ("neps",), has_own_pruner=True, plays_pools=False
    ),
}


def make_arm(name: str, problem: PrunedProblem) -> Arm:
    """Return an arm for one run.

    Raises:
        MissingPeerError: a package it needs is not installed here.
    """
    kind = ARMS[name]
    try:
        maker: ArmMaker = getattr(import_module(f"{_HERE}.{kind.module}"), kind.function)
        return maker(problem)
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] not in kind.packages:
            raise
        raise MissingPeerError(f"{name}: needs {exc.name}, which is not installed here") from exc
