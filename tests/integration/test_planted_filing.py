"""Whatever a trial leaves below the roots, it costs that trial's files and nothing else.

The whole table of `tests/support/hostile/planted.py`, with a real filer on a real database: every
case is planted in the folders of a study of its own, beside one that has nothing wrong.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases.filing_lab import FilingLab, filing_lab
from tests.support.hostile.guard import SECRET, Guard
from tests.support.hostile.planted import CASES, PLACES, Ground, plant, plant_crowd
from tests.support.patience import wait_until
from tuner.errors import NotFoundError

#: Of the server, beside what the table itself takes.
MOST_MEMORY = 100 << 20
#: Here in place of 10^5, which takes minutes for all places; `test_planted_server.py` has those.
CROWD = 300
#: Kinds after which nothing is in the way.
HARMLESS = ("crowd", "renamed", "removed")
#: Places that only other parts of the product look at.
NOT_FILED = ("output.log", "output.log.1", "output.log.gone", "checkpoint file", "checkpoint curve")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[FilingLab]:
    with filing_lab(tmp_path) as made:
        yield made


@pytest.fixture
def guard(tmp_path: Path, lab: FilingLab) -> Iterator[Guard]:
    """A folder outside of both roots, with the names that stand in a study's folders."""
    inner = ("trial_00000-20261128T000000Z", "trial_00000", "_study")
    with Guard(tmp_path / "guard", (*inner, *(f"healthy/{name}" for name in inner))) as made:
        yield made


def _name(kind: str, place: str) -> str:
    number = CASES.index((kind, place))
    return re.sub(r"[^a-z0-9]+", "-", f"c{number} {place} {kind}".lower())


def _project(name: str, place: str) -> str:
    # What stands in the place of a project would hide all others in it.
    return name if place == "project" else "lab"


def _plant(kind: str, place: str, ground: Ground) -> bool:
    """Plant a case; return whether this process may."""
    if kind == "crowd":
        path = PLACES[place](ground)
        is_file = bool(path.suffix)
        folder, name = (path.parent, path.name) if is_file else (path, "events.out.tfevents.")
        plant_crowd(folder, name, CROWD)
        return True
    try:
        plant(kind, place, ground)
    except PermissionError:
        assert kind == "device"
        return False
    return True


def _memory(name: str) -> int:
    """Return a figure of this process' memory, in bytes."""
    text = Path("/proc/self/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M)[1]) << 10  # type: ignore[index]


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _plant_all(lab: FilingLab, guard: Guard) -> dict[str, tuple[str, str, Ground]]:
    """Plant every case, each in a study of its own; return kind, place and ground by name."""
    planted = {}
    for kind, place in CASES:
        name = _name(kind, place)
        project = _project(name, place)
        lab.add_study(name, trials=3, project=project, keep=1)
        ground = lab.ground(name, guard.folder, project=project)
        for number in range(3):
            (ground.checkpoints.with_name(f"trial_{number:05d}")).mkdir(parents=True)
        if _plant(kind, place, ground):
            planted[name] = (kind, place, ground)
    return planted


def test_every_fault_is_its_runs_alone_and_touches_nothing_outside(
    lab: FilingLab, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    planted = _plant_all(lab, guard)
    healthy = lab.add_study("healthy", trials=20)
    guard.check()
    caplog.set_level(logging.INFO)
    _reset_peak()
    before = _memory("VmRSS")

    lab.start()
    wait_until(lambda: lab.filed() >= set(healthy), "the runs of the healthy study are filed")
    wait_until(lambda: "healthy" in lab.filed_studies(), "the healthy study is filed")
    victims = {f"{name}-0" for name in planted}
    others = {f"{name}-{n}" for name in planted for n in (1, 2)}

    def is_settled() -> bool:
        known = lab.filed() | {key for kind, key in lab.unfiled() if kind == "run"}
        studies = lab.filed_studies() | {key for kind, key in lab.unfiled() if kind == "study"}
        return known >= victims | others and studies >= set(planted)

    wait_until(is_settled, "everything is filed, or noted with a reason")
    assert lab.filer.problem() is None, "no fault of a run is one of the log root"
    assert lab.filer.trouble() is None
    guard.check()

    noted = lab.unfiled()
    for name, (kind, place, _) in planted.items():
        _check_noted(lab, noted, name, kind, place)
    for name, (kind, place, _) in planted.items():
        _check_log(lab, name, kind, place)
    guard.check()
    for name, (_, place, _) in planted.items():
        answer = lab.service.delete(f"{_project(name, place)}/{name}")
        assert answer["deleted"]
    guard.check()
    assert SECRET not in caplog.text
    assert _memory("VmHWM") - before < MOST_MEMORY
    assert not lab.unfiled(), "what is noted of a study goes with it"


def _check_noted(
    lab: FilingLab, noted: dict[tuple[str, str], object], name: str, kind: str, place: str
) -> None:
    """Check which of the study's files are missing, and that its status says why."""
    runs = {key for what, key in noted if what == "run" and key.startswith(f"{name}-")}
    if kind in HARMLESS or place in NOT_FILED or place.startswith("checkpoint"):
        assert not runs, (kind, place)
        assert ("study", name) not in noted, (kind, place)
    elif place in ("study", "project"):
        assert runs == {f"{name}-{number}" for number in range(3)}, (kind, place)
        assert ("study", name) in noted
    elif place == "run" or (kind == "folder" and place in ("trial.json", "config.json")):
        assert runs == {f"{name}-0"}, (kind, place)
    elif place == "_study":
        assert not runs
        assert ("study", name) in noted, (kind, place)
    else:
        # A file takes the place of what stood there, and an event file stands beside it.
        assert not runs, (kind, place)
    study = f"{_project(name, place)}/{name}"
    missing = lab.service.status(study)["unfiled"]
    is_expected = any(key == name or key in runs for _, key in noted)
    assert (missing is not None) == is_expected, (kind, place)
    shown = lab.service.show(study, 0)["unfiled"]
    assert bool(shown) == (f"{name}-0" in runs)
    if shown:
        assert "must be a" in shown[0]["reason"]
        assert str(lab.folder) not in shown[0]["reason"], "paths are those below the root"


def _check_log(lab: FilingLab, name: str, kind: str, place: str) -> None:
    try:
        answer = lab.service.log(f"{_project(name, place)}/{name}", 0, 0, 1 << 20)
    except NotFoundError as exc:
        assert place in ("output.log", "output.log.1", "run", "study", "project"), (kind, place)
        assert kind not in HARMLESS
        said = str(exc)
        assert re.search("must be a|must hold at most|must have one", said), said
    else:
        assert SECRET not in answer["text"]
        assert kind in (*HARMLESS, "deep JSON", "file") or place not in (
            "output.log",
            "output.log.1",
        )
