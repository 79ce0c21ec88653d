"""Containers run by an engine as the pods of docker/kubernetes say: what of a pod needs no cluster.

Command, arguments, variables, user, rights, limits, files of Secrets, volumes and the time to end
are taken from the rendered manifests; a network with the names of the Services stands for the
cluster's. Kubernetes itself, its policies, probes by themselves and KEDA play no part.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.docker.engine import Engine
from tests.docker.images import Images
from tests.kubernetes.kustomize import KUBERNETES, Document, load, program, render
from tests.kubernetes.pods import Pod, find_pods

_UNITS = {"Mi": "m", "Gi": "g"}


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What the pods share: a network, volumes, and the files of the Secrets."""

    engine: Engine
    #: Begins the names of the network and the volumes.
    name: str
    manifests: list[Document]
    folder: Path
    held: ExitStack

    def pod(self, kind: str, name: str) -> Pod:
        """Return a pod of the manifests."""
        (found,) = (pod for pod in find_pods(self.manifests) if pod.name == f"{kind} {name}")
        return found

    def start(
        self, pod: Pod, *more: str, standin: str = "", command: Sequence[str] | None = None
    ) -> str:
        """Start the container of a pod, to be removed at the end; return its name.

        Args:
            pod: of the manifests.
            more: further options of `docker run`.
            standin: the image in the place of one that cannot be pulled here.
            command: what that image is started by, where it differs.
        """
        (container,) = pod.spec["containers"]
        command = [*(command or container.get("command", []))]
        first = [f"--entrypoint={command.pop(0)}"] if command else []
        command += container.get("args", [])
        options = [*self._rights(pod), *self._variables(container), *self._mounts(pod)]
        image = standin or container["image"]
        name = f"{self.name}-{secrets.token_hex(4)}"
        # Before it is made: one that cannot start is there all the same.
        self.held.callback(self.engine.call, "rm", "--force", "--volumes", name)
        options.append(f"--name={name}")
        self.engine.docker("run", "--detach", *options, *first, *more, image, *command)
        return name

    def probe(self, pod: Pod, started: str, kind: str = "readinessProbe") -> bool:
        """Return what a probe of the pod finds, asked from within its container."""
        probe: dict[str, Any] = pod.spec["containers"][0][kind]
        if "exec" in probe:
            command = probe["exec"]["command"]
        else:
            url = f"http://127.0.0.1:8080{probe['httpGet']['path']}"
            command = ["python3", "-c", f"import urllib.request as r; r.urlopen('{url}')"]
        return self.engine.call("exec", started, *command).returncode == 0

    def end(self, pod: Pod, started: str) -> int:
        """End a container as a pod is ended; return its status."""
        grace_s = pod.spec["terminationGracePeriodSeconds"]
        self.engine.docker("stop", "--time", str(grace_s), started)
        return self.wait(started)

    def wait(self, started: str) -> int:
        """Wait until a container has ended; return its status."""
        return int(self.engine.docker("wait", started))

    def _rights(self, pod: Pod) -> list[str]:
        context = pod.spec["securityContext"]
        (container,) = pod.spec["containers"]
        limit = container["resources"]["limits"]["memory"]
        given = [
            f"--network={self.name}",
            f"--user={context['runAsUser']}:{context['runAsGroup']}",
            f"--group-add={context['fsGroup']}",
            f"--memory={limit[:-2]}{_UNITS[limit[-2:]]}",
        ]
        own = container["securityContext"]
        if not own["allowPrivilegeEscalation"]:
            given.append("--security-opt=no-new-privileges")
        if own["readOnlyRootFilesystem"]:
            given.append("--read-only")
        return given + [f"--cap-drop={name}" for name in own["capabilities"]["drop"]]

    def _variables(self, container: dict[str, Any]) -> list[str]:
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            name = source["configMapRef"]["name"]
            (config,) = (
                d
                for d in self.manifests
                if (d["kind"], d["metadata"]["name"]) == ("ConfigMap", name)
            )
            found |= config["data"]
        found |= {entry["name"]: entry["value"] for entry in container.get("env", [])}
        return [f"--env={name}={value}" for name, value in found.items()]

    def _mounts(self, pod: Pod) -> Iterator[str]:
        (container,) = pod.spec["containers"]
        volumes = {volume["name"]: volume for volume in pod.volumes}
        for mount in container["volumeMounts"]:
            volume, path = volumes.get(mount["name"], {}), mount["mountPath"]
            if "secret" in volume:
                yield f"--volume={self._secret(volume['secret'], pod)}:{path}:ro"
            elif volume.get("emptyDir", {}).get("medium") == "Memory":
                size = volume["emptyDir"]["sizeLimit"]
                yield f"--tmpfs={path}:exec,size={size[:-2]}{_UNITS[size[-2:]]},mode=1777"
            elif "emptyDir" in volume:
                yield f"--volume={self._empty(pod)}:{path}"
            else:
                yield f"--volume={self.name}-{mount['name']}-{_shared(pod)}:{path}"

    def _empty(self, pod: Pod) -> Path:
        """Return a new folder as Kubernetes makes one for a pod: for its group."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        _give(folder, pod.spec["securityContext"]["fsGroup"], 0o2777)
        return folder

    def _secret(self, secret: dict[str, Any], pod: Pod) -> Path:
        """Return a folder with the files of a Secret, as the pod's group may read them."""
        group = pod.spec["securityContext"]["fsGroup"]
        source = self.folder / "made" / secret["secretName"]
        folder = self.folder / f"{secret['secretName']}-{pod.owner['metadata']['name']}"
        folder.mkdir(exist_ok=True)
        keys = {item["key"] for item in secret.get("items", [])} or {
            path.name for path in source.iterdir()
        }
        for key in keys:
            shutil.copy(source / key, folder / key)
            _give(folder / key, group, secret["defaultMode"])
        return folder


