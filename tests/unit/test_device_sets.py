"""Which GPUs each worker of a host owns, and what it says of them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.training.gpu_library import make_gpu_library
from tuner.errors import SetupError
from tuner.protocol import (
    MAX_DEVICES,
    ProtocolError,
    WorkerInfo,
    check_worker,
    dumps,
    queue_name,
)
from workers.host.device_sets import find_devices, parse_device
from workers.host.devices import DeviceError, check_gpus, list_gpus
from workers.host.options import load_gpus_per_worker
from workers.objective.run import Run
from workers.records.environment import Environment

SIX = [f"GPU-{n}" for n in range(6)]


@pytest.fixture
def six_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = make_gpu_library(tmp_path / "library", SIX)
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop("pynvml", None)


def test_neighbouring_gpus_come_to_one_worker_and_none_to_two(
    six_gpus: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert find_devices("all", 1) == [f"gpu:{uuid}" for uuid in SIX]
    assert find_devices("all", 3) == ["gpu:GPU-0,GPU-1,GPU-2", "gpu:GPU-3,GPU-4,GPU-5"]
    assert find_devices("GPU-4,GPU-1,GPU-2,GPU-0", 2) == ["gpu:GPU-4,GPU-1", "gpu:GPU-2,GPU-0"]
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        assert find_devices("all", 4) == ["gpu:GPU-0,GPU-1,GPU-2,GPU-3"]
    assert caplog.records[0].__dict__["gpus"] == ["GPU-4", "GPU-5"]
    assert find_devices("none", 4) == []


@pytest.mark.parametrize(
    ("gpus", "per_worker", "said"),
    [
        ("all", 8, "--gpus-per-worker 8: too few GPUs for a worker here: GPU-0, GPU-1"),
        ("GPU-1,GPU-1", 2, "--gpus: GPU-1 is named twice"),
        ("GPU-1,GPU-9", 2, "--gpus: no GPU GPU-9 on this host"),
    ],
)
def test_gpus_that_cannot_be_given_out_are_refused(
    six_gpus: Path, gpus: str, per_worker: int, said: str
) -> None:
    with pytest.raises(SetupError) as caught:
        find_devices(gpus, per_worker)

    assert said in str(caught.value)


def test_a_host_without_gpus_has_workers_for_the_processor_unless_gpus_were_asked_for(
    six_gpus: Path,
) -> None:
    (six_gpus / "gpus").write_text("")
    assert list_gpus() == []
    assert find_devices("all", 1) == []
    with pytest.raises(SetupError, match=r"--gpus-per-worker 2: too few GPUs .* none"):
        find_devices("all", 2)


def test_the_device_of_a_worker_is_the_processor_or_up_to_eight_gpus() -> None:
    assert parse_device("cpu") == ("cpu", [])
    assert parse_device("gpu:MIG-1,GPU-2") == ("gpu", ["MIG-1", "GPU-2"])
    for text in ("gpu:", "gpu", "tpu:1", "gpu:a,a", "gpu:" + ",".join("abcdefghi")):
        with pytest.raises(SetupError, match=f"--device {text}: "):
            parse_device(text)


def test_the_option_wins_over_the_setting_and_both_take_one_to_eight() -> None:
    setting = {"TUNER_GPUS_PER_WORKER": "4"}

    assert load_gpus_per_worker({}, None) == 1
    assert load_gpus_per_worker(setting, None) == 4
    assert load_gpus_per_worker(setting, "2") == 2
    for text in ("0", "9", "-1", "two", "²", "1" * 5000):
        with pytest.raises(SetupError, match="a number of GPUs from 1 to 8") as caught:
            load_gpus_per_worker({"TUNER_GPUS_PER_WORKER": text}, None)
        assert len(str(caught.value)) < 200


def test_one_gpu_of_several_that_does_not_answer_is_named(six_gpus: Path) -> None:
    check_gpus(["GPU-1", "GPU-2"])
    (six_gpus / "GPU-2").touch()

    with pytest.raises(DeviceError, match="GPU 'GPU-2' does not answer: GPU is lost"):
        check_gpus(["GPU-1", "GPU-2"])


def test_config_json_describes_every_device_and_the_first_as_before(six_gpus: Path) -> None:
    info = _info("gpu", ["GPU-1", "GPU-2"])
    facts = Environment(info, {}, {}).facts

    assert [device["uuid"] for device in facts["devices"]] == ["GPU-1", "GPU-2"]
    assert facts["gpu"] == facts["devices"][0]
    on_cpu = Environment(_info("cpu", []), {}, {}).facts
    assert (on_cpu["devices"], on_cpu["gpu"]) == ([], None)


def test_a_worker_counts_its_gpus_and_one_of_an_earlier_release_has_one() -> None:
    old = {"name": "w", "host": "h", "pid": 1, "device": "gpu", "device_id": "GPU-1"}

    assert WorkerInfo.from_json(old).gpus == 1
    assert _info("gpu", ["a", "b", "c"]).gpus == 3
    assert _info("cpu", []).gpus == 0
    assert WorkerInfo.from_json(_info("gpu", ["a", "b"]).to_json()).gpus == 2


@pytest.mark.parametrize(
    "ids", [[str(n) for n in range(MAX_DEVICES + 1)], ["a" * 200], ["a,b"], [""]]
)
def test_a_worker_with_devices_out_of_bounds_is_refused(ids: list[str]) -> None:
    with pytest.raises(ProtocolError, match=r"worker\.device_ids"):
        check_worker(_info("gpu", ids))


def test_wake_ups_for_workers_with_several_gpus_have_a_queue_of_their_own() -> None:
    assert [queue_name("gpu", n) for n in (1, 4)] == ["tuner-gpu", "tuner-gpu4"]
    assert queue_name("cpu", 0) == queue_name("cpu") == "tuner-cpu"


def test_a_run_by_hand_names_its_devices_by_index() -> None:
    assert Run.local({}).devices == []
    assert Run.local({}, devices=3).devices == ["0", "1", "2"]


def _info(device: str, ids: list[str]) -> WorkerInfo:
    info = WorkerInfo.from_json(
        {"name": "w", "host": "h", "pid": 1, "device": device, "device_ids": ids}
    )
    assert dumps(info)
    return info
