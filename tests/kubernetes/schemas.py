"""Manifests against the schemas of Kubernetes and of KEDA: an unknown key or kind is a mistake.

The schemas are in tests/data/kubernetes; `python -m tests.kubernetes.fetching` makes them anew.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jsonschema_rs

from tests.kubernetes.kustomize import Document

DATA = Path(__file__).parents[1] / "data" / "kubernetes"
#: The oldest release that the manifests are for, and the newest whose schemas there are.
RELEASES = sorted(path.stem.removeprefix("kubernetes-") for path in DATA.glob("kubernetes-*.json"))
_MOST_SAID = 5


def mistakes(document: Document, release: str) -> list[str]:
    """Return what is wrong with a manifest, by the schemas of a release of Kubernetes.

    Args:
        document: the manifest.
        release: one of `RELEASES`.
    """
    kind = f"{document.get('apiVersion')}/{document.get('kind')}"
    validator = _validators(release).get(kind)
    if validator is None:
        return [f"{kind}: a kind that no schema is here for"]
    name = document.get("metadata", {}).get("name")
    found = [
        f"{kind} {name}: {'.'.join(map(str, error.instance_path)) or 'top'}: {error.message[:300]}"
        for error in validator.iter_errors(document)
    ]
    return found[:_MOST_SAID]


@functools.cache
def _validators(release: str) -> dict[str, jsonschema_rs.Draft202012Validator]:
    """Return a validator of each kind, by `apiVersion/kind`."""
    core = json.loads((DATA / f"kubernetes-{release}.json").read_text())
    custom = [json.loads(path.read_text()) for path in sorted(DATA.glob("keda-*.json"))]
    found = {
        kind: jsonschema_rs.Draft202012Validator({"$ref": ref, "$defs": core["$defs"]})
        for kind, ref in core["kinds"].items()
    }
    for crd in custom:
        found[crd["kind"]] = jsonschema_rs.Draft202012Validator(close(crd["schema"]))
    return found


def close(schema: Any) -> Any:
    """Return a schema in which an object that lists its keys has no others."""
    if isinstance(schema, list):
        return [close(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: close(value) for key, value in schema.items()}
    lists = isinstance(closed.get("properties"), dict) and closed.get("type") == "object"
    if lists and "additionalProperties" not in closed:
        is_open = closed.get("x-kubernetes-preserve-unknown-fields") is True
        closed["additionalProperties"] = is_open
    return closed
