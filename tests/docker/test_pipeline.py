"""The steps of docker/ci, one after the other, from a commit to a study in the image made of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.environments import ROOT, Environment
from tests.docker.containers import container
from tests.docker.engine import Engine
from tests.docker.registry import Registry
from tests.support.service_process import TOKEN, Nursery, ServiceProcess
from tests.support.training.ci_lab import Team
from tuner.queue.redis_process import RedisServer

EXAMPLE = ROOT / "docker" / "example"
TUNER = str(Path(sys.executable).with_name("tuner"))
_VALIDATE = """
import sys
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation import make_schemabased_validator
validator = make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_6)
wrong = validator.validate_str(sys.stdin.read())
sys.exit(str(wrong) if wrong else 0)
"""


@pytest.fixture
def team(tmp_path: Path, engine: Engine, registry: Registry, worker: str) -> Iterator[Team]:
    """A team whose code goes on top of the worker image, as docker/example has it."""
    team = Team(tmp_path)
    shutil.copytree(EXAMPLE / "code", team.clone / "train" / "code")
    shutil.copy(EXAMPLE / "Dockerfile", team.clone / "train")
    spec = (EXAMPLE / "study" / "study.yaml").read_text()
    spec = re.sub(r"^budget:.*$", "budget: {trials: 2}  # a small one", spec, flags=re.MULTILINE)
    # What the tests leave beside the code is in no commit, and in no image.
    (team.clone / ".gitignore").write_text("__pycache__/\n")
    (team.clone / "train" / ".dockerignore").write_text("**/__pycache__\n")
    key = team.make_key()
    team.write(studies__image_yaml=spec, signers=team.signers(key))
    team.commit()
    team.environ = {
        **engine.environment(),
        # `tuner`, as an activated environment has it.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{engine.environment()['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PIPELINE_TEST": "python3 -m py_compile train/code/digits_forest.py",
        "PIPELINE_REPOSITORY": registry.name("team/digits"),
        "PIPELINE_DOCKERFILE": "train/Dockerfile",
        "PIPELINE_BUILD_ARGS": f"WORKER={worker}",
        "PIPELINE_SIGNING_KEY_FILE": str(key),
        "PIPELINE_SIGNERS": "signers",
        "PIPELINE_PINS": "studies/image.yaml image",
        "PIPELINE_SPEC": "studies/image.yaml",
    }
    yield team
    made = engine.docker("images", "--quiet", "--filter", "reference=*/team/digits")
    engine.call("rmi", "--force", *set(made.split()))


@pytest.fixture
def server(
    nursery: Nursery, private_redis: RedisServer, tmp_path: Path
) -> Iterator[ServiceProcess]:
    """The team's server."""
    home = tmp_path / "server"
    service = ServiceProcess(nursery, home, f"sqlite:///{home}/tuner.db", private_redis.url)
    with service.running():
        for folder in (home / "logs", home / "checkpoints"):
            folder.mkdir(exist_ok=True)
        yield service


