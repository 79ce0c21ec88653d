"""What every pod of ours keeps to, beyond what Kubernetes' schemas ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from tests.kubernetes.kustomize import Document
from tests.kubernetes.pods import Pod, environment, find_pods
from tuner.server.serve import STOP_S as SERVER_STOP_S
from tuner.settings import SETTINGS
from workers.agent.attempt import GRACE_S
from workers.fleet.supervisor import STOP_S
from workers.host.orphans import END_S

BY_DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
#: What may hold a password is given as a file.
_SECRET = re.compile(r"TOKEN|PASSWORD|DATABASE_URL|REDIS_URL|KEY$")
_FILES = ("TUNER_TLS_KEY",)
#: To start and to end a process takes time as well.
MARGIN_S = 5.0
#: What a machine that is taken away gives an ordinary pod, on the cloud that gives least (GKE).
LEAST_NOTICE_S = 15.0
_HOST = ("hostNetwork", "hostPID", "hostIPC", "hostUsers", "shareProcessNamespace")
_VOLUMES = {"emptyDir", "secret", "configMap", "persistentVolumeClaim", "projected"}


def images(manifests: Sequence[Document]) -> Iterator[str]:
    """Every image is named by digest, and a worker states the one that it runs."""
    for pod in find_pods(manifests):
        for container in pod.containers:
            image, stated = container["image"], environment(container).get("TUNER_IMAGE")
            if not BY_DIGEST.fullmatch(image):
                yield f"{pod.name}: {image} has no digest"
            if container["name"] == "worker" and stated is None:
                yield f"{pod.name}: a worker states its image in TUNER_IMAGE"
            if stated is not None and stated.get("value") != image:
                yield f"{pod.name}: TUNER_IMAGE is {stated.get('value')}, and {image} is run"


def confinement(manifests: Sequence[Document]) -> Iterator[str]:
    """No root, no capability, no writable root file system, nothing of the host."""
    for pod in find_pods(manifests):
        context = pod.spec.get("securityContext", {})
        if not context.get("runAsNonRoot") or not context.get("runAsUser"):
            yield f"{pod.name}: may run as root"
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{pod.name}: no seccomp profile"
        if found := [key for key in _HOST if key in pod.spec]:
            yield f"{pod.name}: {', '.join(found)}"
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{pod.name}: has a token of the cluster's API"
        for volume in pod.volumes:
            if volume.keys().isdisjoint(_VOLUMES):
                yield f"{pod.name}: a volume of another kind: {volume}"
        yield from _confined(pod)


def _confined(pod: Pod) -> Iterator[str]:
    for container in pod.containers:
        context = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
            yield f"{pod.name}: may gain privileges"
        if context.get("readOnlyRootFilesystem") is not True:
            yield f"{pod.name}: its root file system is writable"
        if context.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{pod.name}: keeps capabilities"
        if any("hostPort" in port for port in container.get("ports", [])):
            yield f"{pod.name}: a port of the host"


def resources(manifests: Sequence[Document]) -> Iterator[str]:
    """Every container says what it needs and has a limit of memory."""
    for pod in find_pods(manifests):
        for container in pod.containers:
            found = container.get("resources", {})
            if not {"cpu", "memory"} <= found.get("requests", {}).keys():
                yield f"{pod.name}: requests cpu and memory"
            if "memory" not in found.get("limits", {}):
                yield f"{pod.name}: has no limit of memory"


def scratch(manifests: Sequence[Document]) -> Iterator[str]:
    """What a container may write to has a limit; workers have shared memory."""
    for pod in find_pods(manifests):
        for volume in pod.volumes:
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"{pod.name}: volume {volume['name']} has no sizeLimit"
        shm = [v.get("emptyDir", {}).get("medium") for v in pod.mounts("/dev/shm")]  # noqa: S108
        if pod.component == "worker" and shm != ["Memory"]:
            yield f"{pod.name}: no /dev/shm"
        if pod.component != "store" and not pod.mounts("/tmp"):  # noqa: S108
            yield f"{pod.name}: no /tmp"


def secrets(manifests: Sequence[Document]) -> Iterator[str]:
    """Secrets are files that the deployer brings; a worker gets its own token and nothing else."""
    for document in manifests:
        if document["kind"] == "Secret":
            yield f"Secret {document['metadata']['name']}: secrets do not stand in manifests"
    for pod in find_pods(manifests):
        if pod.component == "worker" and pod.secrets - {"tuner-worker", "tuner-tls"}:
            yield f"{pod.name}: a trial reads what its worker reads: {sorted(pod.secrets)}"
        for volume in pod.volumes:
            if volume.get("secret", {}).get("defaultMode", 0o440) & 0o007:
                yield f"{pod.name}: {volume['name']} is readable for everybody"
        for container in pod.containers:
            yield from _as_files(pod, container)


def _as_files(pod: Pod, container: dict[str, Any]) -> Iterator[str]:
    for name, entry in environment(container).items():
        if "secretKeyRef" in entry.get("valueFrom", {}):
            yield f"{pod.name}: {name} is a secret in the environment"
        if _SECRET.search(name) and not name.endswith("_FILE") and name not in _FILES:
            yield f"{pod.name}: {name} belongs into a file, as {name}_FILE"
    if any("secretRef" in source for source in container.get("envFrom", [])):
        yield f"{pod.name}: a Secret as environment"


def settings(manifests: Sequence[Document]) -> Iterator[str]:
    """Every variable of ours is a setting of ours."""
    known = {f"TUNER_{name}{end}" for name in SETTINGS for end in ("", "_FILE")}
    found = {
        name
        for pod in find_pods(manifests)
        for container in pod.containers
        for name in environment(container)
    }
    for pod in find_pods(manifests):
        # The Service `tuner` would become TUNER_PORT and others.
        if pod.spec.get("enableServiceLinks") is not False:
            yield f"{pod.name}: Kubernetes adds variables that look like settings"
    for document in manifests:
        if document["kind"] == "ConfigMap":
            found |= document.get("data", {}).keys()
    for name in sorted(found):
        if name.startswith("TUNER_") and name not in known:
            yield f"{name} is no setting"


def lifetimes(manifests: Sequence[Document]) -> Iterator[str]:
    """A pod that must go is given the time that its process takes to go well."""
    needed = {"worker": STOP_S + END_S, "server": SERVER_STOP_S + MARGIN_S}
    if GRACE_S >= LEAST_NOTICE_S or STOP_S > LEAST_NOTICE_S:
        yield f"a trial and its worker take {GRACE_S:g} s and {STOP_S:g} s to leave"
    for pod in find_pods(manifests):
        given = pod.spec.get("terminationGracePeriodSeconds", 0)
        least = needed.get(pod.component, 0.0) + MARGIN_S
        if given < least:
            yield f"{pod.name}: {given} s to end, and it needs {least:g} s"


def probes(manifests: Sequence[Document]) -> Iterator[str]:
    """What stays is asked whether it still works; the server, whether it can do its work."""
    for pod in find_pods(manifests):
        (container,) = pod.spec["containers"]
        if pod.component == "server":
            paths = {
                probe: container.get(probe, {}).get("httpGet", {}).get("path")
                for probe in ("startupProbe", "livenessProbe", "readinessProbe")
            }
            expected = {"startupProbe": "/healthz", "livenessProbe": "/healthz"}
            if paths != expected | {"readinessProbe": "/readyz"}:
                yield f"{pod.name}: its probes ask {paths}"
        elif pod.component == "worker" and pod.owner["kind"] == "Deployment":
            control = container["args"][-1]
            asked = container.get("readinessProbe", {}).get("exec", {}).get("command")
            if asked != ["python3", "-m", "workers", "health", "--control", control]:
                yield f"{pod.name}: nobody sees whether it has joined the service"
        elif pod.component == "store" and "readinessProbe" not in container:
            yield f"{pod.name}: nobody asks whether it is ready"


POD_RULES = (images, confinement, resources, scratch, secrets, settings, lifetimes, probes)
