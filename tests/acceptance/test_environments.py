"""The coordinator without TensorFlow and the worker without tuning libraries, each for real.

Each side gets a virtual environment of its own: its lock, the wheel of this clone, nothing else.
"""

from __future__ import annotations

import json
import socket
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.acceptance.environments import ROOT, Environment, run
from tests.support.patience import clock
from tuner.queue.redis_server import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

EXAMPLES = ROOT / "search_spaces" / "examples"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    run([*install, "--target", folder, wheel])
    return folder


@pytest.fixture(scope="module")
def server(site: Path) -> Environment:
    return Environment("requirements-server.lock", site)


@pytest.fixture(scope="module")
def worker(site: Path) -> Environment:
    return Environment("requirements-worker-cpu.lock", site)


def test_the_wheel_holds_the_packages_and_the_ready_spaces_only(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    files = [*(ROOT / "search_spaces").rglob("*.yaml"), *EXAMPLES.rglob("*.py")]

    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} <= {
        "tuner",
        "workers",
        "search_spaces",
    }
    assert {n for n in names if n.startswith("search_spaces/")} == {
        str(file.relative_to(ROOT)) for file in files
    }
    assert any(name.startswith("tuner/storage/migrations/versions/") for name in names)


def test_every_part_of_the_coordinator_imports_without_tensorflow(
    server: Environment, tmp_path: Path
) -> None:
    # But what runs in a KerasTuner script, which `tuner.keras` loads when it is used there.
    code = (
        "import importlib, json, pkgutil, sys, tuner\n"
        "skip = ('tuner.__main__', 'tuner.storage.migrations', 'tuner.keras.')\n"
        "found = [m.name for m in pkgutil.walk_packages(tuner.__path__, 'tuner.')]\n"
        "names = [name for name in found if not name.startswith(skip)]\n"
        "for name in names: importlib.import_module(name)\n"
        "loaded = {'tensorflow', 'keras', 'torch', 'workers'} & set(sys.modules)\n"
        "print(json.dumps([len(names), sorted(loaded)]))"
    )

    count, loaded = json.loads(server.run("-c", code, cwd=tmp_path).splitlines()[-1])

    assert count > 20
    assert loaded == []
    assert server.lacks("tensorflow", tmp_path)
    assert server.lacks("keras", tmp_path)


def test_every_part_of_the_worker_imports_without_optuna_and_sqlalchemy(
    worker: Environment, tmp_path: Path
) -> None:
    code = (
        "import importlib, json, pkgutil, workers\n"
        "found = [m.name for m in pkgutil.walk_packages(workers.__path__, 'workers.')]\n"
        "names = [name for name in found if name != 'workers.__main__']\n"
        "for name in names: importlib.import_module(name)\n"
        "print(len(names))"
    )

    assert int(worker.run("-c", code, cwd=tmp_path).splitlines()[-1]) > 5
    assert "fleet" in worker.run("-m", "workers", "--help", cwd=tmp_path)
    for library in ("optuna", "sqlalchemy", "alembic", "fastapi", "pydantic", "typer"):
        assert worker.lacks(library, tmp_path), library


def test_a_keras_training_runs_by_hand_in_the_workers_environment(
    worker: Environment, tmp_path: Path
) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from objectives import digits\n"
        "from workers import Run\n"
        "digits.EPOCHS = 2\n"
        "params = {'train.learning_rate': 0.005, 'train.batch_size': 32,\n"
        "          'train.optimizer': 'adam', 'model.layers': 2, 'model.filters': 16,\n"
        "          'model.batch_norm': True, 'model.activation': 'relu',\n"
        "          'model.dropout_rate': 0.1}\n"
        "print('accuracy', digits.train(Run.local(params, seed=1)))"
    )

    output = worker.run("-c", code, EXAMPLES, cwd=tmp_path, TF_CPP_MIN_LOG_LEVEL="2")

    assert float(output.splitlines()[-1].removeprefix("accuracy ")) > 0.5


def test_a_study_runs_between_the_two_environments(
    server: Environment,
    worker: Environment,
    private_redis: RedisServer,
    postgres_url: str,
    tmp_path: Path,
) -> None:
    roots = {
        "TUNER_LOG_ROOT": str(tmp_path / "logs"),
        "TUNER_CHECKPOINT_ROOT": str(tmp_path / "checkpoints"),
        "TUNER_TOKEN": "sesame-" * 6,
    }
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    client = {**roots, "TUNER_API_URL": url}

    with server.process(
        *["-m", "tuner", "serve", "--port", str(port)],
        cwd=tmp_path,
        TUNER_DATABASE_URL=postgres_url,
        TUNER_REDIS_URL=private_redis.url,
        **roots,
    ) as log:
        wait_for_health(url, log)
        submit = ("-m", "tuner", "submit", EXAMPLES / "quadratic.yaml")
        server.run(*submit, cwd=tmp_path, **client)
        fleet = ("-m", "workers", "fleet", "--count", "2", "--control", tmp_path / "fleet.json")
        with worker.process(*fleet, cwd=tmp_path, **client) as worker_log:
            status = wait_for_the_end(server, "examples/quadratic", client, worker_log)

    counts = status["counts"]
    assert status["state"] == "finished"
    assert counts["complete"] + counts["pruned"] == 20
    assert counts["fail"] == 0
    assert status["best"]["objective"] < 10


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_health(url: str, log: Path) -> None:
    deadline = clock() + 60
    while True:
        try:
            urllib.request.urlopen(f"{url}/v1/health", timeout=2).close()  # noqa: S310 - ours
        except OSError:
            assert clock() < deadline, log.read_text()[-3000:]
            time.sleep(0.2)
        else:
            return


def wait_for_the_end(
    server: Environment, study: str, client: dict[str, str], log: Path
) -> dict[str, object]:
    deadline = clock() + 180
    while True:
        ask = ("-m", "tuner", "status", study, "--json")
        status = json.loads(server.run(*ask, cwd=log.parent, **client))
        if status["state"] in {"finished", "failed", "cancelled", "paused"}:
            return status
        assert clock() < deadline, f"{status}\n{log.read_text()[-3000:]}"
        time.sleep(1)
