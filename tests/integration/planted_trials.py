"""An objective that leaves behind what it is told; imported in the processes of its trials."""

from __future__ import annotations

from pathlib import Path

from tests.support.hostile.planted import Ground, plant
from workers import Run


def train(run: Run) -> float:
    """Plant one case of the table at the end of a trial."""
    run.report(1, 0.5)
    logs = Path(run.logdir)
    root = logs.parents[2]
    ground = Ground(
        log_root=root,
        checkpoint_root=root.parent / "checkpoints",
        run_dir=str(logs.relative_to(root)),
        checkpoint_dir=f"{logs.parents[1].name}/{logs.parent.name}/{logs.name[:11]}",
        guard=Path(str(run.params["guard"])),
    )
    print("planting")  # noqa: T201 - so that there is a log
    plant(str(run.params["kind"]), str(run.params["place"]), ground)
    return 0.5
