"""The samplers that are compared. To add one: a module with a maker, and a line in `METHODS`.

Peers are no dependencies of the project: their modules are imported when a run asks for them, by
whatever Python has them, and results of several environments are merged by the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from tests.benchmarks.sampler.methods.method import Maker, Method, MissingPeerError, Problem

__all__ = ["METHODS", "Method", "MissingPeerError", "Problem", "make_method", "uses_history"]

_HERE = "tests.benchmarks.sampler.methods"

#: Name → module and function that make it, the packages it needs, whether it reads history, and
#: whether it can choose from a pool.
METHODS: Mapping[str, tuple[str, str, tuple[str, ...], bool, bool]] = {
    "random": ("optuna_samplers", "random", ("optuna",), False, True),
    "tpe": ("optuna_samplers", "tpe", ("optuna",), False, False),
    "gp": ("optuna_samplers", "gp", ("optuna", "torch"), False, True),
    "winners-tpe": ("optuna_samplers", "winners_tpe", ("optuna",), True, False),
    "winners-gp": ("optuna_samplers", "winners_gp", ("optuna", "torch"), True, False),
    "kerastuner": ("keras_tuner_oracle", "oracle", ("keras_tuner", "sklearn"), False, False),
    "ax": ("ax_client", "client", ("ax", "torch"), False, False),
    "smac": ("smac_facade", "forest", ("smac", "ConfigSpace"), False, False),
    "smac-gp": ("smac_facade", "gaussian", ("smac", "ConfigSpace"), False, False),
    "hebo": ("hebo_optimizer", "optimizer", ("hebo", "torch"), False, False),
    "confopt": ("confopt_tuner", "tuner", ("confopt",), False, False),
    "mtgp": ("multi_task", "mtgp", ("botorch", "torch"), True, True),
    "openbox-rgpe": ("openbox_advisor", "rgpe", ("openbox", "ConfigSpace"), True, False),
    "openbox-stack": ("openbox_advisor", "stacking", ("openbox", "ConfigSpace"), True, False),
    "cold": ("ours", "cold", ("optuna",), False, True),
    "warm": ("ours", "warm", ("optuna",), True, True),
}


def uses_history(name: str) -> bool:
    """Whether the method reads earlier studies."""
    return METHODS[name][3]


def plays_pools(name: str) -> bool:
    """Whether the method can choose among recorded configurations."""
    return METHODS[name][4]


def make_method(name: str, problem: Problem) -> Method:
    """Return a method for one run.

    Raises:
        MissingPeerError: a package it needs is not installed here.
    """
    module, function, packages, _, _ = METHODS[name]
    try:
        maker: Maker = getattr(import_module(f"{_HERE}.{module}"), function)
        return maker(problem)
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] not in packages:
            raise
        raise MissingPeerError(f"{name}: needs {exc.name}, which is not installed here") from exc
