"""The scripts of docker/kubernetes, as far as they go without a cluster."""

from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.kubernetes.kustomize import KUBERNETES, Document, load, program, render
from tests.kubernetes.pods import find_pods
from tests.kubernetes.rules_references import SECRETS
from tuner.queue.redis_access import RedisAccess

#: They render everything several times.
pytestmark = pytest.mark.slow
SERVER, WORKER = (
    f"registry.example:5000/team/{n}@sha256:{c * 64}" for n, c in (("s", "a"), ("w", "b"))
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The folder, to be written to."""
    target = tmp_path / "kubernetes"
    shutil.copytree(KUBERNETES, target, ignore=shutil.ignore_patterns("secrets"))
    return target


def run(copy: Path, *command: str, status: int = 0) -> str:
    """Run a script; return what it says."""
    kubectl = Path(program()[0])
    if program()[-1] != "kustomize":
        pytest.skip("needs kubectl")
    path = os.pathsep.join([str(kubectl.parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", *command],
        cwd=copy,
        env={**os.environ, "PATH": path, "KUBECONFIG": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def secrets_of(text: str) -> dict[str, dict[str, str]]:
    """Return the Secrets in a text, by name."""
    found: list[Document] = load(text)
    return {
        secret["metadata"]["name"]: {
            key: base64.b64decode(value).decode() for key, value in secret["data"].items()
        }
        for secret in found
    }


def test_the_secrets_are_made_once_closed_and_as_the_manifests_want_them(copy: Path) -> None:
    made = secrets_of(run(copy, "secrets.sh", "--print"))

    assert made.keys() == SECRETS - {"tuner-tls"}
    for name in ("cpu", "try-scaled"):
        for pod in find_pods(render(KUBERNETES / "overlays" / name)):
            for volume in pod.volumes:
                secret = volume.get("secret", {})
                wanted = {item["key"] for item in secret.get("items", [])}
                assert wanted <= made.get(secret.get("secretName"), {}).keys()
    server = made["tuner-server"]
    assert set(server) == {
        *("database_url", "redis_url", "worker_redis_url", "token", "worker_token")
    }
    assert made["tuner-worker"] == {"token": server["worker_token"]}
    assert server["token"] != server["worker_token"]
    folder = copy / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    own = "postgresql+psycopg://tuner:mine@db.example/tuner?sslmode=verify-full"
    (folder / "database_url").write_text(own)
    assert secrets_of(run(copy, "secrets.sh", "--print")) == {
        **made,
        "tuner-server": {**server, "database_url": own},
    }


def test_the_redis_of_the_cluster_has_the_users_of_a_private_one(copy: Path) -> None:
    made = secrets_of(run(copy, "secrets.sh", "--print"))["redis"]["redis.conf"].splitlines()
    rules = RedisAccess(server="1", worker="2").rules((7, 0))

    for name in ("server", "worker"):
        (ours,) = [line.partition("~")[2] for line in made if line.startswith(f"user {name} ")]
        (private,) = [line.partition("~")[2] for line in rules if line.startswith(f"user {name} ")]
        assert ours == private
    assert "user default off" in made


def test_images_that_are_set_are_what_every_pod_runs_and_states(copy: Path) -> None:
    tagged = WORKER.replace("@", ":1.2@")
    run(copy, "set-images.sh", SERVER, tagged)
    pods = {pod.name: pod for pod in find_pods(render(copy / "overlays" / "nvidia"))}

    assert pods["Deployment tuner-server"].containers[0]["image"] == SERVER
    worker = pods["ScaledJob tuner-worker"]
    assert worker.containers[0]["image"] == WORKER
    assert {"name": "TUNER_IMAGE", "value": WORKER} in worker.containers[0]["env"]
    assert (
        f"VALUES ('{WORKER}', '1'::int)" in worker.owner["spec"]["triggers"][0]["metadata"]["query"]
    )


@pytest.mark.parametrize(
    "image",
    ["tuner:1.0", "tuner", f"tuner@sha256:{'0' * 64}", f"tuner@sha256:{'a' * 63}", "'; rm -rf /"],
)
def test_an_image_without_a_digest_is_not_set(copy: Path, image: str) -> None:
    before = (copy / "components/images/kustomization.yaml").read_text()
    said = run(copy, "set-images.sh", SERVER, image, status=2)

    assert said.startswith(f"set-images: {image}: ")
    assert (copy / "components/images/kustomization.yaml").read_text() == before


def test_the_try_renders_everything_without_a_cluster_and_says_what_is_missing(copy: Path) -> None:
    said = run(copy, "try.sh", "--render")
    assert said.count("manifests") == len(list((copy / "overlays").iterdir()))

    assert "no images are set" in run(copy, "try.sh", status=2)
    if not (shutil.which("kind") or shutil.which("k3s")):
        assert "neither kind nor k3s is here" in run(copy, "try.sh", SERVER, WORKER, status=2)
