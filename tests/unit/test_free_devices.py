"""Which workers and GPUs of a host are others': of `workers up`, of a `tuner run`, elsewhere."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.training.gpu_library import make_gpu_library
from tuner.errors import SetupError
from tuner.local import home
from tuner.local.fleets.fleet import Fleet, FleetState
from tuner.local.fleets.free_devices import Others, free_room
from tuner.local.fleets.scaler_lock import only_one, scaler_pid
from tuner.settings import Settings, load_settings


@pytest.fixture
def settings() -> Settings:
    found = load_settings(os.environ)
    home.make_home(found.home)
    return found


@pytest.fixture
def fleet(settings: Settings) -> Iterator[Callable[..., Fleet]]:
    """Makes fleets whose supervisors live and do nothing."""
    started: list[subprocess.Popen[bytes]] = []

    def make(name: str, *workers: tuple[str, str, str]) -> Fleet:
        """Make one with workers: name, state, device."""
        fleet = Fleet(settings, name)
        fleet.scale(len(workers))
        control = settings.home / "fleets" / f"{name}.json"
        command = [sys.executable, "-c", "import time; time.sleep(600)", str(control)]
        started.append(subprocess.Popen(command))
        listed = [
            {"name": worker, "pid": 1, "state": state, "device": device}
            for worker, state, device in workers
        ]
        state = {"pid": started[-1].pid, "count": len(workers), "workers": listed}
        control.with_name(f"{name}.json.state").write_text(json.dumps(state))
        # For a moment a new process has no command line yet, by which it is known.
        while fleet.state() is None:
            time.sleep(0.01)
        return fleet

    yield make
    for process in started:
        process.kill()
        process.wait()


def row(name: str, **facts: Any) -> dict[str, Any]:
    return {"name": name, "device": "cpu", "gpus": 0, "state": "idle", **facts}


def own(*names: str) -> FleetState:
    workers = tuple({"name": name, "state": "idle"} for name in names)
    return FleetState(pid=1, count=len(names), gpus_per_worker=1, workers=workers)


def test_workers_of_other_hosts_and_commands_count_once_and_own_ones_never(
    settings: Settings, fleet: Callable[..., Fleet]
) -> None:
    others = Others(settings, Fleet(settings, "autoscale-1"))
    fleet("host", ("h1", "idle", "cpu"), ("h2", "starting", "cpu"), ("h3", "leaving", "cpu"))
    fleet("run-7", ("r1", "busy", "gpu:a"))
    rows = [
        row("mine"),
        row("h1"),
        row("far", state="busy"),
        row("gpu", device="gpu", gpus=1),
        row("leaves", state="draining"),
        row("out", state="out of service"),
    ]

    assert others.count(rows, "cpu", 0, own("mine")) == 3, "h1, h2 and far"
    assert others.count(rows, "gpu", 1, own()) == 2, "r1 and gpu"
    assert others.count([row("mine")], "cpu", 0, own("new")) == 2, "one of ours that has died"


def test_a_fleet_whose_supervisor_has_died_has_no_workers(settings: Settings) -> None:
    gone = Fleet(settings, "host")
    gone.scale(1)
    state = {"pid": 2**22 + 1, "count": 1, "workers": [{"name": "w", "pid": 1, "state": "idle"}]}
    (settings.home / "fleets" / "host.json.state").write_text(json.dumps(state))

    assert Others(settings, Fleet(settings, "a")).count([], "cpu", 0, own()) == 0


def test_gpus_that_other_commands_have_are_left_to_them(
    settings: Settings, fleet: Callable[..., Fleet]
) -> None:
    fleet("run-7", ("r1", "busy", "gpu:c,d"))
    taken = Others(settings, Fleet(settings, "autoscale-1")).devices()

    assert taken == {"c", "d"}
    assert free_room("a,b,c,d,e,f", 2, taken) == 1, "they are given out from the first on"
    assert free_room("a,b,c", 2, set()) == 1
    assert free_room("a,b", 1, {"a"}) == 0


def test_all_gpus_are_those_of_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_gpu_library(tmp_path / "nvml", ["a", "b", "c"]) / "pynvml.py"
    spec = importlib.util.spec_from_file_location("pynvml", source)
    assert spec is not None
    assert spec.loader is not None
    library = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(library)
    monkeypatch.setitem(sys.modules, "pynvml", library)

    assert free_room("all", 1, {"c"}) == 2


def test_one_command_at_a_time_scales_the_workers_of_a_home(settings: Settings) -> None:
    assert scaler_pid(settings) is None
    with only_one(settings):
        assert scaler_pid(settings) == os.getpid()
        said = rf"already runs for this home \(pid {os.getpid()}\)"
        with pytest.raises(SetupError, match=said), only_one(settings):
            """Never reached."""
    assert scaler_pid(settings) is None
    with only_one(settings):
        pass
