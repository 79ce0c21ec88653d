"""Which ways the network policies of a deployment leave open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.kubernetes.kustomize import Document
from tests.kubernetes.pods import of_kind

_DATABASE = 5432


def networks(manifests: Sequence[Document]) -> Iterator[str]:
    """All is closed that no policy opens; what runs users' code reaches no database."""
    policies = [policy["spec"] for policy in of_kind(manifests, "NetworkPolicy")]
    if not any(map(_closes_all, policies)):
        yield "the network is open"
    yield from _too_wide(policies)
    for spec in policies:
        reaches = {port["port"] for rule in spec.get("egress", []) for port in rule["ports"]}
        if _DATABASE in reaches and _selects(spec["podSelector"], "worker"):
            yield "trials reach the database"
    for component in ("server", "worker"):
        if not any(_selects(spec["podSelector"], component) for spec in policies):
            yield f"nothing opens the network for {component}"


def _too_wide(policies: Sequence[dict[str, Any]]) -> Iterator[str]:
    for spec in policies:
        for rule in [*spec.get("egress", []), *spec.get("ingress", [])]:
            if not rule.get("ports") or not (rule.get("to") or rule.get("from")):
                yield f"a policy opens everything: {rule}"
            if _is_everywhere(rule):
                yield f"a policy opens the way to everywhere: {rule}"


def _closes_all(spec: dict[str, Any]) -> bool:
    """Whether a policy closes both ways for every pod."""
    is_for_all = spec["podSelector"] == {} and set(spec["policyTypes"]) == {"Ingress", "Egress"}
    return is_for_all and spec.keys().isdisjoint({"ingress", "egress"})


def _is_everywhere(rule: dict[str, Any]) -> bool:
    peers = [*rule.get("to", []), *rule.get("from", [])]
    return any(
        peer.get("ipBlock", {}).get("cidr") in ("0.0.0.0/0", "::/0")
        or peer == {"namespaceSelector": {}}
        for peer in peers
    )


def _selects(selector: dict[str, Any], component: str) -> bool:
    """Whether a selector that is no empty one selects the pods of a component."""
    key = "app.kubernetes.io/component"
    if key in selector.get("matchLabels", {}):
        return bool(selector["matchLabels"][key] == component)
    return any(
        expression["key"] == key and component in expression["values"]
        for expression in selector.get("matchExpressions", [])
    )
