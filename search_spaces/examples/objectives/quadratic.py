"""Walk down a bowl: plain Python that reports, and can be pruned, like a training."""

from __future__ import annotations

from workers import Run

STEPS = 10
LOWEST = (1.0, -2.0)


def descend(run: Run) -> float:
    """Return how far above the lowest point the walk ends; 0 is perfect."""
    position = [run.params["start.x"], run.params["start.y"]]
    velocity = [0.0, 0.0]
    # The conditional parameter is there only where its condition holds.
    momentum = run.params.get("descent.momentum", 0.0)
    for step in range(1, STEPS + 1):
        for axis, lowest in enumerate(LOWEST):
            slope = 2 * (position[axis] - lowest)
            velocity[axis] = momentum * velocity[axis] - run.params["descent.rate"] * slope
            position[axis] += velocity[axis]
        run.report(step, height(position))
    return height(position)


def height(position: list[float]) -> float:
    """Return the height of the bowl at `position`, shape (2,)."""
    return sum((at - lowest) ** 2 for at, lowest in zip(position, LOWEST, strict=True))
