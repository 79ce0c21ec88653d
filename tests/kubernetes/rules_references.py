"""What a deployment's manifests name is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.kubernetes.kustomize import Document
from tests.kubernetes.pods import Pod, find_pods

#: Made by the deployer, by docker/kubernetes/secrets.sh or a vault.
SECRETS = {"tuner-server", "tuner-worker", "tuner-keda", "tuner-tls", "postgres", "redis"}


def references(manifests: Sequence[Document]) -> Iterator[str]:
    """What is named is there, and what selects pods selects some."""
    there = {(d["kind"], d["metadata"]["name"]) for d in manifests}
    pods = list(find_pods(manifests))
    for pod in pods:
        for kind, name in sorted({*_named(pod)} - there):
            yield f"{pod.name}: there is no {kind} {name}"
        for name in sorted(pod.secrets - SECRETS):
            yield f"{pod.name}: nobody makes the Secret {name}"
        for name in sorted(_mounted(pod) - _volumes(pod)):
            yield f"{pod.name}: there is no volume {name}"
    for document in manifests:
        selector = _selector(document)
        if selector is not None and not any(selector.items() <= pod.labels.items() for pod in pods):
            yield f"{document['kind']} {document['metadata']['name']}: selects nothing"


def _named(pod: Pod) -> Iterator[tuple[str, str]]:
    """Yield kind and name of what the pod needs to be there."""
    for volume in pod.volumes:
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for container in pod.containers:
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                yield "ConfigMap", source["configMapRef"]["name"]
    for key, kind in (
        ("serviceAccountName", "ServiceAccount"),
        ("priorityClassName", "PriorityClass"),
    ):
        if key in pod.spec:
            yield kind, pod.spec[key]


def _mounted(pod: Pod) -> set[str]:
    return {m["name"] for c in pod.containers for m in c.get("volumeMounts", [])}


def _volumes(pod: Pod) -> set[str]:
    own = {c["metadata"]["name"] for c in pod.owner["spec"].get("volumeClaimTemplates", [])}
    return own | {volume["name"] for volume in pod.volumes}


def _selector(document: Document) -> dict[str, str] | None:
    """Return the labels that a document selects pods by; None: it selects none, or all."""
    spec: dict[str, Any] = document.get("spec", {})
    if document["kind"] == "Service":
        found: dict[str, str] = spec["selector"]
        return found
    if document["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
        labels: dict[str, str] = spec["selector"]["matchLabels"]
        return labels
    return None
