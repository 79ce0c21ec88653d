"""Wrong deployments, each made from a good one by one change of what is no pod."""

from __future__ import annotations

from tests.kubernetes.changes import (
    SCALED,
    SERVER,
    Change,
    get,
    in_container,
    in_spec,
    meta,
    with_,
    without,
)

#: By what is wrong: the overlay, and the change.
WRONG_CLUSTERS: dict[str, tuple[str, Change]] = {
    # The cluster's part.
    "one server": ("cpu", in_spec(SERVER, lambda s: s.update(replicas=1))),
    "a drain that ends both servers": ("cpu", without("PodDisruptionBudget", "tuner-server")),
    "a budget that blocks every drain": (
        "cpu",
        in_spec(("PodDisruptionBudget", "tuner-server"), lambda s: s.update(minAvailable=2)),
    ),
    "a budget for workers": (
        "cpu",
        with_(
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": meta("w"),
                "spec": {
                    "maxUnavailable": 0,
                    "selector": {"matchLabels": {"app.kubernetes.io/component": "worker"}},
                },
            }
        ),
    ),
    "an open network": ("cpu", without("NetworkPolicy", "tuner-closed")),
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
        without("PersistentVolumeClaim", "tuner-data"),
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
