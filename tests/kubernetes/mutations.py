"""Wrong manifests, each made from a good one by one change; none of them may pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.kubernetes.kustomize import Document
from tests.kubernetes.pods import Pod, find_pods

Change = Callable[[list[Document]], None]


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One change of an overlay."""

    name: str
    overlay: str
    change: Change


def get(manifests: Sequence[Document], kind: str, name: str) -> Document:
    """Return one document."""
    (found,) = (d for d in manifests if (d["kind"], d["metadata"]["name"]) == (kind, name))
    return found


def pod(manifests: Sequence[Document], kind: str, name: str) -> Pod:
    """Return the pod of one document."""
    owner = get(manifests, kind, name)
    (found,) = (pod for pod in find_pods(manifests) if pod.owner is owner)
    return found


SERVER, WORKER = ("Deployment", "tuner-server"), ("Deployment", "tuner-worker")
SCALED = ("ScaledJob", "tuner-worker")


def in_pod(of: tuple[str, str], change: Callable[[dict[str, Any]], Any]) -> Change:
    """Return the change of a pod's spec."""

    def apply(manifests: list[Document]) -> None:
        change(pod(manifests, *of).spec)

    return apply


def in_container(of: tuple[str, str], change: Callable[[dict[str, Any]], Any]) -> Change:
    """Return the change of a pod's first container."""
    return in_pod(of, lambda spec: change(spec["containers"][0]))


def in_spec(of: tuple[str, str], change: Callable[[dict[str, Any]], Any]) -> Change:
    """Return the change of a document's spec."""

    def apply(manifests: list[Document]) -> None:
        change(get(manifests, *of)["spec"])

    return apply


def set_env(name: str, value: str) -> Callable[[dict[str, Any]], None]:
    """Return the change that sets a variable of a container."""

    def apply(container: dict[str, Any]) -> None:
        container["env"] = [e for e in container["env"] if e["name"] != name]
        container["env"].append({"name": name, "value": value})

    return apply


def _without(kind: str, name: str) -> Change:
    def apply(manifests: list[Document]) -> None:
        manifests.remove(get(manifests, kind, name))

    return apply


def _with(document: Document) -> Change:
    return lambda manifests: manifests.append(document)


def _meta(name: str) -> dict[str, Any]:
    return {"name": name, "namespace": "tuner"}


def _rename(mapping: dict[str, Any], old: str, new: str) -> None:
    mapping[new] = mapping.pop(old)


