"""The container engine of the tests: one that runs here, or one that is started for them.

`DOCKER_HOST`, or the engine at its usual place, is taken when it answers. Otherwise root starts a
`dockerd` of its own, with its own folder (in the cache of tests/acceptance/environments.py, so that
a second run finds the layers of the first) and its own socket, and ends it again; .ci/engine
installs what that needs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.environments import CACHE

FOLDER = CACHE.resolve() / "docker"
START_S = 60.0
_USUAL = "unix:///var/run/docker.sock"


class NoEngineError(Exception):
    """No engine is here, and none can be started: why."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A running engine, and how its commands are called."""

    host: str
    #: The program `docker`.
    cli: str
    #: Folder with the plugins, and with nobody's credentials.
    config: Path

    def call(
        self,
        *arguments: str | Path,
        text: str | None = None,
        cwd: Path | None = None,
        timeout_s: float = 600.0,
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `docker ARGUMENTS` to its end, whatever that is; `text` is its standard input."""
        return subprocess.run(
            [self.cli, *arguments],
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd,
            timeout=timeout_s,
            env=self.environment(environ),
        )

    def docker(self, *arguments: str | Path, **options: object) -> str:
        """Run `docker ARGUMENTS`, which has to succeed; return its standard output, stripped.

        Args:
            arguments: of the command.
            options: as of `call`.
        """
        done = self.call(*arguments, **options)  # type: ignore[arg-type]
        said = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        assert done.returncode == 0, f"docker {' '.join(map(str, arguments))}\n{said}"
        return done.stdout.strip()

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment in which `docker` finds this engine."""
        ours = {
            "DOCKER_HOST": self.host,
            "DOCKER_CONFIG": str(self.config),
            "DOCKER_BUILDKIT": "1",
            # Scripts call it by its name.
            "PATH": f"{Path(self.cli).parent}:{os.environ['PATH']}",
        }
        return {**os.environ, **ours, **(more or {})}

    def answers(self) -> bool:
        """Whether the engine is there."""
        return self.call("info", "--format", "{{.ServerVersion}}").returncode == 0


@contextmanager
def running_engine() -> Iterator[Engine]:
    """Yield an engine with the plugins buildx and Compose; end it if it was started here.

    Raises:
        NoEngineError: there is none, and why.
    """
    cli = _cli()
    config = _config()
    engine = Engine(host=os.environ.get("DOCKER_HOST") or _USUAL, cli=cli, config=config)
    is_there = engine.answers()
    if not is_there and "DOCKER_HOST" in os.environ:
        raise NoEngineError(f"DOCKER_HOST={engine.host} does not answer")
    # Before one is started in vain.
    _require_plugins(engine)
    if is_there:
        yield engine
        return
    with _own_engine(cli, config) as own:
        yield own


def _cli() -> str:
    found = shutil.which("docker")
    if found is None:
        raise NoEngineError("there is no program docker; on Debian `sh .ci/engine` installs one")
    return found


def _config() -> Path:
    """Return a folder of settings: no credentials, and the plugins that .ci/engine has unpacked."""
    config = FOLDER / "config"
    plugins = config / "cli-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    given = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    for folder in (FOLDER / "cli-plugins", Path(given) / "cli-plugins"):
        for plugin in folder.glob("docker-*"):
            link = plugins / plugin.name
            link.unlink(missing_ok=True)
            link.symlink_to(plugin.resolve())
    return config


def _require_plugins(engine: Engine) -> None:
    for plugin in ("buildx", "compose"):
        done = engine.call(plugin, "version")
        if done.returncode:
            raise NoEngineError(
                f"the plugin docker-{plugin} is missing; on Debian `sh .ci/engine` installs it"
            )


@contextmanager
def _own_engine(cli: str, config: Path) -> Iterator[Engine]:
    daemon = shutil.which("dockerd") or shutil.which("dockerd", path="/usr/sbin:/usr/bin")
    if daemon is None:
        raise NoEngineError("none answers, and there is no dockerd to start: `sh .ci/engine`")
    if os.geteuid() != 0:
        raise NoEngineError("none answers, and only root can start one here")
    # A socket's path has at most 107 bytes, and the cache may lie deep.
    with tempfile.TemporaryDirectory(prefix="tuner-engine-") as name:
        folder = Path(name)
        log = FOLDER / "dockerd.log"
        command = [
            # A test run that is killed takes its engine along.
            *("setpriv", "--pdeathsig", "TERM"),
            daemon,
            f"--host=unix://{folder}/docker.sock",
            f"--data-root={FOLDER / 'data'}",
            f"--exec-root={folder}/exec",
            f"--pidfile={folder}/dockerd.pid",
        ]
        with log.open("w") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        engine = Engine(host=f"unix://{folder}/docker.sock", cli=cli, config=config)
        try:
            _wait_for(engine, process, log)
            yield engine
        finally:
            _end(engine, process)
            # A daemon may leave its network namespace mounted: the folder would not go.
            _unmount(folder, FOLDER / "data")


def _wait_for(engine: Engine, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while not engine.answers():
        if process.poll() is not None or time.monotonic() > deadline:
            last = log.read_text(errors="replace").strip().rpartition("\n")[2]
            raise NoEngineError(f"dockerd does not start here: {last[-800:]} ({log})")
        time.sleep(0.3)


def _end(engine: Engine, process: subprocess.Popen[bytes]) -> None:
    """End an engine that was started here, and the containers that a broken test has left."""
    if process.poll() is None:
        left = engine.call("ps", "--all", "--quiet").stdout.split()
        if left:
            engine.call("rm", "--force", "--volumes", *left)
        engine.call("network", "prune", "--force")
        process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _unmount(*folders: Path) -> None:
    """Take away what is still mounted below some folders, the innermost first."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    places = [Path(line.split(" ")[1]) for line in lines]
    for place in sorted(places, reverse=True):
        if any(place.is_relative_to(folder) for folder in folders):
            subprocess.run(["umount", "--lazy", place], check=False)
