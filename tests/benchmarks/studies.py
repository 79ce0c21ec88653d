"""The study that is benchmarked, and how it is submitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.spaces import OPTIMIZER
from tuner.snapshot import make_snapshot
from tuner.spec import StudySpec, parse_spec

OBJECTIVES = Path(__file__).parent / "objectives"


def make_spec(
    name: str, objective: str, *, trials: int, sampler: str = "tpe", pruner: str = "none"
) -> StudySpec:
    """Return a study of six parameters, one of them conditional: the space of a small CNN."""
    return parse_spec(
        {
            "project": "bench",
            "study": name,
            "objective": f"noop:{objective}",
            "metric": {"name": "loss", "goal": "minimize"},
            "search_space": {
                "train.learning_rate": {"type": "float", "low": 1e-5, "high": 1e-1, "log": True},
                "train.batch_size": {"type": "ordinal", "values": [16, 32, 64, 128]},
                **OPTIMIZER,
                "model.layers": {"type": "int", "low": 1, "high": 4},
                "model.dropout": {"type": "float", "low": 0.0, "high": 0.6},
            },
            "sampler": {"name": sampler, "seed": 7},
            "pruner": {"name": pruner},
            "budget": {"trials": trials},
        }
    )


def submit(service: Any, spec: StudySpec) -> str:
    """Submit with the snapshot of the objectives, as `tuner submit` does; return the study.

    Args:
        service: the one in this process or the client of a server: both have the same verbs.
    """
    snapshot = make_snapshot(OBJECTIVES)
    service.put_code(snapshot.sha256, snapshot.data)
    service.submit(spec.to_json(), code=snapshot.sha256)
    return spec.name