_CHANGES: dict[str, tuple[str, Change]] = {
    # Keys and kinds that nobody knows, values of another type.
    "a misspelt key of a pod": (
        "cpu",
        in_pod(
            WORKER,
            lambda s: _rename(s, "terminationGracePeriodSeconds", "terminationGracePeriodSecond"),
        ),
    ),
    "a misspelt key of a container": (
        "cpu",
        in_container(SERVER, lambda c: _rename(c, "livenessProbe", "livenesProbe")),
    ),
    "a misspelt key of a Deployment": (
        "cpu",
        in_spec(SERVER, lambda s: _rename(s, "replicas", "replicass")),
    ),
    "a text where a number belongs": ("cpu", in_spec(SERVER, lambda s: s.update(replicas="two"))),
    "a misspelt key of KEDA's": (
        "nvidia",
        in_spec(SCALED, lambda s: _rename(s, "maxReplicaCount", "maxReplicaCont")),
    ),
    "a misspelt key in the pod of KEDA's": (
        "nvidia",
        in_container(SCALED, lambda c: _rename(c, "resources", "resource")),
    ),
    "a number where KEDA wants a strategy": (
        "nvidia",
        in_spec(SCALED, lambda s: s.update(scalingStrategy=5)),
    ),
    "an unknown kind": (
        "cpu",
        _with({"apiVersion": "apps/v1", "kind": "Deploymnet", "metadata": _meta("x"), "spec": {}}),
    ),
    "a kind of an older API": (
        "cpu",
        lambda m: get(m, "PodDisruptionBudget", "tuner-server").update(apiVersion="policy/v1beta1"),
    ),
    "a policy without a CEL expression": (
        "cpu",
        in_spec(
            ("ValidatingAdmissionPolicy", "tuner-images"),
            lambda s: s["validations"][0].pop("expression"),
        ),
    ),
    # What runs.
    "an image by tag": ("cpu", in_container(SERVER, lambda c: c.update(image="tuner:1.0"))),
    "an image without a tag": ("cpu", in_container(WORKER, lambda c: c.update(image="tuner"))),
    "a store of the newest release": (
        "try",
        in_container(("StatefulSet", "redis"), lambda c: c.update(image="redis:latest")),
    ),
    "a worker that states another image": (
        "cpu",
        in_container(WORKER, set_env("TUNER_IMAGE", f"x@sha256:{'a' * 64}")),
    ),
    "a worker of KEDA's that states another image": (
        "nvidia",
        in_container(SCALED, set_env("TUNER_IMAGE", f"x@sha256:{'a' * 64}")),
    ),
    "a token that stands for another image": (
        "cpu",
        in_container(SERVER, set_env("TUNER_WORKER_IMAGE", f"x@sha256:{'a' * 64}")),
    ),
    "a token that stands for any image": (
        "nvidia",
        in_container(
            SERVER,
            lambda c: c.update(env=[e for e in c["env"] if e["name"] != "TUNER_WORKER_IMAGE"]),
        ),
    ),
    "a worker that states none": (
        "cpu",
        in_container(
            WORKER,
            lambda c: c.update(env=[e for e in c["env"] if e["name"] != "TUNER_IMAGE"]),
        ),
    ),
    # What a container may do.
    "root": ("cpu", in_pod(WORKER, lambda s: s["securityContext"].update(runAsUser=0))),
    "root allowed": ("cpu", in_pod(SERVER, lambda s: s["securityContext"].pop("runAsNonRoot"))),
    "a privileged container": (
        "cpu",
        in_container(WORKER, lambda c: c["securityContext"].update(privileged=True)),
    ),
    "more privileges later": (
        "cpu",
        in_container(WORKER, lambda c: c["securityContext"].pop("allowPrivilegeEscalation")),
    ),
    "a capability": (
        "nvidia",
        in_container(SCALED, lambda c: c["securityContext"].pop("capabilities")),
    ),
    "a writable root": (
        "cpu",
        in_container(SERVER, lambda c: c["securityContext"].update(readOnlyRootFilesystem=False)),
    ),
    "no seccomp": ("cpu", in_pod(WORKER, lambda s: s["securityContext"].pop("seccompProfile"))),
    "the host's network": ("cpu", in_pod(WORKER, lambda s: s.update(hostNetwork=True))),
    "a folder of the host": (
        "cpu",
        in_pod(WORKER, lambda s: s["volumes"].append({"name": "h", "hostPath": {"path": "/"}})),
    ),
    "a port of the host": (
        "cpu",
        in_container(SERVER, lambda c: c["ports"][0].update(hostPort=8080)),
    ),
    "a token of the cluster": (
        "cpu",
        in_pod(WORKER, lambda s: s.pop("automountServiceAccountToken")),
    ),
    "an account with a token": (
        "cpu",
        lambda m: get(m, "ServiceAccount", "tuner-worker").pop("automountServiceAccountToken"),
    ),
    "a role": (
        "cpu",
        _with(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": _meta("r"),
                "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
            }
        ),
    ),
    # Secrets.
    "a password in a manifest": (
        "cpu",
        _with(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": _meta("tuner-server"),
                "stringData": {"token": "x"},
            }
        ),
    ),
    "a token in the environment": ("cpu", in_container(WORKER, set_env("TUNER_TOKEN", "x"))),
    "a database's password in the environment": (
        "cpu",
        in_container(SERVER, set_env("TUNER_DATABASE_URL", "postgresql://t:p@h/t")),
    ),
    "a secret of Kubernetes' in the environment": (
        "cpu",
        in_container(
            SERVER,
            lambda c: c["env"].append(
                {"name": "X", "valueFrom": {"secretKeyRef": {"name": "tuner-server", "key": "k"}}}
            ),
        ),
    ),
    "a worker that holds the server's secrets": (
        "cpu",
        in_pod(WORKER, lambda s: s["volumes"][0]["secret"].update(secretName="tuner-server")),
    ),
    "secrets that everybody may read": (
        "cpu",
        in_pod(SERVER, lambda s: s["volumes"][0]["secret"].update(defaultMode=0o444)),
    ),
    # What a pod gets.
    "no limit of memory": ("cpu", in_container(WORKER, lambda c: c["resources"].pop("limits"))),
    "no request": ("cpu", in_container(SERVER, lambda c: c["resources"].pop("requests"))),
    "no /dev/shm": (
        "cpu",
        in_container(
            WORKER,
            lambda c: c.update(volumeMounts=[m for m in c["volumeMounts"] if m["name"] != "shm"]),
        ),
    ),
    "an endless /tmp": (
        "cpu",
        in_pod(WORKER, lambda s: s["volumes"][1].update(emptyDir={})),
    ),
    "a grace in which nothing is saved": (
        "cpu",
        in_pod(WORKER, lambda s: s.update(terminationGracePeriodSeconds=10)),
    ),
    "a grace of none, for spot": (
        "spot",
        in_pod(SCALED, lambda s: s.pop("terminationGracePeriodSeconds")),
    ),
    "a server that is not asked whether it is ready": (
        "cpu",
        in_container(SERVER, lambda c: c.pop("readinessProbe")),
    ),
    "a server that is restarted with its database": (
        "cpu",
        in_container(SERVER, lambda c: c["livenessProbe"]["httpGet"].update(path="/readyz")),
    ),
    "workers of which nobody sees whether they work": (
        "cpu",
        in_container(WORKER, lambda c: c["args"].__setitem__(4, "/tmp/other.json")),  # noqa: S108
    ),
    "variables for every service": (
        "cpu",
        in_pod(WORKER, lambda s: s.pop("enableServiceLinks")),
    ),
    "a variable that is no setting": (
        "cpu",
        in_container(SERVER, set_env("TUNER_LOGROOT", "/data/logs")),
    ),
    "a command that there is not": (
        "cpu",
        in_container(WORKER, lambda c: c.update(args=["fleet", "--number", "1"])),
    ),
    # The cluster's part.
    "one server": ("cpu", in_spec(SERVER, lambda s: s.update(replicas=1))),
    "a drain that ends both servers": ("cpu", _without("PodDisruptionBudget", "tuner-server")),
    "a budget that blocks every drain": (
        "cpu",
        in_spec(("PodDisruptionBudget", "tuner-server"), lambda s: s.update(minAvailable=2)),
    ),
    "a budget for workers": (
        "cpu",
        _with(
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": _meta("w"),
                "spec": {
                    "maxUnavailable": 0,
                    "selector": {"matchLabels": {"app.kubernetes.io/component": "worker"}},
                },
            }
        ),
    ),
    "an open network": ("cpu", _without("NetworkPolicy", "tuner-closed")),
    "workers that reach the database": (
        "cpu",
        in_spec(
            ("NetworkPolicy", "tuner-server"),
            lambda s: s["podSelector"]["matchExpressions"][0]["values"].append("worker"),
        ),
    ),
    "workers that reach the internet": (
        "cpu",
        in_spec(
            ("NetworkPolicy", "tuner-worker"),
            lambda s: s["egress"].append(
                {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443}]}
            ),
        ),
    ),
    "a service without pods": (
        "cpu",
        in_spec(("Service", "tuner"), lambda s: s["selector"].update({"app": "tuner"})),
    ),
    "a namespace that admits root": (
        "cpu",
        lambda m: get(m, "Namespace", "tuner")["metadata"]["labels"].pop(
            "pod-security.kubernetes.io/enforce"
        ),
    ),
    "a namespace that admits any image": (
        "cpu",
        lambda m: get(m, "Namespace", "tuner")["metadata"]["labels"].pop("tuner.dev/images"),
    ),
    "a policy that only warns": (
        "cpu",
        in_spec(
            ("ValidatingAdmissionPolicyBinding", "tuner-images"),
            lambda s: s.update(validationActions=["Warn"]),
        ),
    ),
    "another namespace": (
        "cpu",
        lambda m: get(m, "Deployment", "tuner-server")["metadata"].update(namespace="default"),
    ),
    "a volume that nobody makes": (
        "cpu",
        _without("PersistentVolumeClaim", "tuner-data"),
    ),
    # KEDA's part.
    "a trial that Kubernetes runs again": (
        "nvidia",
        in_spec(SCALED, lambda s: s["jobTargetRef"].update(backoffLimit=6)),
    ),
    "an update that ends running trials": (
        "nvidia",
        in_spec(SCALED, lambda s: s.pop("rollout")),
    ),
    "a pod that takes one trial after the other": (
        "nvidia",
        in_container(SCALED, lambda c: c.update(args=c["args"][:5])),
    ),
    "a GPU that nobody asks KEDA for": (
        "nvidia",
        in_container(SCALED, lambda c: c["resources"]["limits"].update({"nvidia.com/gpu": 2})),
    ),
    "a query for another image": (
        "nvidia",
        in_container(SCALED, lambda c: c.update(image=f"x@sha256:{'a' * 64}")),
    ),
    "pods that are always there": (
        "nvidia",
        in_spec(SCALED, lambda s: s.update(minReplicaCount=1)),
    ),
    "a strategy that starts pods for what runs": (
        "nvidia",
        in_spec(SCALED, lambda s: s.update(scalingStrategy={"strategy": "accurate"})),
    ),
}

MUTATIONS = [
    Mutation(name=name, overlay=overlay, change=change)
    for name, (overlay, change) in _CHANGES.items()
]
