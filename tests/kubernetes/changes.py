"""How a good manifest is made a wrong one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.kubernetes.kustomize import Document
from tests.kubernetes.pods import Pod, find_pods

Change = Callable[[list[Document]], None]


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


def without(kind: str, name: str) -> Change:
    """Return the change that takes a document away."""

    def apply(manifests: list[Document]) -> None:
        manifests.remove(get(manifests, kind, name))

    return apply


def with_(document: Document) -> Change:
    """Return the change that adds a document."""
    return lambda manifests: manifests.append(document)


def meta(name: str) -> dict[str, Any]:
    """Return the metadata of a document that is added."""
    return {"name": name, "namespace": "tuner"}


def rename(mapping: dict[str, Any], old: str, new: str) -> None:
    """Give a key another name."""
    mapping[new] = mapping.pop(old)
