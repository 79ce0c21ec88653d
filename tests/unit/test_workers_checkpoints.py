"""The checkpoints that the attempts of a trial share."""

from __future__ import annotations

import errno
import json
import math
from pathlib import Path

import pytest

from tuner.roots import Place
from workers.objective.checkpoints import Checkpoints
from workers.objective.session import ReportedPoint


class Model:
    """Has weights that can be written, and may fail while it writes them."""

    def __init__(self, error: OSError | None = None) -> None:
        self.error = error

    def save_weights(self, path: Path) -> None:
        path.write_text("half")
        if self.error is not None:
            raise self.error
        path.write_text("whole")


def points(last: int) -> list[ReportedPoint]:
    """The curve of a training of `last` epochs; one of its metrics is not a number at first."""
    return [
        ReportedPoint(step=n, value=n / 8, metrics={"loss": math.nan if n == 1 else 1.0})
        for n in range(1, last + 1)
    ]


def write(checkpoints: Checkpoints, *steps: int) -> None:
    for step in steps:
        checkpoints.write(Model(), step, points(step))


def test_the_newest_two_checkpoints_are_kept_with_their_curves(tmp_path: Path) -> None:
    checkpoints = Checkpoints(Place(tmp_path, "trial"), 1)
    write(checkpoints, 1, 2, 10)

    assert [found.step for found in checkpoints.find()] == [2, 10]
    assert sorted(path.name for path in (tmp_path / "trial").iterdir()) == [
        "epoch-00002.curve.json",
        "epoch-00002.weights.h5",
        "epoch-00010.curve.json",
        "epoch-00010.weights.h5",
    ]


def test_a_checkpoint_that_failed_is_not_there(tmp_path: Path) -> None:
    checkpoints = Checkpoints(Place(tmp_path), 1)
    write(checkpoints, 1)
    with pytest.raises(OSError, match="full"):
        checkpoints.write(Model(OSError(errno.ENOSPC, "full")), 2, points(2))

    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["epoch-00001.curve.json", "epoch-00001.weights.h5"]


def test_a_successor_continues_from_the_newest_checkpoint_of_an_earlier_attempt(
    tmp_path: Path,
) -> None:
    first, second = Checkpoints(Place(tmp_path), 1), Checkpoints(Place(tmp_path), 2)
    write(first, 4, 8)

    assert first.newest(known=8) is None, "an attempt does not continue itself"
    found = second.newest(known=8)
    assert found is not None
    assert (found[0].step, found[1]) == (8, [])


def test_a_checkpoint_brings_the_points_that_the_service_does_not_know(tmp_path: Path) -> None:
    first, second = Checkpoints(Place(tmp_path), 1), Checkpoints(Place(tmp_path), 2)
    write(first, 4, 8)

    for known in (0, 5, 7):
        found = second.newest(known=known)
        assert found is not None
        assert found[0].step == 8
        assert [point.step for point in found[1]] == list(range(known + 1, 9))
    assert found[1][0] == ReportedPoint(step=8, value=1.0, metrics={"loss": 1.0})


#: Of a curve of 8 epochs, what was there after damage; the last one lacks epoch 5.
DAMAGE = (
    *("", "[[1, 0.5]]", "[]", "{}", '[[5, "x", {}]]', "null"),
    json.dumps([[step, 0.5, {}] for step in (1, 2, 3, 4, 6, 7, 8)]),
)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_checkpoint_that_would_leave_a_hole_in_the_curve_is_not_continued(
    tmp_path: Path, damage: str
) -> None:
    first, second = Checkpoints(Place(tmp_path), 1), Checkpoints(Place(tmp_path), 2)
    write(first, 4, 8)
    (tmp_path / "epoch-00008.curve.json").write_text(damage)

    covered, older = second.newest(known=8), second.newest(known=2)
    assert covered is not None
    assert covered[0].step == 8
    assert older is not None
    assert (older[0].step, [point.step for point in older[1]]) == (4, [3, 4])


def test_attempts_do_not_delete_each_others_newest_checkpoints(tmp_path: Path) -> None:
    zombie, successor = Checkpoints(Place(tmp_path), 1), Checkpoints(Place(tmp_path), 2)
    write(zombie, 5)
    write(successor, 6, 7)
    (tmp_path / "epoch-00004.curve.json").write_text("[]")
    write(zombie, 8, 9, 10)

    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        f"epoch-{name}.{kind}"
        for name in ("00006-a2", "00007-a2", "00009", "00010")
        for kind in ("curve.json", "weights.h5")
    ]
