"""The admission policy as the API server applies it: its expressions of CEL, on one pod."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kubernetes.kustomize import KUBERNETES, Document, load

cel = pytest.importorskip("cel", reason="needs the package common-expression-language")


def policy() -> dict[str, Any]:
    """Return the spec of the policy."""
    found = load((KUBERNETES / "base" / "admission.yaml").read_text())
    (spec,) = (d["spec"] for d in found if d["kind"] == "ValidatingAdmissionPolicy")
    return spec


def refusals(pod: Document, before: Document | None = None) -> list[str]:
    """Return what the API server says of a pod; nothing: it lets it in.

    Args:
        pod: as it is to be.
        before: as it was, for an update; None: it is new.
    """
    spec = policy()
    known = {
        "object": pod,
        "oldObject": before,
        "request": {"operation": "CREATE" if before is None else "UPDATE"},
    }
    if not all(_value(item["expression"], known) for item in spec["matchConditions"]):
        return []
    variables: dict[str, Any] = {}
    for item in spec["variables"]:
        variables[item["name"]] = _value(item["expression"], known | {"variables": variables})
    known["variables"] = variables
    return [
        str(_value(item["messageExpression"], known))
        for item in spec["validations"]
        if not _value(item["expression"], known)
    ]


def _value(expression: str, known: dict[str, Any]) -> Any:
    """Return the value of an expression.

    Raises:
        ValueError, RuntimeError: it is none, or has none: `failurePolicy` then refuses the pod.
    """
    context = cel.Context(known)
    # Of Kubernetes' own library.
    context.add_function("join", lambda parts, between: between.join(parts))
    return cel.evaluate(expression, context)
