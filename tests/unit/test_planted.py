"""The table of what a trial may leave, and the guard that sees what is touched outside."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.hostile.guard import Guard
from tests.support.hostile.planted import CASES, PLACES, Ground, plant


def ground_in(folder: Path) -> Ground:
    return Ground(
        log_root=folder / "logs",
        checkpoint_root=folder / "checkpoints",
        run_dir="project/study/trial_00001-20261128T000000Z",
        checkpoint_dir="project/study/trial_00001",
        guard=folder / "guard",
    )


@pytest.mark.parametrize("place", PLACES)
def test_every_case_can_be_planted_twice_and_touches_nothing_outside(
    place: str, tmp_path: Path
) -> None:
    ground = ground_in(tmp_path)
    with Guard(ground.guard) as guard:
        # 10^5 files at each place would take minutes.
        for kind in [kind for kind, where in CASES if where == place and kind != "crowd"] * 2:
            try:
                path = plant(kind, place, ground)
            except PermissionError:
                assert kind == "device"
                continue
            assert path == PLACES[place](ground)
            assert os.path.lexists(path) == (kind not in ("renamed", "removed")), kind
            guard.check()


def test_a_guard_sees_a_use_by_another_name_and_by_another_process(tmp_path: Path) -> None:
    with Guard(tmp_path / "guard", ("study",)) as guard:
        guard.check()
        for touch, said in (
            ("cat study/trial.json >&2", "trial.json: read"),
            ("ls", "opened"),
            ("ln precious.txt ../x; cat ../x", "precious.txt: read"),
            ("touch study/new; rm study/new", "a name made"),
        ):
            subprocess.run(["/bin/sh", "-c", touch], cwd=guard.folder, check=True)
            with pytest.raises(AssertionError, match=said):
                guard.check()