def _give(path: Path, group: int, mode: int) -> None:
    """Let a group in; who may not give files away lets everybody in."""
    try:
        os.chown(path, 0, group)
    except PermissionError:
        mode |= mode >> 3 & 0o007
    path.chmod(mode)


def _shared(pod: Pod) -> str:
    """Return what tells the volumes of the stores apart; all others share theirs."""
    return pod.owner["metadata"]["name"] if pod.component == "store" else "shared"


@contextmanager
def cluster(engine: Engine, images: Images, overlays: list[str], folder: Path) -> Iterator[Cluster]:
    """Give the manifests of some overlays with these images, a network, the Secrets as files."""
    copy = folder / "kubernetes"
    shutil.copytree(KUBERNETES, copy, ignore=shutil.ignore_patterns("secrets"))
    _sh(copy, "set-images.sh", images.coordinator, images.worker)
    for secret in load(_sh(copy, "secrets.sh", "--print")):
        made = folder / "made" / secret["metadata"]["name"]
        made.mkdir(parents=True)
        for key, value in secret["data"].items():
            (made / key).write_bytes(base64.b64decode(value))
    # Later overlays bring what the earlier ones lack.
    found = {
        (d["kind"], d["metadata"]["name"]): d
        for overlay in overlays
        for d in render(copy / "overlays" / overlay)
    }
    name = f"kubernetes-{os.getpid()}"
    with ExitStack() as held:
        engine.docker("network", "create", name)
        held.callback(engine.call, "network", "rm", name)
        held.callback(_remove_volumes, engine, name)
        yield Cluster(
            engine=engine, name=name, manifests=list(found.values()), folder=folder, held=held
        )


def _remove_volumes(engine: Engine, name: str) -> None:
    found = engine.docker("volume", "ls", "--quiet", "--filter", f"name={name}-").split()
    if found:
        engine.call("volume", "rm", "--force", *found)


def _sh(folder: Path, *command: str) -> str:
    path = os.pathsep.join([str(Path(program()[0]).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", *command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
