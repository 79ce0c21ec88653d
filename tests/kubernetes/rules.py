"""What the manifests of one deployment keep to together: names, networks, rights, KEDA."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tests.kubernetes.kustomize import Document
from tests.kubernetes.pods import environment, find_pods, of_kind
from tests.kubernetes.rules_network import networks
from tests.kubernetes.rules_pods import POD_RULES
from tests.kubernetes.rules_references import references
from workers.__main__ import _parser
from workers.stint import read_limits

NAMESPACE = "tuner"
CLUSTER_WIDE = {
    *("Namespace", "PersistentVolume", "PriorityClass"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
}
#: With one of them an account could ask the cluster's API for something.
_RIGHTS = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def problems(manifests: Sequence[Document]) -> list[str]:
    """Return what is wrong with the manifests of one deployment."""
    rules = (
        *POD_RULES,
        places,
        rights,
        references,
        replicas,
        drains,
        networks,
        workers,
        bound,
        scaled,
    )
    return [said for rule in rules for said in rule(manifests)]


def places(manifests: Sequence[Document]) -> Iterator[str]:
    """Everything is in the one namespace, which the cluster watches over."""
    for document in manifests:
        name = f"{document['kind']} {document['metadata']['name']}"
        expected = None if document["kind"] in CLUSTER_WIDE else NAMESPACE
        if document["metadata"].get("namespace") != expected:
            yield f"{name}: its namespace is not {expected}"
    (namespace,) = of_kind(manifests, "Namespace")
    labels = namespace["metadata"].get("labels", {})
    if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
        yield "the namespace lets pods become root"
    bindings = of_kind(manifests, "ValidatingAdmissionPolicyBinding")
    selected = [b["spec"]["matchResources"]["namespaceSelector"]["matchLabels"] for b in bindings]
    if not any(wanted.items() <= labels.items() for wanted in selected):
        yield "no policy looks at the images of the namespace"
    policies = {p["metadata"]["name"] for p in of_kind(manifests, "ValidatingAdmissionPolicy")}
    if any(b["spec"]["policyName"] not in policies for b in bindings):
        yield "a binding of a policy that is not there"
    if any("Deny" not in b["spec"]["validationActions"] for b in bindings):
        yield "the policy refuses nothing"


def rights(manifests: Sequence[Document]) -> Iterator[str]:
    """Nothing of ours asks Kubernetes anything."""
    for document in manifests:
        if document["kind"] in _RIGHTS:
            yield f"{document['kind']} {document['metadata']['name']}: gives rights"
    for account in of_kind(manifests, "ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount {account['metadata']['name']}: gives a token"


def replicas(manifests: Sequence[Document]) -> Iterator[str]:
    """A second server stands by."""
    for document in of_kind(manifests, "Deployment"):
        if document["metadata"]["name"] == "tuner-server":
            if document["spec"]["replicas"] < 2:
                yield "nobody takes over when the server is gone"
            rolling = document["spec"]["strategy"].get("rollingUpdate", {})
            if rolling.get("maxUnavailable") != 1:
                yield "an update ends all servers at once, or none"


def drains(manifests: Sequence[Document]) -> Iterator[str]:
    """A drain of a node leaves one server; workers may always go."""
    budgets = of_kind(manifests, "PodDisruptionBudget")
    if not budgets:
        yield "a drain may end both servers"
    for document in budgets:
        name, labels = document["metadata"]["name"], document["spec"]["selector"]["matchLabels"]
        if labels.get("app.kubernetes.io/component") != "server":
            yield f"PodDisruptionBudget {name}: keeps nodes from being drained"
        elif document["spec"].get("minAvailable") != 1:
            yield f"PodDisruptionBudget {name}: leaves no server, or lets none go"


def workers(manifests: Sequence[Document]) -> Iterator[str]:
    """Workers are started by a command that exists; those that stay do not leave by themselves."""
    found = [pod for pod in find_pods(manifests) if pod.component == "worker"]
    if not found:
        yield "no worker"
    for pod in found:
        args = pod.spec["containers"][0]["args"]
        try:
            limits = read_limits(_parser().parse_args(args))
        except SystemExit:
            yield f"{pod.name}: python -m workers does not know {args}"
            continue
        is_scaled = pod.owner["kind"] == "ScaledJob"
        if is_scaled and (limits.attempts != 1 or limits.idle_s is None):
            yield f"{pod.name}: a pod that is made for one attempt stays"
        if not is_scaled and limits.is_any:
            yield f"{pod.name}: workers that are to stay leave"


def bound(manifests: Sequence[Document]) -> Iterator[str]:
    """The workers' token stands for the image that they run: any other is an impostor's."""
    found = list(find_pods(manifests))
    run = {pod.spec["containers"][0]["image"] for pod in found if pod.component == "worker"}
    for pod in found:
        if pod.component == "server":
            image = environment(pod.spec["containers"][0]).get("TUNER_WORKER_IMAGE", {})
            if run != {image.get("value")}:
                yield f"{pod.name}: the workers' token stands for {image.get('value')}, not {run}"


def scaled(manifests: Sequence[Document]) -> Iterator[str]:
    """KEDA starts a pod for each trial, ends none, and counts for the kind of worker it starts."""
    for document in of_kind(manifests, "ScaledJob"):
        spec = document["spec"]
        job, (trigger,) = spec["jobTargetRef"], spec["triggers"]
        (container,) = job["template"]["spec"]["containers"]
        gpus = container["resources"].get("limits", {}).get("nvidia.com/gpu", 0)
        named = re.search(r"VALUES \('([^']*)', '(\d+)'::int\)", trigger["metadata"]["query"])
        if named is None or (named[1], int(named[2])) != (container["image"], gpus):
            counted = named and named.groups()
            yield f"KEDA counts for {counted}, pods are {container['image']}, {gpus}"
        if job.get("backoffLimit") != 0:
            yield "Kubernetes runs a trial again beside Tuner"
        if spec.get("rollout", {}).get("strategy") != "gradual":
            yield "a changed manifest ends running trials"
        if spec.get("minReplicaCount") != 0 or trigger["metadata"]["targetQueryValue"] != "1":
            yield "a pod for each trial, none without"
        # The others take what runs off the count as well, or do not know what it is.
        if spec.get("scalingStrategy", {}).get("strategy") != "default":
            yield "the query counts what runs, and the strategy does not"
        names = {d["metadata"]["name"] for d in of_kind(manifests, "TriggerAuthentication")}
        if trigger.get("authenticationRef", {}).get("name") not in names:
            yield "KEDA does not know how to reach the database"
