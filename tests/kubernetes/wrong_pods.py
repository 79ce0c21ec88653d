"""Wrong pods, each made from a good one by one change."""

from __future__ import annotations

from tests.kubernetes.changes import (
    SCALED,
    SERVER,
    WORKER,
    Change,
    get,
    in_container,
    in_pod,
    in_spec,
    meta,
    rename,
    set_env,
    with_,
)

#: By what is wrong: the overlay, and the change.
WRONG_PODS: dict[str, tuple[str, Change]] = {
    # Keys and kinds that nobody knows, values of another type.
    "a misspelt key of a pod": (
        "cpu",
        in_pod(
            WORKER,
            lambda s: rename(s, "terminationGracePeriodSeconds", "terminationGracePeriodSecond"),
        ),
    ),
    "a misspelt key of a container": (
        "cpu",
        in_container(SERVER, lambda c: rename(c, "livenessProbe", "livenesProbe")),
    ),
    "a misspelt key of a Deployment": (
        "cpu",
        in_spec(SERVER, lambda s: rename(s, "replicas", "replicass")),
    ),
    "a text where a number belongs": ("cpu", in_spec(SERVER, lambda s: s.update(replicas="two"))),
    "a misspelt key of KEDA's": (
        "nvidia",
        in_spec(SCALED, lambda s: rename(s, "maxReplicaCount", "maxReplicaCont")),
    ),
    "a misspelt key in the pod of KEDA's": (
        "nvidia",
        in_container(SCALED, lambda c: rename(c, "resources", "resource")),
    ),
    "a number where KEDA wants a strategy": (
        "nvidia",
        in_spec(SCALED, lambda s: s.update(scalingStrategy=5)),
    ),
    "an unknown kind": (
        "cpu",
        with_({"apiVersion": "apps/v1", "kind": "Deploymnet", "metadata": meta("x"), "spec": {}}),
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
        with_(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": meta("r"),
                "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
            }
        ),
    ),
    # Secrets.
    "a password in a manifest": (
        "cpu",
        with_(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": meta("tuner-server"),
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
}
