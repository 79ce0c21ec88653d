"""What the images are: pushed and pulled by digest, for one user, with nothing that installs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tomllib
from typing import Any

import pytest

from tests.acceptance.environments import ROOT
from tests.docker.engine import Engine
from tests.docker.images import Images

#: Run in a container: what a process finds there, as one JSON document.
_LOOK = """
import importlib.util, json, os, pathlib, stat, subprocess, sys
found = {"uid": os.getuid(), "gid": os.getgid(), "setuid": [], "pip": [], "writable": []}
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
found["capabilities"] = status["CapEff"].strip()
found["privileges"] = status["NoNewPrivs"].strip()
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if folder != "/" or name not in ("proc", "sys", "dev")]
    for name in files:
        path = os.path.join(folder, name)
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            found["setuid"].append(path)
        if name.startswith("pip") and "/bin/" in path:
            found["pip"].append(path)
found["pip"] += [name for name in ("pip", "ensurepip") if importlib.util.find_spec(name)]
for folder in ("/", "/app", "/app/bin", "/etc", "/data", "/tmp"):
    try:
        pathlib.Path(folder, "probe").touch()
    except OSError:
        continue
    found["writable"].append(folder)
found["facts"] = json.load(open("/app/image.json"))
measure = [sys.executable, "-m", "workers", "measure", "--json"]
found["measured"] = json.loads(subprocess.check_output(measure))["files"]
found["python"] = sys.version.split()[0]
found["tensorflow"] = importlib.util.find_spec("tensorflow") is not None
print(json.dumps(found))
"""

_HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp")
_LOCKS = {
    "coordinator": "requirements-server.lock",
    "worker": "requirements-worker-plain.lock",
}

Found = dict[str, Any]


@pytest.fixture(scope="module", params=["coordinator", "worker"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def image(kind: str, built_images: Images) -> str:
    return str(getattr(built_images, kind))


@pytest.fixture(scope="module")
def found(image: str, engine: Engine) -> Found:
    """What a hardened container of the image sees."""
    look = ("run", "--rm", *_HARDENED, "--entrypoint=python3", image, "-c", _LOOK)
    return dict(json.loads(engine.docker(*look)))


@pytest.fixture(scope="module")
def config(image: str, engine: Engine) -> Found:
    """The image's own settings."""
    return dict(json.loads(engine.docker("image", "inspect", image))[0]["Config"])


def test_an_image_is_pulled_by_the_digest_it_was_pushed_with(image: str, engine: Engine) -> None:
    engine.docker("rmi", "--force", image)
    assert engine.call("image", "inspect", image).returncode != 0

    engine.docker("pull", "--quiet", image)

    assert image in json.loads(engine.docker("image", "inspect", image))[0]["RepoDigests"]


def test_a_container_runs_without_root_and_without_rights(found: Found) -> None:
    assert (found["uid"], found["gid"]) == (10001, 10001)
    assert int(found["capabilities"], 16) == 0
    assert found["privileges"] == "1"


def test_nothing_in_an_image_runs_as_another_user(found: Found) -> None:
    assert found["setuid"] == []


def test_an_image_has_no_pip(found: Found) -> None:
    assert found["pip"] == []


def test_an_image_needs_no_writable_root(found: Found) -> None:
    assert found["writable"] == ["/tmp"]  # noqa: S108 - a file system of the container's own


def test_the_flavour_plain_has_no_tensorflow(found: Found) -> None:
    assert found["tensorflow"] is False


def test_an_image_says_what_it_was_made_of(kind: str, found: Found) -> None:
    lock = (ROOT / _LOCKS[kind]).read_bytes()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert found["facts"] == {
        "version": project["version"],
        "revision": _revision(),
        "flavour": "server" if kind == "coordinator" else "plain",
        "python": found["python"],
        "lock": hashlib.sha256(lock).hexdigest(),
        # A worker measures the same when it starts, as another user and on a read-only root.
        "files": found["measured"],
    }


def test_labels_say_the_same_as_the_file_in_the_image(
    config: Found, found: Found, base: str
) -> None:
    labels = config["Labels"]

    assert labels["org.opencontainers.image.version"] == found["facts"]["version"]
    assert labels["org.opencontainers.image.revision"] == found["facts"]["revision"]
    assert labels["dev.tuner.lock"] == found["facts"]["lock"]
    assert labels["org.opencontainers.image.base.name"] == base


def test_an_image_has_a_health_check_and_an_init(config: Found) -> None:
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["Entrypoint"][0] == "dumb-init"
    assert config["User"] == "10001:10001"


def test_a_secret_of_the_build_is_in_no_layer(image: str, engine: Engine) -> None:
    history = engine.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)

    assert "BEGIN CERTIFICATE" not in history
    listing = "import os; print(sorted(os.listdir('/run')))"
    ran = engine.docker("run", "--rm", "--entrypoint=python3", image, "-c", listing)
    assert "secrets" not in ran


def _revision() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return (git("rev-parse", "HEAD") or "unknown") + ("-changed" if changed else "")
