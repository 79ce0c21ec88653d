"""Hundreds of workers, thousands of trials, several studies at once: what the server takes.

The workers are simulated (`simulated_worker.py`); server, PostgreSQL and Redis are real, each in
processes of its own, with the leases of production.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from tests.benchmarks.figure import Figure
from tests.benchmarks.fleet_log import FleetLog
from tests.benchmarks.scale_figures import Finding, figures
from tests.benchmarks.simulated_fleet import run_fleet
from tests.benchmarks.simulated_worker import FleetOrder
from tests.benchmarks.stack import Stack, fresh_settings, running
from tests.benchmarks.studies import submit
from tests.support.servers import open_postgres
from tuner.spec import StudySpec, parse_spec
from tuner.storage import tables


@dataclass(frozen=True, kw_only=True)
class ScaleSize:
    """How much is simulated."""

    workers: int = 256
    #: Of all studies together.
    trials: int = 10_000
    studies: int = 4
    trial_s: float = 20.0

    def __post_init__(self) -> None:
        if min(self.workers, self.studies, self.trial_s) <= 0 or self.trials < 10 * self.studies:
            raise ValueError(f"{self}: needs workers, and ten trials a study")

    @property
    def ideal_s(self) -> float:
        """Return how long it takes when no worker ever waits."""
        return self.trials * self.trial_s / self.workers


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What sets a study apart from the others."""

    name: str
    pruner: str = "none"
    #: Each step doubles its share of the fleet.
    priority: int = 0


#: Two that are to share alike, one that prunes, one that is to get twice as much.
KINDS = (
    Kind(name="even-a"),
    Kind(name="even-b"),
    Kind(name="pruning", pruner="asha"),
    Kind(name="double", priority=1),
)


def measure(size: ScaleSize, keep_log: Path | None = None) -> list[Figure]:
    """Run all studies with the fleet, and look at what it saw; its log may be kept as JSON."""
    server = open_postgres(private=True)
    try:
        with server.fresh_database() as url, fresh_settings(url) as settings:
            specs = make_specs(size)
            with running(settings) as stack:
                for spec in specs:
                    submit(stack.api, spec)
                path = keep_log or settings.home / "fleet-log.json"
                log = run_fleet(_order(stack, specs, size), path.absolute())
                for spec in specs:
                    stack.wait_finished(spec.name)
                metrics = stack.metrics()
            return figures(_find(url, log, metrics, size))
    finally:
        server.stop()


def make_specs(size: ScaleSize) -> list[StudySpec]:
    """Return the studies; their budgets are as their shares of the fleet, so that all end late."""
    kinds = [KINDS[number % len(KINDS)] for number in range(size.studies)]
    weights = [2**kind.priority for kind in kinds]
    return [
        _spec(f"{kind.name}-{number}" if number >= len(KINDS) else kind.name, kind, budget)
        for number, kind in enumerate(kinds)
        for budget in [size.trials * weights[number] // sum(weights)]
    ]


def _spec(name: str, kind: Kind, budget: int) -> StudySpec:
    pruner = {"name": kind.pruner}
    return parse_spec(
        {
            "project": "scale",
            "study": name,
            "objective": "noop:reporting",
            "metric": {"name": "loss", "goal": "minimize"},
            "search_space": {
                "train.learning_rate": {"type": "float", "low": 1e-5, "high": 1e-1, "log": True},
                "train.weight_decay": {"type": "float", "low": 1e-6, "high": 1e-2, "log": True},
                "train.batch_size": {"type": "ordinal", "values": [16, 32, 64, 128]},
                "train.optimizer": {"type": "categorical", "values": ["adam", "sgd", "rmsprop"]},
                "train.momentum": {
                    "type": "float",
                    "low": 0.0,
                    "high": 0.99,
                    "when": {"train.optimizer": ["sgd"]},
                },
                "train.label_smoothing": {"type": "float", "low": 0.0, "high": 0.3},
                "model.layers": {"type": "int", "low": 1, "high": 8},
                "model.units": {"type": "int", "low": 32, "high": 512, "step": 32},
                "model.dropout_rate": {"type": "float", "low": 0.0, "high": 0.6},
                "model.activation": {"type": "categorical", "values": ["relu", "gelu", "tanh"]},
                "model.batch_norm": {"type": "bool"},
            },
            "sampler": {"name": "tpe", "seed": 7},
            "pruner": pruner,
            "priority": kind.priority,
            "budget": {"trials": budget},
        }
    )


def _order(stack: Stack, specs: list[StudySpec], size: ScaleSize) -> FleetOrder:
    return FleetOrder(
        url=stack.url,
        token=stack.token,
        redis_url=stack.redis_url(),
        server_pid=stack.server_pid,
        workers=size.workers,
        log_root=str(stack.settings.log_root),
        trials=sum(spec.budget.trials or 0 for spec in specs),
        trial_s=size.trial_s,
        limit_s=600.0 + 5.0 * size.ideal_s,
    )


def _find(url: str, log: FleetLog, metrics: str, size: ScaleSize) -> Finding:
    """Add what only the database knows: when attempts became ready, and who proposed them."""
    a, t = tables.attempts, tables.trials
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(sa.select(a.c.id, a.c.created))
            ready = {row.id: row.created for row in rows}
            proposals = connection.execute(sa.select(t.c.proposal_json)).scalars()
            samplers = Counter(json.loads(text)["sampler"] for text in proposals)
    finally:
        engine.dispose()
    return Finding(
        log=log, ready_at=ready, samplers=samplers, metrics=metrics, trial_s=size.trial_s
    )