def test_a_commit_becomes_a_study_in_the_signed_image_that_was_built_from_it(
    team: Team, engine: Engine, registry: Registry, server: ServiceProcess
) -> None:
    commit = team.git("rev-parse", "HEAD").strip()
    for step in ("test", "build", "push", "sbom", "sign", "pin", "change"):
        team.step(step)
    image = (team.out / "image").read_text().strip()

    # The digest is the registry's own, and the label names the commit.
    name, _, digest = image.rpartition("@")
    repository = name.partition("/")[2]
    asked = urllib.request.Request(
        f"http://{registry.address}/v2/{repository}/manifests/{digest}",
        headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
    )
    with urllib.request.urlopen(asked) as answer:  # noqa: S310 - our own registry, on the loopback
        assert answer.headers["Docker-Content-Digest"] == digest
    labels = json.loads(engine.docker("image", "inspect", image))[0]["Config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == commit

    sbom = (team.out / "sbom.cdx.json").read_text()
    python = Environment("requirements-audit.lock", ROOT).python
    done = subprocess.run(
        [python, "-c", _VALIDATE], input=sbom, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    names = {part["name"] for part in json.loads(sbom)["components"]}
    assert {"scikit-learn", "tuner-service", "libc6"} <= names

    # People merge; then the study is run, and not before.
    place = f"signatures/{digest.partition(':')[2]}"
    branch = (team.out / "branch").read_text().strip()
    team.git("switch", "--quiet", "main")
    assert not (team.clone / place).exists()
    server_environ = {"TUNER_API_URL": server.url, "TUNER_TOKEN": TOKEN}
    assert "names no image" in team.step("submit", code=2, **server_environ).stderr
    team.git("merge", "--quiet", "--ff-only", branch)
    team.git("push", "--quiet", "origin", "main")
    assert image in (team.clone / "studies" / "image.yaml").read_text()

    # The commit says how workers are bound to the image; what was measured of it is compared.
    (bound,) = re.findall(r"^tuner (token create .*)$", team.git("log", "-1", "--format=%B"), re.M)
    assert "--files" in bound
    token = team.folder / "token"
    command = [*bound.replace("NAME", "hosts").split(), "--output", str(token)]
    team.run("env", *(f"{k}={v}" for k, v in server_environ.items()), TUNER, *command)
    root = server.home
    volumes = [f"--volume={root / 'logs'}:/data/logs"]
    volumes += [f"--volume={root / 'checkpoints'}:/data/checkpoints"]
    volumes += [f"--volume={token}:/run/secrets/token:ro"]
    options = ["--network=host", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", *volumes]
    # The server of this test makes folders for its own account alone.
    options += [f"--user={os.getuid()}:{os.getgid()}", f"--env=TUNER_API_URL={server.url}"]
    options += [f"--env=TUNER_IMAGE={image}", "--env=TUNER_TOKEN_FILE=/run/secrets/token"]
    with container(engine, *options, image):
        reached = team.step(
            "submit", PIPELINE_FAIL_UNDER="0.2", PIPELINE_TIMEOUT="3m", **server_environ
        )
        assert "signed by signer@example.org" in reached.stderr
        assert "reached: the best accuracy" in reached.stdout
        assert "\x1b" not in reached.stdout + reached.stderr
        assert "### examples/image: reached" in (team.out / "summary.md").read_text()
        page = team.folder / "page.md"
        environ = {**server_environ, "GITHUB_STEP_SUMMARY": str(page)}
        missed = team.step("submit", code=1, PIPELINE_FAIL_UNDER="1.1", **environ)
        # A name of its own for each run, as the platforms' files have it.
        other = team.step("submit", PIPELINE_AS="image-12", **server_environ)
        assert "examples/image-12: finished" in other.stdout
        assert "not reached" in missed.stderr
        assert "not reached" in page.read_text()
    best = server.get("/studies/examples/image/best")[0]
    config = json.loads((server.log_root / best["run_dir"] / "config.json").read_text())
    assert (config["image"], config["image_verified"]) == (image, "files")

    # The same commit again is the same image.
    team.git("switch", "--quiet", "--detach", commit)
    team.step("build")
    team.step("push")
    assert (team.out / "image").read_text().strip() == image
    team.step("sbom")
    assert (team.out / "sbom.cdx.json").read_text() == sbom


def test_what_would_be_a_lie_is_not_built(team: Team, engine: Engine) -> None:
    tag = f"{team.environ['PIPELINE_REPOSITORY']}:{team.git('rev-parse', 'HEAD')[:12]}"
    engine.call("rmi", "--force", tag)
    unpinned = team.step("build", code=2, PIPELINE_BUILD_ARGS="WORKER=team/tuner-worker:latest")
    assert "team/tuner-worker:latest; write NAME@sha256:" in unpinned.stderr
    tagged = team.step("build", code=2, PIPELINE_REPOSITORY="127.0.0.1:5000/team/digits:latest")
    assert "without a tag" in tagged.stderr
    file = team.clone / "train" / "code" / "digits_forest.py"
    file.write_text(file.read_text() + "\n# not committed\n")
    assert "differs from commit" in team.step("build", code=2).stderr
    assert engine.call("image", "inspect", tag).returncode != 0


def test_a_registry_that_is_away_is_said_before_anything_is_built(
    team: Team, engine: Engine
) -> None:
    away = "127.0.0.1:9/team/digits"
    said = team.step("build", code=2, PIPELINE_REPOSITORY=away).stderr

    assert "does not answer, nothing was built" in said
    assert engine.docker("images", "--quiet", away) == ""
    # It goes away while the image is built.
    team.step("build")
    tag = (team.out / "tag").read_text().strip()
    engine.docker("tag", tag, f"{away}:1")
    team.leave(tag=f"{away}:1\n")
    team.step("push", code=1, PIPELINE_REPOSITORY=away)
    assert not (team.out / "image").exists()
    assert "run the step push first" in team.step("sign", code=2).stderr
