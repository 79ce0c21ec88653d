"""The pods in a set of manifests, whatever makes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.kubernetes.kustomize import Document

#: Where the template of a pod is, by kind.
TEMPLATES: dict[str, tuple[str, ...]] = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "ScaledJob": ("spec", "jobTargetRef", "template"),
}


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A template of a pod, and who makes pods of it."""

    owner: Document
    template: Document

    @property
    def name(self) -> str:
        """Kind and name of the owner, for messages."""
        return f"{self.owner['kind']} {self.owner['metadata']['name']}"

    @property
    def spec(self) -> dict[str, Any]:
        """The spec of the pod."""
        found: dict[str, Any] = self.template["spec"]
        return found

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the pod."""
        found: dict[str, str] = self.template.get("metadata", {}).get("labels", {})
        return found

    @property
    def component(self) -> str:
        """What it is: server, worker, migrate, store; empty: it does not say."""
        return self.labels.get("app.kubernetes.io/component", "")

    @property
    def containers(self) -> list[dict[str, Any]]:
        """All containers, those that come first too."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def volumes(self) -> list[dict[str, Any]]:
        """The volumes."""
        found: list[dict[str, Any]] = self.spec.get("volumes", [])
        return found

    @property
    def secrets(self) -> set[str]:
        """The Secrets that it mounts."""
        return {v["secret"]["secretName"] for v in self.volumes if "secret" in v}

    def mounts(self, path: str) -> list[dict[str, Any]]:
        """Return the volumes that containers see at `path`."""
        names = {
            mount["name"]
            for container in self.containers
            for mount in container.get("volumeMounts", [])
            if mount["mountPath"] == path
        }
        return [volume for volume in self.volumes if volume["name"] in names]


def find_pods(manifests: Sequence[Document]) -> Iterator[Pod]:
    """Yield the template of every pod."""
    for document in manifests:
        path = TEMPLATES.get(document["kind"])
        if path is not None:
            template = document
            for key in path:
                template = template[key]
            yield Pod(owner=document, template=template)


def of_kind(manifests: Sequence[Document], kind: str) -> list[Document]:
    """Return the documents of a kind."""
    return [document for document in manifests if document["kind"] == kind]


def environment(container: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what is set in a container one by one, by name."""
    return {entry["name"]: entry for entry in container.get("env", [])}
